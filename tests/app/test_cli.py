"""The command line: exit codes, sentences instead of tracebacks, JSON, help, no secret shown."""

import itertools
import json
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.cli.entry import app
from tests.app.conftest import antin
from tests.support.office import key_request, person, taints
from tests.support.terminal import Terminal

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal at an instance with keys in SoftHSM; nothing said there ever holds a secret."""
    opened = Terminal(tmp_path_factory.mktemp("cli") / "home")
    yield opened
    opened.close()
    for secret in _secrets(opened.home):
        assert secret not in opened.said


@pytest.fixture
def subscriber(terminal: Terminal) -> str:
    """A subscriber of this test's own, with all papers accepted."""
    name = terminal.enter(f"KH{next(_NUMBERS):05}")
    terminal.bring(name)
    return name


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """A file with a PKCS#10 request for a new key."""
    path = tmp_path / "request.pem"
    path.write_bytes(key_request())
    return path


@pytest.fixture
def serial(terminal: Terminal, subscriber: str, request_file: Path) -> str:
    """The serial of a good certificate of this test's own."""
    said = terminal.run("issue", "--csr", request_file, "--subscriber", subscriber)
    assert said.code == 0, said.err
    return f"{x509.load_pem_x509_certificate(said.out.encode()).serial_number:032X}"


def _secrets(home: Path) -> list[str]:
    found = [each.read_text().strip() for each in (home / "token").glob("*pin*")]
    assert found
    return [*found, (home / "vault.key").read_bytes().hex()]


def test_issue_prints_the_certificate(
    terminal: Terminal, subscriber: str, request_file: Path
) -> None:
    """Issued certificates come out as PEM, alone on the standard output."""
    said = terminal.run("issue", "--csr", request_file, "--subscriber", subscriber, "--years", 2)
    certificate = x509.load_pem_x509_certificate(said.out.encode())
    assert (said.code, said.err) == (0, "")
    assert said.out == certificate.public_bytes(Encoding.PEM).decode()


def test_issue_writes_a_file(
    terminal: Terminal, subscriber: str, request_file: Path, tmp_path: Path
) -> None:
    """With --out the certificate goes to the file, and the sentence names its serial."""
    out = tmp_path / "certificate.pem"
    said = terminal.run("issue", "--csr", request_file, "--subscriber", subscriber, "--out", out)
    certificate = x509.load_pem_x509_certificate(out.read_bytes())
    assert said.out == f"Issued {certificate.serial_number:032X} into {out}.\n"


def test_issue_refuses(terminal: Terminal, request_file: Path, tmp_path: Path) -> None:
    """Unknown subscribers are refused (1); malformed requests and absent files are usage (2)."""
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no request")
    name = terminal.enter(f"KH{next(_NUMBERS):05}")
    codes = [
        terminal.run("issue", "--csr", request_file, "--subscriber", "KH99999").code,
        terminal.run("issue", "--csr", wrong, "--subscriber", name).code,
        terminal.run("issue", "--csr", tmp_path / "absent", "--subscriber", name).code,
        terminal.run("issue", "--csr", request_file, "--subscriber", name, "--years", 6).code,
    ]
    assert codes == [1, 2, 2, 2]


def test_nothing_is_issued_that_cannot_be_handed_over(
    terminal: Terminal, subscriber: str, request_file: Path, tmp_path: Path
) -> None:
    """When the folder for the certificate does not exist, nothing is decided or issued."""
    out = tmp_path / "absent" / "certificate.pem"
    before = terminal.run("rules", "replay").out
    said = terminal.run("issue", "--csr", request_file, "--subscriber", subscriber, "--out", out)
    assert said.code == 2
    assert "There is no folder" in said.err
    assert terminal.run("rules", "replay").out == before


def test_status_in_json(terminal: Terminal, serial: str) -> None:
    """The JSON of a status parses and tells how the certificate came to stand so."""
    order = ("--ground", "authority_order", "--reference", "QD-1")
    assert terminal.run("suspend", serial, *order).code == 0
    (row,) = terminal.run("status", serial, "--json").json
    assert (row["status"], row["reason"]) == ("hold", "certificateHold")
    assert row["clause"] == "130/2018:28(1)(c)"
    assert [each["act"] for each in row["history"]] == ["issue", "suspend"]
    (before,) = terminal.run("status", serial, "--at", "2020-01-01T00:00:00Z", "--json").json
    assert before["status"] == "not_yet_valid"


