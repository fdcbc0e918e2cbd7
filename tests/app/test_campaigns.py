"""Campaigns at the terminal: scope, signed plan, reports, steering, shares, the account."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from core.clock import SystemClock
from tests.support.office import key_request
from tests.support.terminal import Terminal


def _in_days(days: int) -> str:
    return (SystemClock().now() + timedelta(days=days)).isoformat()


DATES = ("--hold-at", _in_days(60), "--revoke-at", _in_days(80))


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal at an instance with one subscriber, who has no papers."""
    opened = Terminal(tmp_path_factory.mktemp("campaigns") / "home")
    opened.enter("KH00001")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def serial(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The serial of the subscriber's certificate."""
    request = tmp_path_factory.mktemp("request") / "request.pem"
    request.write_bytes(key_request())
    said = terminal.run("issue", "--csr", request, "--subscriber", "KH00001")
    assert said.code == 0, said.err
    return f"{x509.load_pem_x509_certificate(said.out.encode()).serial_number:032X}"


def test_campaign_over_a_list_is_simulated_approved_and_steered(
    terminal: Terminal, serial: str, tmp_path: Path
) -> None:
    """From a list of serials to the account, each step by the operator who may take it."""
    listed = tmp_path / "serials.csv"
    listed.write_text(f"note,serial\nfirst,{serial.lower()}\n", encoding="utf-8")
    assert terminal.run("campaign", "new", "listed", *DATES, "--list", listed).code == 0
    page, book = tmp_path / "plan.html", tmp_path / "plan.xlsx"
    simulated = terminal.run("campaign", "simulate", "listed", "--report", page)
    assert (simulated.code, serial in page.read_text("utf-8")) == (0, True), simulated.err
    again = terminal.run("campaign", "simulate", "listed", "--report", book, "--json")
    assert [(each["serial"]) for each in again.json] == [serial]
    assert book.stat().st_size > 0
    other = terminal.run("--as", "mai", "campaign", "approve", "listed", "--plan", "0" * 64)
    assert (other.code, "simulated anew" in other.err) == (1, True)
    digest = next(word for word in simulated.out.split() if len(word.strip(";")) == 64).strip(";")
    approved = terminal.run("--as", "mai", "campaign", "approve", "listed", "--plan", digest)
    assert approved.code == 0, approved.err
    assert terminal.run("campaign", "announce", "listed").code == 0
    why = ("--because", "The post is on strike.")
    assert terminal.run("campaign", "pause", "listed", *why).code == 0
    assert terminal.run("campaign", "enforce", "listed").code == 1
    assert terminal.run("campaign", "resume", "listed", *why).code == 0
    enforced = terminal.run(
        "campaign", "enforce", "listed", "--share", "1/2", "--per-second", "100"
    )
    assert (enforced.code, "0 certificates" in enforced.out) == (0, True), enforced.err
    later = ("--revoke-at", _in_days(90))
    assert terminal.run("campaign", "extend", "listed", *later, *why).code == 0
    assert terminal.run("campaign", "extend", "listed", "--approve").code == 1
    extended = terminal.run("--as", "mai", "campaign", "extend", "listed", "--approve")
    assert (extended.code, "and revokes at" in extended.out) == (0, True), extended.err
    until = ("--until", _in_days(99))
    assert terminal.run("campaign", "exempt", "listed", serial, *until, *why).code == 0
    report = terminal.run("campaign", "report", "listed", "--json").json
    assert {"outcome": "exempted", "certificates": 1} in report
    account = tmp_path / "account.xlsx"
    closed = terminal.run("campaign", "close", "listed", "--file", account, "--json")
    assert {"outcome": "scope", "certificates": 1} in closed.json
    assert account.stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--lacking", "passport_photo"), "knows no document 'passport_photo'"),
        (("--issued-from", "yesterday"), "'yesterday' is no day"),
    ],
)
def test_scope_that_cannot_be_read(terminal: Terminal, options, sentence: str) -> None:
    """A word that the rulebook does not know, or a day that is none, drafts nothing."""
    said = terminal.run("campaign", "new", "wrong", *DATES, *options)
    assert (said.code, sentence in said.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "code"), [("", 2), ("serial,note\n", 2), ("hello\n", 2), ("0BAD\n", 1)]
)
def test_list_that_names_nobody(terminal: Terminal, tmp_path: Path, text: str, code: int) -> None:
    """An empty list, a word that is no serial, and a serial that nobody has are refused."""
    listed = tmp_path / "serials.csv"
    listed.write_text(text, encoding="utf-8")
    assert terminal.run("campaign", "new", "empty", *DATES, "--list", listed).code == code


@pytest.mark.parametrize("share", ["2", "0/2", "3/2", "a/b", "1/0"])
def test_share_that_cannot_be_read(terminal: Terminal, share: str) -> None:
    """A share is a number of a number."""
    assert terminal.run("campaign", "enforce", "any", "--share", share).code == 2


def test_scope_of_a_query(terminal: Terminal, serial: str) -> None:
    """Kind, reseller, province, issue period, findings and state are taken together."""
    every = (
        "--kind", "organisation", "--lacking", "contract", "--issued-from", "2020-01-01",
        "--issued-until", "2098-01-01", "--state", "none",
    )  # fmt: skip
    assert terminal.run("campaign", "new", "query", *DATES, *every).code == 0
    (row,) = terminal.run("campaign", "simulate", "query", "--json").json
    assert row["serial"] == serial
    assert terminal.run("campaign", "new", "nobody", *DATES, "--reseller", "DL99").code == 0
    assert terminal.run("campaign", "simulate", "nobody", "--json").json == []
