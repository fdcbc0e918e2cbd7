"""HTTP as hostile and odd clients speak it, against the running server."""

import base64
import socket
from collections.abc import Iterator

import pytest

from app import schema
from core.clock import SystemClock
from core.database import Database
from tests.support import relying, served
from tests.support.relying import ask, told

Running = tuple[served.Server, relying.Scene]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running responder with one good certificate."""
    folder = tmp_path_factory.mktemp("http")
    url = f"sqlite:///{folder}/antin.db"
    db = Database(url)
    schema.upgrade(db)
    scene = relying.scene(db, SystemClock())
    scene.issue()
    with served.serve(scene, url, folder) as server:
        yield server, scene
    db.dispose()


def _good(running: Running) -> bytes:
    _, scene = running
    return ask(scene.issuer_der, scene.issued[0].serial)


def _speak(server: served.Server, *pieces: bytes) -> bytes:
    """Send the pieces, and return everything until the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=3) as connection:
        said = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while octets := connection.recv(65536):
                said += octets
        except OSError:
            pass
    return said


def _status(said: bytes) -> int:
    return int(said.split(b" ", 2)[1]) if said else 0


def _post(body: bytes, *fields: bytes) -> bytes:
    lines = [b"POST /ocsp HTTP/1.1", b"Host: a", b"Connection: close", *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _length(body: bytes) -> bytes:
    return b"Content-Length: %d" % len(body)


def _answered(running: Running, said: bytes) -> None:
    _, scene = running
    assert _status(said) == 200
    body = said.partition(b"\r\n\r\n")[2]
    (single,) = relying.singles(body)
    assert single["cert_id"]["serial_number"].native == scene.issued[0].serial
    assert told(body) == ["good"]


@pytest.mark.parametrize(
    "fields",
    [
        [b"Content-Length: 5", b"Content-Length: 6"],
        [b"Content-Length: -1"],
        [b"Content-Length: 0x10"],
        [b"Content-Length: 99999999999999999999999"],
        [b"Content-Length: 5, 6"],
    ],
)
def test_bad_lengths(running: Running, fields: list[bytes]) -> None:
    """Two, negative and absurd lengths are 400 or 413, or the connection is closed."""
    server, _ = running
    assert _status(_speak(server, _post(b"x" * 5, *fields))) in {0, 400, 413}
    _answered(running, _speak(server, _post(_good(running), _length(_good(running)))))


def test_expect_continue(running: Running) -> None:
    """A client that expects 100-continue gets the answer to its own request."""
    server, _ = running
    data = _good(running)
    said = _speak(server, _post(data, _length(data), b"Expect: 100-continue"))
    assert said.startswith(b"HTTP/1.1 100")
    _answered(running, said.partition(b"\r\n\r\n")[2])


def test_chunked(running: Running) -> None:
    """A request in chunks, however small, is put together and answered."""
    server, _ = running
    data = _good(running)
    chunks = b"".join(b"1\r\n" + bytes([octet]) + b"\r\n" for octet in data) + b"0\r\n\r\n"
    said = _speak(server, _post(chunks, b"Transfer-Encoding: chunked"))
    _answered(running, said)


def test_chunked_without_end(running: Running) -> None:
    """Chunks without end are cut at the limit, not collected."""
    server, _ = running
    endless = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    said = _speak(server, _post(b"", b"Transfer-Encoding: chunked"), *([endless] * 64))
    assert _status(said) in {0, 413}


@pytest.mark.parametrize("size", [20_000, 2**20, 10 * 2**20])
def test_large_bodies(running: Running, size: int) -> None:
    """A body over the limit is 413 or the connection is closed, announced as it is."""
    server, _ = running
    assert _status(_speak(server, _post(bytes(size), b"Content-Length: %d" % size))) in {0, 413}
    _answered(running, _speak(server, _post(_good(running), _length(_good(running)))))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "BREW", "get"])
def test_methods(running: Running, method: str) -> None:
    """Other methods are 405 with the list of those that work."""
    server, _ = running
    said = _speak(
        server, f"{method} /ocsp HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    )
    assert _status(said) == 405
    assert b"allow: GET, HEAD, POST" in said


@pytest.mark.parametrize(
    "path",
    [
        "/ocsp/%00", "/ocsp/" + "A" * 20_000, "/ocsp/../../etc/passwd", "/ocsp/%2e%2e/%2e%2e",
        "/ocsp/!!!!", "/ocsp/%ff%fe", "/ocsp", "/ocsp/", "//ocsp", "/ocsp?" + "x" * 5000,
        "/ocsp/MEI%3D%3D%3D",
    ],
)  # fmt: skip
def test_paths(running: Running, path: str) -> None:
    """Odd paths are malformed requests, 4xx, and never 5xx."""
    server, _ = running
    code, _, body = server.fetch("GET", path)
    assert code in {200, 400, 404, 414}
    if code == 200:
        assert relying.status_of(body) == "malformed_request"


def test_keep_alive(running: Running) -> None:
    """One connection carries many requests, GET and POST mixed, each with its own answer."""
    server, scene = running
    data, stranger = _good(running), ask(scene.issuer_der, 5)
    get = f"GET /ocsp/{base64.b64encode(stranger).decode()} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    post = b"POST /ocsp HTTP/1.1\r\nHost: a\r\n" + _length(data) + b"\r\n\r\n" + data
    said = _speak(server, get, post, get, post)
    assert said.count(b"HTTP/1.1 200 OK") == 4


def test_fields_of_every_answer(running: Running) -> None:
    """Date, length and type are on every answer, and the length is right."""
    server, _ = running
    for body in (_good(running), b"no request"):
        code, fields, answer = server.fetch("POST", "/ocsp", body)
        assert code == 200
        assert fields["content-type"] == "application/ocsp-response"
        assert fields["content-length"] == str(len(answer))
        assert fields["date"].endswith("GMT")


def test_compressed(running: Running) -> None:
    """A compressed body is 415."""
    server, _ = running
    assert server.fetch("POST", "/ocsp", b"\x1f\x8b", Content_Encoding="gzip")[0] == 415


def test_second_answer_is_from_memory(running: Running) -> None:
    """What was answered once is answered again octet for octet, by GET and by POST."""
    server, scene = running
    data = ask(scene.issuer_der, scene.issued[0].serial, algorithm="sha384")
    path = "/ocsp/" + base64.b64encode(data).decode()
    answers = {server.fetch("GET", path)[2] for _ in range(3)}
    answers |= {server.fetch("POST", "/ocsp", data)[2] for _ in range(3)}
    assert len(answers) == 1