def test_status_for_people(terminal: Terminal, serial: str) -> None:
    """Without --json the same stands in a table."""
    said = terminal.run("status", serial)
    assert said.code == 0
    assert serial in said.out
    assert "good" in said.out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("4F0A12C3",), 1, "No certificate has the serial 4F0A12C3.\n"),
        (("hello",), 2, "The serial 'hello' is not a positive hex number"),
        (("4F", "--at", "yesterday"), 2, "The instant 'yesterday' cannot be read"),
        (("4F", "--at", "2024-04-20T09:30:00"), 2, "write it with its zone"),
    ],
)
def test_status_of_what_is_not_there(
    terminal: Terminal, words: tuple[str, ...], code: int, sentence: str
) -> None:
    """What does not exist is one sentence and exit code 1; what is malformed, exit code 2."""
    said = terminal.run("status", *words)
    assert said.code == code
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_suspend_restore_revoke(terminal: Terminal, serial: str) -> None:
    """Each act says how the certificate stands after it, and revoked takes no further one."""
    said = [
        terminal.run("suspend", serial, "--ground", "130/2018:28(1)(c)", "--reference", "QD-1"),
        terminal.run("restore", serial, "--ground", "authority", "--by", "authority"),
        terminal.run("revoke", serial, "--ground", "key_lost", "--verified"),
        terminal.run("suspend", serial, "--ground", "authority_order"),
    ]
    assert [each.code for each in said] == [0, 0, 0, 1]
    assert [each.out for each in said] == [
        f"{serial} is hold (certificateHold), held by authority.\n",
        f"{serial} is good.\n",
        f"{serial} is revoked (keyCompromise).\n",
        "",
    ]
    assert "revoked is final" in said[-1].err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("restore", "--ground", "authority"), 1, "No hold from authority is open"),
        (("revoke", "--ground", "key_lost"), 1, "was not verified"),
        (("revoke", "--ground", "key_lost", "--by", "ca", "--verified"), 1, "came from the ca"),
        (("revoke", "--ground", "no_such"), 2, "has no ground to revoke named 'no_such'"),
        (("revoke", "--ground", "130/2018:29(1)(a)"), 1, "name one of them"),
        (("revoke", "--ground", "key_lost", "--by", "nobody"), 2, "Invalid value"),
        (("revoke", "--ground", "key_lost", "--reason", "bored"), 2, "Invalid value"),
        (("revoke",), 2, "Missing option"),
        (("suspend", "--ground", "authority_order", "--until", "soon"), 2, "'soon' cannot be read"),
        (
            ("suspend", "--ground", "authority_order", "--until", "2020-01-01T00:00:00Z"),
            1,
            "has passed",
        ),
    ],
)
def test_acts_that_are_refused(
    terminal: Terminal, serial: str, words: tuple[str, ...], code: int, sentence: str
) -> None:
    """A rule's refusal is exit code 1 with its reason, wrong usage exit code 2; nothing changes."""
    act, *options = words
    said = terminal.run(act, serial, *options)
    assert said.code == code
    assert sentence in said.err
    (row,) = terminal.run("status", serial, "--json").json
    assert row["status"] == "good"


def test_reason_chooses_among_grounds_of_a_clause(terminal: Terminal, serial: str) -> None:
    """Where a clause has several grounds, the expected reason says which one is meant."""
    said = terminal.run(
        "revoke", serial, "--ground", "130/2018:29(1)(a)", "--reason", "superseded", "--verified"
    )
    assert said.out == f"{serial} is revoked (superseded).\n"


