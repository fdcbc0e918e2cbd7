"""SMS and Zalo against a real HTTP server: its good answers, and slow, wrong and huge ones."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.channels.gateway import Gateway, Provider
from policy.channels.letters import Away, Bounced, Deferred, Recipient, mobile_number
from policy.deliver import deliver_due
from tests.support import mailroom
from tests.support.dossiers import ANNOUNCED_AT
from tests.support.office import Bureau, person
from tests.support.post import message, post

GOOD = b'{"id": "m-1", "status": "accepted"}'


class _Server(ThreadingHTTPServer):
    """A gateway that answers as the test says, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body = 200, GOOD
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.over = threading.Event()
        self.drip: Callable[[Any], None] | None = None


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers), json.loads(body)))
        if self.server.drip:
            self.server.drip(self)
            return
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        try:
            self.wfile.write(self.server.body)
        except OSError:
            self.close_connection = True  # the client has had enough

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


@contextmanager
def _serving(tls: Path | None = None) -> Iterator[tuple[_Server, Callable[..., Gateway]]]:
    server = _Server()
    trust = None
    if tls is not None:
        context, trust = mailroom.certificate(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    scheme = "http" if tls is None else "https"

    def gateway(name: str = "sms", **changes: Any) -> Gateway:
        url = f"{scheme}://127.0.0.1:{server.server_port}/v1/send?brand=LCS"
        return Gateway(name, Provider(**{"url": url, "seconds": 2.0, "trust": trust, **changes}))

    try:
        yield server, gateway
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_message_as_it_arrives() -> None:
    """A short text to one number, with an id that is the same at every try, and our token."""
    with _serving() as (server, gateway):
        for _ in range(2):
            receipt = gateway(token=lambda: "s3cret").send(message(12))
        path, headers, body = server.asked[0]
        assert server.asked[1][2] == body
    assert (receipt.reference, receipt.arrived) == ("m-1", False)
    assert path == "/v1/send?brand=LCS"
    assert body == {
        "id": "notice-12.20240320000000.sms",
        "to": "+84987700001",
        "text": "Chứng thư số 5A bị tạm dừng.",
    }
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Idempotency-Key"] == body["id"]


def test_delivered_over_tls(tmp_path: Path) -> None:
    """Over TLS to a server that is trusted; a gateway may say that the message arrived."""
    with _serving(tmp_path) as (server, gateway):
        server.body = b'{"id": "z-9", "status": "delivered"}'
        receipt = gateway("zalo").send(message(1))
        with pytest.raises(Away, match=r"zalo gateway at 127\.0\.0\.1 is not trusted: CERT"):
            gateway("zalo", trust=None).send(message(1))
    assert (receipt.reference, receipt.arrived) == ("z-9", True)


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (400, Bounced, "refused the message: 400"),
        (422, Bounced, "refused the message: 422"),
        (401, Away, "refuses us: 401"),
        (403, Away, "refuses us: 403"),
        (404, Away, "refuses us: 404"),
        (429, Deferred, "put the message off: 429"),
        (500, Deferred, "put the message off: 500"),
        (503, Deferred, "put the message off: 503"),
        (301, Deferred, "put the message off: 301"),
        (204, Deferred, "put the message off: 204"),
    ],
)
def test_statuses(status: int, error: type[Exception], sentence: str) -> None:
    """What is refused for good bounces, what may pass waits, and no redirect is followed."""
    with _serving() as (server, gateway):
        server.status, server.headers = status, {"Location": "http://127.0.0.1:1/"}
        server.body = b'{"error": "0987700001 is blocked"}' if status != 204 else b""
        with pytest.raises(error, match=sentence) as caught:
            gateway().send(message(1))
    assert "0987700001" not in str(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b"[]", b"null", b"{}", b'{"id": "m-1"}', b'{"id": 7, "status": "accepted"}',
     b'{"id": "m-1", "status": "sent"}', b'{"id": "m-1", "status": "accepted", "x": 1}',
     b'{"id": "", "status": "accepted"}', b'{"id": "a\\nb", "status": "accepted"}',
     b'{"id": "' + b"m" * 121 + b'", "status": "accepted"}', b"\xff\xfe", b"{" * 9000,
     b'{"id": "m-1", "status": "accepted"}' + b" " * 17000],
)  # fmt: skip
def test_wrong_answers(body: bytes) -> None:
    """Only id and status are an answer; whatever else comes is no receipt, and is not repeated."""
    with _serving() as (server, gateway):
        server.body = body
        with pytest.raises(Deferred, match="answered"):
            gateway().send(message(1))


def test_rejected() -> None:
    """A gateway that takes the question and rejects the message lets it bounce."""
    with _serving() as (server, gateway):
        server.body = b'{"id": "m-1", "status": "rejected"}'
        with pytest.raises(Bounced, match="rejected the message"):
            gateway().send(message(1))


def _silence(handler: Any) -> None:
    handler.server.over.wait(5)


def _drip(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    while not handler.server.over.wait(0.05):
        try:
            handler.wfile.write(b"a")
            handler.wfile.flush()
        except OSError:
            return


def _flood(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while not handler.server.over.is_set():
        try:
            handler.wfile.write(b"a" * 65536)
        except OSError:
            return


def _many_headers(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n")


def _no_http(handler: Any) -> None:
    handler.wfile.write(b"220 mail ESMTP\r\n")


@pytest.mark.parametrize("drip", [_silence, _drip, _many_headers, _no_http])
def test_gateway_that_holds_up(drip: Callable[[Any], None]) -> None:
    """A server that is silent, slow or no gateway at all is given up at the time limit."""
    with _serving() as (server, gateway):
        server.drip = drip
        with pytest.raises((Away, Deferred), match=r"The sms gateway at 127\.0\.0\.1 "):
            gateway(seconds=0.4).send(message(1))


def test_flood_is_not_read() -> None:
    """Of an endless answer 16 KiB are read."""
    with _serving() as (server, gateway):
        server.drip = _flood
        with pytest.raises(Deferred, match="more than 16384 bytes"):
            gateway().send(message(1))


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX-Evil: 1", "ă"])
def test_token_that_is_no_word(token: str) -> None:
    """A token with a break in it makes no header, and is in no sentence."""
    with _serving() as (server, gateway):
        with pytest.raises(Away, match="no single printable word") as caught:
            gateway(token=lambda: token).send(message(1))
        assert server.asked == []
    assert "X-Evil" not in str(caught.value)


def test_notices_by_sms(lite: Bureau) -> None:
    """Who has a mobile number gets the short text; a service number is nobody's."""
    lite.enrol("KH00001", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    with _serving() as (server, gateway):
        assert deliver_due(lite.office, post(gateway())) == 1
        ((_, _, body),) = server.asked
    assert body["to"] == f"+84{person('KH00001').phone[1:]}"
    assert person("KH00001").holder not in body["text"]
    assert len(body["text"]) <= 200
    assert not gateway().reaches(Recipient(name="A", phone="1900 4525"))


@given(st.text("0123456789+ .-()\r\n,;a", max_size=20))
def test_numbers_are_plain(text: str) -> None:
    """What passes for a mobile number is +84 and nine digits, of which the first is a mobile's."""
    found = mobile_number(text)
    assert not found or (found[:3] == "+84" and found[1:].isdigit() and len(found) == 12)
