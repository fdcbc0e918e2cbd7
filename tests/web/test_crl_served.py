"""Long CRLs through the real server: slow clients, clients that go away, others meanwhile."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from wsgiref.types import WSGIApplication

import pytest

from core import der
from core.clock import SystemClock
from core.reasons import Reason
from crl import build, entries
from crl.model import Heading
from tests.support import ahead
from web.crl import crls
from web.responder import health, router

_FOLDER = "ANTIN_TEST_CRLS"
_STREAMS = 4
_THREADS = _STREAMS + 2
_ENTRIES = 200_000

pytestmark = pytest.mark.long


def app() -> WSGIApplication:
    """Build the application inside the server's process."""
    folder = Path(os.environ[_FOLDER])
    lists = crls(folder, SystemClock(), interval=timedelta(hours=1), most_streams=_STREAMS)
    return router({"crl": lists, "health": health(list)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CRL of about 10 MB, signed by nobody."""
    now = datetime.now(UTC).replace(microsecond=0)
    heading = Heading(
        issuer=der.sequence(), key_id=b"\1" * 20, number=1,
        this_update=now, next_update=now + timedelta(days=1),
    )  # fmt: skip
    region = b"".join(entries.line(n << 100, now, Reason.SUPERSEDED) for n in range(1, _ENTRIES))
    algorithm = der.sequence(bytes.fromhex("06082a8648ce3d040302"))
    tbs = build.to_be_signed(heading, algorithm, region)
    made = tmp_path_factory.mktemp("crls")
    (made / "issuing.crl").write_bytes(build.assemble(tbs, algorithm, b"\0" * 70))
    return made


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    """A running server with few threads."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = int(free.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--no-ws",
         "--port", str(number), "--blocking-threads", str(_THREADS), "--backpressure", "64",
         "--log-level", "critical", "tests.web.test_crl_served:app"],
        env={"PATH": os.environ["PATH"], _FOLDER: str(folder), **ahead.KEPT},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        _await(number)
        yield number
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def _await(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("The server did not start.")


def _begin(port: int) -> tuple[socket.socket, str]:
    """Ask for the CRL and read the status line alone."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(b"GET /crl/issuing.crl HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    return connection, connection.recv(12).decode()[-3:]


def _fetch(port: int, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()


def test_whole(port: int, folder: Path) -> None:
    """A long CRL arrives whole."""
    assert _fetch(port, "/crl/issuing.crl") == (200, (folder / "issuing.crl").read_bytes())


def test_slow_clients_leave_threads(port: int) -> None:
    """While slow clients hold every stream, other addresses answer, and more CRLs are refused."""
    slow = [_begin(port) for _ in range(_STREAMS + 3)]
    try:
        assert sorted(status for _, status in slow) == ["200"] * _STREAMS + ["503"] * 3
        for _ in range(20):
            begin = time.monotonic()
            assert _fetch(port, "/health/live") == (200, b"live\n")
            assert time.monotonic() - begin < 2
    finally:
        for connection, _status in slow:
            connection.close()


def test_clients_that_go_away(port: int, folder: Path) -> None:
    """A client that goes away in the middle gives its stream back."""
    for _ in range(3):
        for connection, _status in [_begin(port) for _ in range(_STREAMS)]:
            connection.close()
        time.sleep(0.5)
    assert _fetch(port, "/crl/issuing.crl") == (200, (folder / "issuing.crl").read_bytes())
