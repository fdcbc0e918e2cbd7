"""The commands of the other roads: loss reports, feeds, resellers' files, doubts, remedy steps."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.office import key_request
from tests.support.terminal import Terminal

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal at an instance with keys in SoftHSM."""
    opened = Terminal(tmp_path_factory.mktemp("roads") / "home")
    yield opened
    opened.close()


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """A file with a PKCS#10 request for a new key."""
    path = tmp_path / "request.pem"
    path.write_bytes(key_request())
    return path


@pytest.fixture
def name(terminal: Terminal) -> str:
    """A subscriber of this test's own, with all papers."""
    entered = terminal.enter(f"KH{next(_NUMBERS):05}")
    terminal.bring(entered)
    return entered


@pytest.fixture
def serial(terminal: Terminal, name: str, request_file: Path) -> str:
    """The serial of a good certificate of that subscriber."""
    said = terminal.run("issue", "--csr", request_file, "--subscriber", name)
    assert said.code == 0, said.err
    return f"{x509.load_pem_x509_certificate(said.out.encode()).serial_number:032X}"


def _status(terminal: Terminal, serial: str) -> str:
    return str(terminal.run("status", serial, "--json").json[0]["status"])


def test_loss_report(terminal: Terminal, serial: str) -> None:
    """An unverified report holds; it waits; verified it is withdrawn, or revokes for ever."""
    call = ("--reference", "call 1")
    assert terminal.run("loss", "report", serial, *call).code == 0
    (waiting,) = terminal.run("loss", "list", "--json").json
    assert (waiting["serial"], waiting["verified"]) == (serial, False)
    assert _status(terminal, serial) == "hold"
    assert terminal.run("loss", "withdraw", serial, *call).code == 0
    assert _status(terminal, serial) == "good"
    terminal.run("loss", "report", serial, *call)
    assert terminal.run("loss", "verify", serial, *call).code == 0
    assert _status(terminal, serial) == "revoked"
    assert terminal.run("loss", "list", "--json").json == []


def test_feed_of_the_dissolved(terminal: Terminal, name: str, serial: str, tmp_path: Path) -> None:
    """Without --apply the feed only answers."""
    path = tmp_path / "feed.csv"
    code = f"99{int(name[2:]):08}"
    path.write_text(f"tax_code,ended_on,source\n{code},2024-01-01,TB 12\n")
    (told,) = terminal.run("feed", "dissolved", path, "--json").json
    assert (told["outcome"], told["serial"]) == ("would be done", serial)
    assert _status(terminal, serial) == "good"
    said = terminal.run("feed", "dissolved", path, "--apply")
    assert (said.code, "1 done, 0 would" in said.out) == (0, True)
    assert _status(terminal, serial) == "revoked"


def test_reseller_file(terminal: Terminal, serial: str, tmp_path: Path) -> None:
    """A file of a reseller who does not serve the customer finds nothing of theirs."""
    path = tmp_path / "asks.csv"
    path.write_text(f"serial,act,reference\n{serial},revoke,CV 7\nxyz,revoke,CV 7\n")
    said = terminal.run("reseller", "file", "DL09", path, "--verified", "--apply", "--json")
    assert said.code == 1
    assert [each["outcome"] for each in said.json] == ["not ours", "refused"]
    assert _status(terminal, serial) == "good"


def test_doubted_papers(terminal: Terminal, name: str, serial: str) -> None:
    """A contested paper holds and a forged one revokes; both point to the related subscribers."""
    papers = terminal.run("dossier", "show", name, "--json").json[0]["documents"]
    number = papers[0]["number"]
    said = terminal.run("document", "contest", number, "--reason", "Con dấu không khớp.")
    assert f"antin dossier related {name}" in said.out
    assert _status(terminal, serial) == "hold"
    assert terminal.run("document", "forged", number, "--reason", "Giả.").code == 0
    assert _status(terminal, serial) == "revoked"
    assert terminal.run("dossier", "related", name).code == 0


def test_look_up_code(terminal: Terminal, name: str) -> None:
    """A look-up code is told once, for 90 days."""
    said = terminal.run("dossier", "code", name)
    assert (said.code, "for 90 days" in said.out) == (0, True)
    sent = terminal.run("dossier", "code", name, "--send").out
    assert f"A look-up code goes to {name}" in sent


