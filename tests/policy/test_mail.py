"""E-mail against a real server: TLS, logins, refusals, and mails that no name can bend."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Unavailable
from policy.channels.letters import Away, Bounced, Deferred, Recipient, mail_address
from policy.channels.mail import Mail, letter
from policy.channels.relay import Relay, Security
from policy.deliver import deliver_due
from tests.support import mailroom
from tests.support.dossiers import ANNOUNCED_AT
from tests.support.mailroom import Mailroom
from tests.support.office import Bureau, person
from tests.support.post import message, post

SENDER = "ca@lcs.example"
PLAIN = Relay(host="127.0.0.1", port=0, sender=SENDER, security=Security.NONE, seconds=2.0)


OPENED: list[Mail] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def _to(room: Mailroom, **changes: Any) -> Mail:
    OPENED.append(Mail(replace(PLAIN, port=room.port, **changes)))
    return OPENED[-1]


def test_mail_as_it_arrives() -> None:
    """Addressed to one person, in both languages, marked as made by a machine, with our id."""
    with mailroom.mailroom() as room:
        receipt = _to(room).send(message(12))
    (mail,) = room.mails
    assert room.recipients == ["hop-thu-1@rieng-tu.example"]
    assert (mail["From"], mail["To"]) == (SENDER, "hop-thu-1@rieng-tu.example")
    assert mail["Message-ID"] == receipt.reference == "<notice-12.20240320000000@lcs.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "vi, en"
    assert mail["Subject"] == message(12).subject
    assert mail.get_content().replace("\r\n", "\n") == message(12).text


def test_one_connection_for_many() -> None:
    """A round's mails go over one connection, which is closed after it and opened by the next."""
    with mailroom.mailroom() as room:
        channel = _to(room)
        for number in (1, 2, 3):
            channel.send(message(number))
        channel.close()
        assert (len(room.mails), len(room.sessions)) == (3, 1)
        channel.send(message(4))
        channel.close()
        assert (len(room.mails), len(room.sessions)) == (4, 2)


def test_connection_that_was_closed_while_idle() -> None:
    """A server that hangs up after each mail gets the next one over a new connection."""
    with mailroom.mailroom() as room:
        room.hang_up = True
        channel = _to(room)
        for number in (1, 2):
            with pytest.raises(Away, match="closed the connection"):
                channel.send(message(number))
        room.hang_up = False
        channel.send(message(3))
    assert len(room.mails) == 3


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_login_over_tls(tmp_path: Path, security: Security) -> None:
    """The password goes over TLS alone, to a server whose certificate names it."""
    server, client = mailroom.certificate(tmp_path)
    options: dict[str, Any] = {"tls_context": server}
    if security is Security.TLS:  # the whole connection is
        options = {"ssl_context": server, "auth_require_tls": False, "auth_required": False}
    relay: dict[str, Any] = {
        "security": security,
        "user": "antin",
        "password": lambda: mailroom.PASSWORD,
        "trust": client,
    }
    with mailroom.mailroom(**mailroom.with_login(**options)) as room:
        _to(room, **relay).send(message(1))
        wrong = _to(room, **{**relay, "password": lambda: "sai"})
        with pytest.raises(Away, match="refuses our login: 535"):
            wrong.send(message(2))
        with pytest.raises(Away, match="takes ASCII passwords only"):
            _to(room, **{**relay, "password": lambda: "mật khẩu"}).send(message(2))
        with pytest.raises(Away, match="is not trusted: CERTIFICATE_VERIFY_FAILED"):
            _to(room, **{**relay, "trust": None}).send(message(3))
    assert len(room.mails) == 1


def test_certificate_of_another_name(tmp_path: Path) -> None:
    """A server whose certificate names another address is not spoken to."""
    server, client = mailroom.certificate(tmp_path, "127.0.0.9")
    with mailroom.mailroom(tls_context=server) as room, pytest.raises(Away, match="not trusted"):
        _to(room, security=Security.STARTTLS, trust=client).send(message(1))
    assert room.mails == []


def test_server_without_starttls() -> None:
    """A server that offers no TLS gets nothing, neither password nor mail."""
    with mailroom.mailroom() as room, pytest.raises(Away, match="SMTPNotSupportedError"):
        _to(room, security=Security.STARTTLS).send(message(1))
    assert room.mails == []


@pytest.mark.parametrize(
    ("command", "answer", "error", "sentence"),
    [
        ("RCPT", "550 5.1.1 <ADDRESS> unknown", Bounced, "refused the message: 550 5.1.1."),
        ("RCPT", "451 4.7.1 <ADDRESS> later", Deferred, "put the message off: 451 4.7.1."),
        ("DATA", "554 spam", Bounced, "refused the message: 554."),
        ("DATA", "452 4.3.1 full", Deferred, "put the message off: 452 4.3.1."),
        ("RCPT", "421 4.3.2 closing", Away, "closes the service: 421 4.3.2."),
        ("MAIL", "530 5.7.0 who are you", Away, "refuses our sender: 530."),
    ],
)
def test_refusals(command: str, answer: str, error: type[Exception], sentence: str) -> None:
    """What the server refuses bounces, what it puts off waits; its words are not repeated."""
    with mailroom.mailroom() as room:
        room.refuse[command] = answer
        channel = _to(room)
        with pytest.raises(error) as caught:
            channel.send(message(1))
        assert str(caught.value).endswith(sentence)
        assert "hop-thu" not in str(caught.value)
        assert caught.value.__suppress_context__
        room.refuse.clear()
        channel.send(message(2))
        channel.close()
    assert len(room.mails) == 1


