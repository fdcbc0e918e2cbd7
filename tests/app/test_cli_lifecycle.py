"""The commands of the life cycle: confirm, extend, plan, key, issuer."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.office import key_request
from tests.support.terminal import Terminal

_NUMBERS = itertools.count(1)
_PAUSE = ("--ground", "subscriber_pause", "--by", "subscriber", "--verified")
_STOP = ("--ground", "subscriber_request", "--by", "subscriber", "--verified")


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal at an instance with keys in SoftHSM."""
    opened = Terminal(tmp_path_factory.mktemp("lifecycle") / "home")
    yield opened
    opened.close()


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """A file with a PKCS#10 request for a new key."""
    path = tmp_path / "request.pem"
    path.write_bytes(key_request())
    return path


@pytest.fixture
def serial(terminal: Terminal, request_file: Path) -> str:
    """The serial of a good certificate of this test's own."""
    name = terminal.enter(f"KH{next(_NUMBERS):05}")
    terminal.bring(name)
    said = terminal.run("issue", "--csr", request_file, "--subscriber", name)
    assert said.code == 0, said.err
    return f"{x509.load_pem_x509_certificate(said.out.encode()).serial_number:032X}"


def test_confirm(terminal: Terminal, serial: str) -> None:
    """A certificate waits for the subscriber's own, verified confirmation, and for one only."""
    waiting = terminal.run("unconfirmed", "--json").json
    assert serial in [each["serial"] for each in waiting]
    assert "was not verified" in terminal.run("confirm", serial).err
    assert "only the subscriber" in terminal.run("confirm", serial, "--by", "ca").err
    said = terminal.run("confirm", serial, "--verified", "--reference", "call 17")
    assert (said.code, said.out.startswith(f"{serial} is confirmed since 2")) == (0, True)
    again = terminal.run("confirm", serial, "--verified")
    assert (again.code, "was confirmed at" in again.err) == (1, True)
    waiting = terminal.run("unconfirmed", "--json").json
    assert serial not in [each["serial"] for each in waiting]


def test_extend(terminal: Terminal, serial: str) -> None:
    """A hold gets a later end from whoever may place it; an earlier one is refused."""
    assert "No hold from subscriber" in terminal.run("extend", serial, *_PAUSE).err
    held = terminal.run("suspend", serial, *_PAUSE, "--until", "2090-01-01T00:00:00Z")
    assert held.code == 0, held.err
    earlier = terminal.run("extend", serial, *_PAUSE, "--until", "2080-01-01T00:00:00Z")
    assert (earlier.code, "a later end or none" in earlier.err) == (1, True)
    later = terminal.run("extend", serial, *_PAUSE, "--until", "2091-01-01T00:00:00Z")
    assert later.out == f"{serial} is hold (certificateHold), held by subscriber.\n"
    assert terminal.run("extend", serial, *_PAUSE).code == 0
    (row,) = terminal.run("status", serial, "--json").json
    acts = [each["act"] for each in row["history"]]
    assert acts == ["issue", "suspend", "extend", "extend"]


def test_plan(terminal: Terminal, serial: str) -> None:
    """A revocation is planned for an instant within the validity, listed, and cancelled."""
    wrong = terminal.run("revoke", serial, *_STOP, "--at", "2001-01-01T00:00:00Z")
    assert (wrong.code, "does not lie between now" in wrong.err) == (1, True)
    text = terminal.run("status", serial, "--json").json[0]["since"]
    at = f"{text[:4]}-12-31T23:59:58Z" if text[5:7] != "12" else f"{int(text[:4]) + 1}-02-01T00:00Z"
    planned = terminal.run("revoke", serial, *_STOP, "--at", at)
    assert planned.code == 0, planned.err
    (row,) = terminal.run("plan", "list", "--json").json
    assert (row["serial"], row["reason"]) == (serial, "cessationOfOperation")
    twice = terminal.run("revoke", serial, *_STOP, "--at", at)
    assert (twice.code, "cancel that one first" in twice.err) == (1, True)
    cancelled = terminal.run("plan", "cancel", serial, "--because", "They go on.")
    assert cancelled.code == 0, cancelled.err
    assert terminal.run("plan", "list").out == "Nothing found.\n"
    assert terminal.run("status", serial, "--json").json[0]["status"] == "good"
    assert terminal.run("rules", "replay").code == 0


def test_invalidity_date(terminal: Terminal, serial: str) -> None:
    """A revocation may say since when the certificate was bad, but not from tomorrow on."""
    ahead = terminal.run("revoke", serial, *_STOP, "--invalidity-date", "2090-01-01T00:00:00Z")
    assert (ahead.code, "which lies ahead" in ahead.err) == (1, True)
    bad = ("--invalidity-date", "2024-01-01T00:00:00Z")
    assert terminal.run("revoke", serial, *_STOP, *bad).code == 0


def test_key_report(terminal: Terminal, tmp_path: Path, request_file: Path, serial: str) -> None:
    """A report that proves possession blocks the key and shows its certificates."""
    said = terminal.run("key", "report", request_file, "--because", "It leaked.", "--json")
    assert [(each["serial"], each["to_revoke"]) for each in said.json] == [(serial, True)]
    unused = ec.generate_private_key(ec.SECP256R1())
    found = tmp_path / "leaked.pem"
    found.write_bytes(unused.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    said = terminal.run("key", "report", found, "--because", "It leaked.")
    assert (said.code, "is blocked for ever" in said.out) == (0, True)


def test_key_block(terminal: Terminal, tmp_path: Path) -> None:
    """A list of hashes is blocked as a whole; a wrong line is wrong usage and blocks nothing."""
    listed = tmp_path / "list.txt"
    listed.write_text("# weak\n" + "ab" * 32 + "\n")
    said = terminal.run("key", "block", listed, "--because", "A published list.")
    assert said.out == "Blocked for ever: 1.\n"
    listed.write_text("ab\n")
    assert terminal.run("key", "block", listed, "--because", "Again.").code == 2


def test_issuers(terminal: Terminal) -> None:
    """The issuers are listed with their ends; none is retired into one that ends sooner."""
    rows = terminal.run("issuer", "list", "--json").json
    assert [(each["name"], each["issues"]) for each in rows] == [("root", False), ("issuing", True)]
    said = terminal.run("issuer", "retire", "root", "--successor", "issuing")
    assert (said.code, "it is no successor" in said.err) == (1, True)
