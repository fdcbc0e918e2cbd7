"""`antin notice` and the worker's mails: sent, bounced, published, put aside, tried again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from app import config
from core.clock import SystemClock
from core.database import Database
from policy.records import outbox
from tests.support import mailroom
from tests.support.mailroom import Mailroom
from tests.support.office import key_request, person, taints
from tests.support.terminal import Terminal

TABLE = """
[notices]
authority = "LCS-CA"
order = ["email"]
[notices.email]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "hoso@lcs.example"
"""


@pytest.fixture(scope="module")
def room() -> Iterator[Mailroom]:
    """A mail server that takes everything, until a test says otherwise."""
    with mailroom.mailroom() as opened:
        yield opened


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, room: Mailroom) -> Iterator[Terminal]:
    """A terminal at an instance that sends mail; what is said there never names a person."""
    opened = Terminal(tmp_path_factory.mktemp("cli") / "home")
    with (opened.home / config.FILE).open("a") as file:
        file.write(TABLE.format(port=room.port))
    yield opened
    opened.close()
    for name in ("KH00001", "KH00002", "KH00003", "KH00004"):
        assert not [each for each in taints(person(name)) if each in opened.said]


def _held(terminal: Terminal, folder: Path, name: str) -> str:
    """Enter a subscriber and hold their certificate; return its serial."""
    terminal.enter(name)
    terminal.bring(name)
    path = folder / "request.pem"
    path.write_bytes(key_request())
    issued = terminal.run("issue", "--csr", path, "--subscriber", name)
    serial = f"{x509.load_pem_x509_certificate(issued.out.encode()).serial_number:032X}"
    assert terminal.run("suspend", serial, "--ground", "authority_order").code == 0
    return serial


def _of(terminal: Terminal, name: str) -> dict[str, Any]:
    (found,) = terminal.run("notice", "list", "--subscriber", name, "--json").json
    return dict(found)


def _check(terminal: Terminal, what: str) -> list[str]:
    found = terminal.run("check", "--json").json
    said = [each["finding"] for each in found if each["check"] == "notices"]
    return [each for each in said if what in each]


def test_mail_from_the_worker(terminal: Terminal, room: Mailroom, tmp_path: Path) -> None:
    """A round of the worker sends the mail of a hold; the list says by which channel."""
    serial = _held(terminal, tmp_path, "KH00001")
    assert _of(terminal, "KH00001")["deliveries"] == []
    assert terminal.run("worker", "--once").code == 0
    mail = next(each for each in room.mails if each["To"] == person("KH00001").email)
    assert serial in mail.get_content()
    assert mail["Subject"] == (
        f"Chứng thư số {serial} bị tạm dừng / Certificate {serial} is suspended"
    )
    found = _of(terminal, "KH00001")
    assert (found["deliveries"], found["due"]) == (["email: sent"], None)
    (row,) = terminal.run("notice", "show", found["number"], "--json").json
    assert (row["channel"], row["state"], row["attempts"]) == ("email", "sent", 1)
    assert row["reference"] == mail["Message-ID"]
    again = terminal.run("notice", "retry", found["number"])
    assert (again.code, "was sent" in again.err) == (1, True)


def test_bounce_is_published_and_tried_again(
    terminal: Terminal, room: Mailroom, tmp_path: Path
) -> None:
    """A refused address leads to the look-up site and to a finding; a retry mends both."""
    _held(terminal, tmp_path, "KH00002")
    room.refuse["RCPT"] = "550 5.1.1 <ADDRESS> is nobody here"
    assert terminal.run("worker", "--once").code == 0
    found = _of(terminal, "KH00002")
    assert found["deliveries"] == ["email: bounced", "published: published"]
    assert _check(terminal, "published") == [
        "1 notices reached nobody and are published; see `antin notice list`."
    ]
    shown = terminal.run("notice", "show", found["number"])
    assert "refused the message: 550 5.1.1." in shown.out
    room.refuse.clear()
    assert terminal.run("notice", "retry", found["number"]).code == 0
    assert terminal.run("worker", "--once").code == 0
    assert _of(terminal, "KH00002")["deliveries"] == ["email: sent"]
    assert _check(terminal, "published") == []
    back = terminal.run("notice", "bounced", found["number"])
    assert "came back from email" in back.out
    assert terminal.run("worker", "--once").code == 0
    assert _of(terminal, "KH00002")["deliveries"][-1] == "published: published"
    terminal.run("notice", "retry", found["number"])
    assert terminal.run("worker", "--once").code == 0


def test_put_aside_is_counted_and_retried(terminal: Terminal, room: Mailroom) -> None:
    """What no text can be made of is told by the worker and the check, and retried by a command."""
    terminal.enter("KH00003")
    db = Database(f"sqlite:///{terminal.home}/antin.db")
    with db.begin() as tx:
        outbox.add_notice(tx, "KH00003", "hold", "{}", SystemClock().now())
    db.dispose()
    said = terminal.run("worker", "--once")
    assert said.code == 1
    assert "could not deliver notices: The notice" in said.out
    (aside,) = terminal.run("notice", "list", "--which", "aside", "--json").json
    assert aside["trouble"].startswith("The text of 'hold' asks for ")
    (finding,) = _check(terminal, "put aside")
    assert finding.startswith("1 notices are put aside, for no text can be made of them; ")
    assert f"the first is {aside['number']}: The text of 'hold'" in finding
    assert terminal.run("worker", "--once").code == 0  # it rests
    assert terminal.run("notice", "retry", "--aside").out == "1 notices are due again.\n"
    assert terminal.run("notice", "list", "--which", "aside", "--json").json == []
    assert terminal.run("worker", "--once").code == 1


def test_language_of_a_subscriber(terminal: Terminal, room: Mailroom, tmp_path: Path) -> None:
    """Who asked for English gets English alone; an unknown subscriber has no language."""
    assert terminal.run("notice", "language", "KH99999", "en").code == 1
    assert terminal.run("notice", "language", "KH00004", "fr").code == 2
    _held(terminal, tmp_path, "KH00004")
    assert terminal.run("notice", "language", "KH00004", "en").code == 0
    terminal.run("worker", "--once")
    mail = next(each for each in room.mails if each["To"] == person("KH00004").email)
    assert mail["Content-Language"] == "en"
    assert "Kính gửi" not in mail.get_content()


def test_wrong_words(terminal: Terminal) -> None:
    """A number that is none, no number, and both ways of retrying at once are refused."""
    assert terminal.run("notice", "show", 999).code == 1
    assert terminal.run("notice", "bounced", 999).code == 1
    assert terminal.run("notice", "retry").code == 2
    assert terminal.run("notice", "retry", 1, "--aside").code == 2