def test_nobody_listens() -> None:
    """A server that is not there is away, and the sentence says which."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Away, match=f"127.0.0.1:{port} cannot be reached: Connection refused"):
        Mail(replace(PLAIN, port=port)).send(message(1))


@pytest.mark.parametrize("greeting", [b"", b"2", b"220 mail ESMTP\r\n", b"554 go away\r\n"])
def test_server_that_says_little(greeting: bytes) -> None:
    """A server that hangs, at whatever point, holds a worker up for its time limit at most."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken: list[socket.socket] = []

        def serve() -> None:
            connection, _ = listening.accept()
            taken.append(connection)
            connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        relay = replace(PLAIN, port=listening.getsockname()[1], seconds=0.3)
        with pytest.raises(Away):
            Mail(relay).send(message(1))
        thread.join()
        taken[0].close()


def test_dripping_server_is_cut_off() -> None:
    """Octets that come one by one, each in time, do not stretch the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while not over.wait(0.05):
                    try:
                        connection.sendall(b"2")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        relay = replace(PLAIN, port=listening.getsockname()[1], seconds=0.4)
        with pytest.raises(Away):
            Mail(relay).send(message(1))
        over.set()
        thread.join()


def test_notices_by_mail(lite: Bureau) -> None:
    """Each subscriber gets their own mail and nobody else's data; who has no address is left."""
    for name in ("KH00001", "KH00002"):
        lite.enrol(name, without=["contract"])
    lite.enter("KH00003", personal=replace(person("KH00003"), email="not an address"))
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    with mailroom.mailroom() as room:
        assert deliver_due(lite.office, post(_to(room))) == 2
    for mail, own, other in zip(
        room.mails, ("KH00001", "KH00002"), ("KH00002", "KH00001"), strict=True
    ):
        text = mail.as_string() + mail.get_content()
        assert person(own).holder in text
        assert mail["To"] == person(own).email
        assert person(other).holder not in text
        assert person(other).email not in text
        assert person(own).id_number not in text


def test_server_that_is_away_is_told(lite: Bureau) -> None:
    """The worker's sentence names the server, and no subscriber."""
    lite.enrol("KH00001", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    with mailroom.mailroom() as room:
        room.refuse["MAIL"] = "550 no"
        with pytest.raises(Unavailable) as caught:
            deliver_due(lite.office, post(_to(room)))
    assert str(caught.value) == f"The mail server 127.0.0.1:{room.port} refuses our sender: 550."


HOSTILE = st.text(
    st.one_of(
        st.sampled_from('\r\n\t\0:<>@,;"\\ \u2028\u202e\x85\x0b'),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)


@given(name=HOSTILE, subject=HOSTILE, text=HOSTILE)
def test_no_name_makes_a_header(name: str, subject: str, text: str) -> None:
    """Whatever stands in names and subjects, a mail has our headers and no other."""
    to = Recipient(name=name, email="a@b.vn")
    hostile = message(1, to=to, subject=subject, text=text)
    mail = letter(hostile, SENDER)
    raw = mail.as_bytes()
    head = raw.partition(b"\r\n\r\n")[0]
    names = [each.partition(b":")[0] for each in head.split(b"\r\n") if each[:1] not in b" \t"]
    assert sorted(names) == sorted(
        [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"Content-Language",
         b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"]
    )  # fmt: skip
    assert b"\n" not in head.replace(b"\r\n", b"")


@given(address=HOSTILE)
def test_addresses_are_plain(address: str) -> None:
    """What passes for an address is one ASCII word with one @; all else reaches nobody."""
    found = mail_address(address)
    if found:
        assert found == address
        assert found.isascii()
        assert found.isprintable()
        assert found.count("@") == 1
        assert not set(found) & set(' ,;:<>()[]\\"')


@pytest.mark.parametrize(
    "address",
    ["a@b", "a@b..vn", "a@-b.vn", ".a@b.vn", "a..b@c.vn", "a@b.vn\n", "a@b.vn>", "a b@c.vn",
     "a@b.vn,c@d.vn", "ă@b.vn", f"{'a' * 65}@b.vn", f"a@{'b' * 64}.vn", ""],
)  # fmt: skip
def test_no_addresses(address: str) -> None:
    """Two addresses, an address with a break, a host without a dot: none is written to."""
    assert mail_address(address) == ""
    assert not Mail(PLAIN).reaches(Recipient(name="A", email=address))


def test_aiosmtpd_is_the_peer() -> None:
    """The server of these tests is no code of ours."""
    assert SMTP.__module__ == "aiosmtpd.smtp"
