"""Serves a `Scene` over real HTTP: granian in a process of its own, on the loopback.

The process is given a folder: the database's URL, the delegate's key and certificate, settings.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from wsgiref.types import WSGIApplication

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ca import records
from core.clock import SystemClock
from core.database import Database
from ocsp.answer import Responder
from ocsp.follow import Follower
from ocsp.index import Index
from ocsp.memory import Memory
from ocsp.model import Settings
from ocsp.signer import Signer
from tests.support import ahead
from tests.support.relying import Scene
from web.ocsp import OcspApp
from web.responder import health, router
from web.watch import Watch

_FOLDER = "ANTIN_TEST_SCENE"
_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server on the loopback."""

    port: int

    @property
    def url(self) -> str:
        """The responder's address."""
        return f"http://127.0.0.1:{self.port}/ocsp"

    def fetch(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request as it is; return status, fields (lower-case names) and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            if body is not None and not {"Content_Length", "Transfer_Encoding"} & headers.keys():
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            reply = connection.getresponse()
            fields = {name.lower(): value for name, value in reply.getheaders()}
            return reply.status, fields, reply.read()
        finally:
            connection.close()


@contextmanager
def serve(scene: Scene, db_url: str, folder: Path, **settings: int) -> Iterator[Server]:
    """Serve `scene` until the block ends; durations among `settings` are in seconds."""
    port = _free_port()
    _store(scene, folder, {"db": db_url, "port": port, "settings": settings})
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--no-ws"]
    command += ["--port", str(port), "--blocking-threads", "128", "tests.support.served:app"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], _FOLDER: str(folder), **ahead.KEPT},
            cwd=Path(__file__).parents[2],
            stdout=log,
            stderr=log,
        )
        try:
            _wait(port, process, folder / "log")
            yield Server(port)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_PATIENCE)


def app() -> WSGIApplication:
    """Build the application inside the server's process."""
    folder = Path(os.environ[_FOLDER])
    facts = json.loads((folder / "facts.json").read_text())
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    db = Database(facts["db"], read_only=True)
    with db.read() as tx:
        signer = Signer.load(key, (folder / "delegate.der").read_bytes())
        index = Index(records.issuers(tx), [signer])
    settings = _settings(facts["settings"])
    memory = Memory(settings.most_known)
    responder = Responder(db, SystemClock(), index, settings, memory=memory)
    Follower(responder).start()
    ocsp = OcspApp(responder)
    Watch(facts["port"], ocsp.crowded).start()
    return router({"ocsp": ocsp, "health": health(list)})


def _settings(given: dict[str, int]) -> Settings:
    durations = {"validity", "max_age", "unknown_max_age"}
    return Settings(
        **{name: timedelta(seconds=n) if name in durations else n for name, n in given.items()}  # type: ignore[arg-type] # the tests' own values
    )


def _store(scene: Scene, folder: Path, facts: dict[str, object]) -> None:
    key = scene.responder_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(key)
    (folder / "delegate.der").write_bytes(scene.delegate.der or b"")
    (folder / "facts.json").write_text(json.dumps(facts))


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            if Server(port).fetch("GET", "/health/live")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"The server did not come up: {log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