def test_papers_through_the_desk(terminal: Terminal) -> None:
    """Papers are received, accepted and rejected by number, and the dossier shows them all."""
    name = terminal.enter(f"KH{next(_NUMBERS):05}")
    terminal.bring(name, "registration_form", "business_registration", "representative_id")
    numbers = []
    for _ in range(2):
        said = terminal.run(
            "document", "receive", name, "--kind", "contract", "--form", "paper_original"
        )
        numbers.append(re.search(r"number (\d+)", said.out)[1])  # type: ignore[index] # it is there
    rejected = terminal.run("document", "reject", numbers[0], "--reason", "Thiếu chữ ký.")
    assert rejected.out == f"The paper {numbers[0]} of {name} is rejected.\n"
    (before,) = terminal.run("dossier", "show", name, "--json").json
    assert terminal.run("document", "accept", numbers[1]).code == 0
    (after,) = terminal.run("dossier", "show", name, "--json").json
    assert len(before["lacks"]) == 1
    assert (after["state"], after["lacks"]) == ("verified", [])
    verdicts = [each["verdict"] for each in after["documents"]]
    assert verdicts == ["accepted", "accepted", "accepted", "rejected", "accepted"]
    assert "Thiếu chữ ký." in terminal.run("dossier", "show", name).out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("receive", "{name}", "--kind", "poem", "--form", "paper_original"), 2),
        (("receive", "{name}", "--kind", "contract", "--form", "song"), 2),
        (
            ("receive", "{name}", "--kind", "contract", "--form", "scan", "--expires", "soon"),
            2,
        ),
        (("receive", "KH99999", "--kind", "contract", "--form", "scan"), 1),
        (("accept", "4711000"), 1),
        (("accept", "seventeen"), 2),
        (("reject", "4711000"), 2),
    ],
)
def test_papers_that_are_refused(
    terminal: Terminal, subscriber: str, words: tuple[str, ...], code: int
) -> None:
    """Unknown words, days, numbers and subscribers are refused with the right exit code."""
    said = terminal.run("document", *(each.format(name=subscriber) for each in words))
    assert said.code == code
    assert said.err


def test_cases_and_tokens_are_read(terminal: Terminal) -> None:
    """Lists are JSON or a sentence when empty; unknown cases, tokens and steps are refused."""
    assert terminal.run("case", "list", "--json").json == []
    assert terminal.run("case", "list").out == "Nothing found.\n"
    assert terminal.run("token", "list", "--json").json == []
    codes = [
        terminal.run("case", "show", "KH99999-1").code,
        terminal.run("case", "advance", "KH99999-1", "video_verified").code,
        terminal.run("case", "advance", "KH99999-1", "forfeited").code,
        terminal.run("case", "advance", "KH99999-1", "jump").code,
        terminal.run("token", "lock", "LCS404").code,
    ]
    assert codes == [1, 1, 1, 2, 1]


def test_campaign_from_draft_to_close(terminal: Terminal) -> None:
    """Planned by one operator, approved by another, announced, enforced, reported, closed."""
    dates = ("--hold-at", "2099-04-20T00:00:00+07:00", "--revoke-at", "2099-05-02T00:00:00+07:00")
    assert terminal.run("campaign", "new", "spring", *dates).code == 0
    assert terminal.run("campaign", "new", "spring", *dates).code == 1
    assert terminal.run("campaign", "revise", "spring").code == 2
    assert "draft again" in terminal.run("campaign", "revise", "spring", *dates[:2]).out
    simulated = terminal.run("campaign", "simulate", "spring", "--json")
    assert isinstance(simulated.json, list)
    own = terminal.run("campaign", "approve", "spring")
    assert own.code == 1
    assert "another operator must approve" in own.err
    assert terminal.run("--as", "mai", "campaign", "approve", "spring").code == 0
    assert terminal.run("campaign", "announce", "spring").code == 0
    enforced = terminal.run("campaign", "enforce", "spring")
    assert enforced.code == 0
    assert "0 certificates were acted on." in enforced.out
    (row,) = terminal.run("campaign", "report", "--json").json
    assert (row["stage"], row["author"], row["approver"]) == (
        "enforcing",
        "operator:lan",
        "operator:mai",
    )
    assert terminal.run("campaign", "close", "spring").code == 0
    assert terminal.run("campaign", "enforce", "spring").code == 1
    assert terminal.run("campaign", "new", "x", "--hold-at", "a", "--revoke-at", "b").code == 2