def test_remedy_steps(terminal: Terminal, name: str, request_file: Path, tmp_path: Path) -> None:
    """A case goes its road by commands: opened, shipped, lost, shipped again, extended, ended."""
    assert "photos_received" in terminal.run("case", "open", name).out
    case = f"{name}-1"
    steps = ("video_failed", "handed_to_officer", "video_verified", "payment_requested")
    for event in (*steps, "payment_received"):
        assert terminal.run("case", "advance", case, event).code == 0
    assert terminal.run("case", "advance", case, "token_shipped").code == 2
    ship = ("case", "ship", case, "--token", f"T1-{name}", "--csr", request_file)
    assert terminal.run(*ship).code == 0
    assert "is paid" in terminal.run("case", "advance", case, "token_lost").out
    other = tmp_path / "other.pem"
    other.write_bytes(key_request())
    again = terminal.run("case", "ship", case, "--token", f"T2-{name}", "--csr", other)
    assert again.code == 0, again.err
    assert terminal.run("case", "advance", case, "token_received").code == 0
    proof = ("--kind", "force_majeure_proof", "--form", "scan")
    number = terminal.run("document", "receive", name, *proof).out.split()[-1].rstrip(".")
    assert terminal.run("document", "accept", number).code == 0
    late = ("--until", "2090-01-01T00:00:00Z", "--evidence", number, "--because", "Bão.")
    assert "days after that" in terminal.run("case", "extend", case, *late).err
    assert terminal.run("case", "waiting").code == 0
    contract = terminal.run("case", "advance", case, "contract_returned", "--parcel", "EMS1")
    assert "goes back when it is activated" in contract.err


def test_people_behind_a_subscriber(terminal: Terminal, name: str) -> None:
    """Places of papers, representations and proofs of contacts are kept by commands."""
    number = terminal.run("dossier", "show", name, "--json").json[0]["documents"][0]["number"]
    where = ("--office", "HN", "--box", "12", "--shelf", "3", "--copies", "2")
    assert terminal.run("document", "place", number, *where).code == 0
    paper = terminal.run("dossier", "show", name, "--json").json[0]["documents"][0]
    assert (paper["place"], paper["copies"]) == ("HN / 12 / 3", 2)
    who = ("--name", "Lê Ngọc Hân", "--from", "2024-04-01", "--evidence", number)
    said = terminal.run("dossier", "represent", name, *who)
    assert said.code == 0, said.err
    representation = said.out.split()[-1].rstrip(".")
    ended = terminal.run("dossier", "unrepresent", representation, "--until", "2024-06-30")
    assert ended.code == 0, ended.err
    (row,) = terminal.run("dossier", "represented", name, "--json").json
    assert (row["name"], row["to"]) == ("Lê Ngọc Hân", "2024-06-30")
    assert terminal.run("contact", "ask", name, "phone").code == 0
    assert terminal.run("worker", "--once").code == 0
    (sent,) = (terminal.home / "outbox").glob("*-contact_code.txt")
    code = sent.read_text("utf-8").partition("is ")[2][:6]
    assert "not the one" in terminal.run("contact", "confirm", name, "phone", "x").err
    assert terminal.run("contact", "confirm", name, "phone", code).code == 0
    assert terminal.run("contact", "call", name, "email", "--reference", "gọi 1").code == 0
    shown = terminal.run("contact", "show", name, "--json").json
    assert all(each["verified"] for each in shown)


def test_erasure_finds_nobody(terminal: Terminal, serial: str) -> None:
    """With a living certificate nobody is due; one of the three options is needed."""
    assert serial
    assert terminal.run("dossier", "erase", "--due").out == "Nothing found.\n"
    assert "Nobody's personal data is due" in terminal.run("dossier", "erase", "--ask").err
    assert terminal.run("dossier", "erase").code == 2
    assert "no list of erasures" in terminal.run("dossier", "erase", "--approve", 7).err


def test_resellers_and_contracts(terminal: Terminal, name: str) -> None:
    """Resellers and contracts are entered, listed and ended."""
    new = ("reseller", "add", "DL07", "--name", "Đại lý Bảy", "--since", "2023-01-01")
    assert terminal.run(*new).code == 0
    assert terminal.run("reseller", "end", "DL07", "--on", "2023-12-31").code == 0
    (row,) = terminal.run("reseller", "list", "--json").json
    assert (row["reseller"], row["ended"]) == ("DL07", "2023-12-31")
    signed = ("--signed", "2024-03-01", "--terms", "2023-2")
    assert terminal.run("contract", "add", "HD-1", "--subscriber", name, *signed).code == 0
    (found,) = terminal.run("contract", "list", name, "--json").json
    assert (found["contract"], found["terms"]) == ("HD-1", "2023-2")