def test_rules_are_listed_checked_and_replayed(terminal: Terminal, serial: str) -> None:
    """Grounds are listed; a sound rulebook is told from a broken one; decisions are replayed."""
    grounds = terminal.run("rules", "list", "--json").json
    assert {"ground": "key_lost", "act": "revoke"}.items() <= next(
        each for each in grounds if each["ground"] == "key_lost"
    ).items()
    own = terminal.home / "rulebooks" / "lcs-2024.toml"
    assert "lcs-2024/1 is sound" in terminal.run("rules", "check", own).out
    replayed = terminal.run("rules", "replay")
    assert replayed.code == 0
    assert replayed.out.endswith(" decisions were made again, 0 differ.\n")


@pytest.mark.parametrize("content", [b"", b"id = 1", b"\xff\xfe\x00", b"id = [", b"x" * 100_000])
def test_broken_rulebook_is_told(terminal: Terminal, tmp_path: Path, content: bytes) -> None:
    """A file that is no rulebook, or not even text, is refused with a sentence."""
    path = tmp_path / "rules.toml"
    path.write_bytes(content)
    said = terminal.run("rules", "check", path)
    assert said.code == 2
    assert said.err.startswith(("The rulebook", "What was read is not UTF-8 text"))


def test_one_round_of_the_worker(terminal: Terminal, serial: str) -> None:
    """`worker --once` does what is due: the notice of a hold is written, privately."""
    terminal.run("suspend", serial, "--ground", "authority_order")
    assert terminal.run("worker", "--once").code == 0
    letters = list((terminal.home / "outbox").iterdir())
    assert any(serial in each.read_text("utf-8") for each in letters)
    assert {stat.S_IMODE(each.stat().st_mode) for each in letters} == {0o600}


def test_no_personal_value_is_shown(terminal: Terminal, subscriber: str, serial: str) -> None:
    """What operators read on the screen of status and dossier names no person."""
    shown = terminal.run("status", serial).out + terminal.run("dossier", "show", subscriber).out
    for value in taints(person(subscriber)):
        assert value not in shown


@pytest.mark.parametrize(
    "words", [("status", "4F"), ("case", "list"), ("worker", "--once"), ("rules", "list")]
)
def test_without_an_instance(terminal: Terminal, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Where there is no instance, the sentence says so and names the command that makes one."""
    said = terminal.bare("--home", tmp_path / "nothing", *words)
    assert said.code == 1
    assert "There is no instance in" in said.err
    assert "antin init" in said.err


@pytest.mark.parametrize("words", [("sing",), ("case", "sing"), ("status",), ("--loud", "status")])
def test_wrong_usage(terminal: Terminal, words: tuple[str, ...]) -> None:
    """Unknown commands, options and missing arguments are exit code 2 with a hint."""
    said = terminal.bare(*words)
    assert said.code == 2
    assert "Usage: antin" in said.err


def _commands() -> Iterator[tuple[str, ...]]:
    def walk(group: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        below = getattr(group, "commands", None)
        if below is None:
            yield path
            return
        for name, command in below.items():
            yield from walk(command, (*path, name))

    return walk(typer.main.get_command(app), ())


@pytest.mark.parametrize("words", list(_commands()), ids=" ".join)
def test_every_help_has_an_example(terminal: Terminal, words: tuple[str, ...]) -> None:
    """The help of every command opens with a sentence and has an example of that command."""
    said = terminal.bare(*words, "--help")
    assert said.code == 0
    text = " ".join(said.out.split())
    assert f"Usage: antin {' '.join(words)}" in text
    example = text.partition("Example: antin ")[2]
    assert " ".join(words) in example or all(word in example for word in words)


def test_a_process_of_its_own(tmp_path: Path) -> None:
    """As a process, a refusal is one sentence on the standard error and the exit code."""
    done: subprocess.CompletedProcess[str] = antin("--home", tmp_path, "status", "4F")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("There is no instance in ")
    assert done.stderr.count("\n") == 1


def test_json_is_the_whole_output(terminal: Terminal, serial: str, subscriber: str) -> None:
    """What --json prints is JSON and nothing else, in Vietnamese letters, not in escapes."""
    for words in (
        ("status", serial),
        ("dossier", "show", subscriber),
        ("case", "list"),
        ("token", "list"),
        ("campaign", "report"),
        ("rules", "list"),
    ):
        said = terminal.run(*words, "--json")
        assert (said.code, said.err) == (0, "")
        json.loads(said.out)
        assert "\\u" not in said.out
