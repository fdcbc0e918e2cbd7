"""Loads a long CRL with many clients at once while one client asks OCSP of the same process."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench import _revoked
from ca import records
from core.clock import SystemClock
from ocsp.answer import Responder
from ocsp.index import Index
from ocsp.model import Settings
from ocsp.signer import Signer
from web.crl import crls
from web.ocsp import OcspApp
from web.responder import router

ROOT = Path(__file__).parents[1]
_CLIENTS = 50
_THREADS = _CLIENTS + 22
_SECONDS = 6.0
_PIECE = 1024 * 1024
_SLOW_PIECE, _SLOW_PAUSE = 64 * 1024, 0.05


def measure(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what OCSP takes with no other client, with quick ones and with slow ones."""
    _delegate(folder)
    size = (folder / "crl/issuing.crl").stat().st_size / 1e6
    rows: dict[str, dict[str, Any]] = {}
    with _server(folder) as port:
        request = _request(folder)
        quiet = _ask(port, request, _SECONDS / 2)
        for kind in ("quick", "slow"):
            busy, rate = _load_and_ask(port, request, slow=kind == "slow")
            rows[f"ocsp_p99_{kind}_clients_ms"] = {
                "value": busy, "unit": "ms", "peer": "no other client", "peer_value": quiet,
                "aim": f"<= 10 ms, {_CLIENTS} x {size:.0f} MB", "met": busy <= 10,
            }  # fmt: skip
            rows[f"loaded_{kind}_clients_mb_s"] = {"value": rate, "unit": "MB"}
    return rows


def app() -> WSGIApplication:
    """Build the responder inside the server's process."""
    folder = Path(os.environ["BENCH_FOLDER"])
    db, clock = _revoked.database(folder), SystemClock()
    key = load_der_private_key((folder / "ocsp.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signer = Signer.load(key, (folder / "delegate.der").read_bytes())
    with db.read() as tx:
        index = Index(records.issuers(tx), [signer])
    lists = crls(folder / "crl", clock, interval=timedelta(hours=12), most_streams=_CLIENTS + 10)
    return router({"ocsp": OcspApp(Responder(db, clock, index, Settings())), "crl": lists})


def _load_and_ask(port: int, request: bytes, *, slow: bool) -> tuple[float, float]:
    """Return OCSP's 99th percentile in ms under load, and the load in MB per second."""
    stop = threading.Event()
    loaded = [0] * _CLIENTS
    clients = [
        threading.Thread(target=_load, args=(port, index, loaded, slow, stop))
        for index in range(_CLIENTS)
    ]
    begin = time.perf_counter()
    for each in clients:
        each.start()
    busy = _ask(port, request, _SECONDS)
    stop.set()
    for each in clients:
        each.join()
    return busy, sum(loaded) / (time.perf_counter() - begin) / 1e6


def _load(port: int, index: int, loaded: list[int], slow: bool, stop: threading.Event) -> None:  # noqa: FBT001 - a thread's arguments
    """Load the CRL once, as a client does; a slow one takes a little at a time."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /crl/issuing.crl HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
        while not stop.is_set():
            piece = connection.recv(_SLOW_PIECE if slow else _PIECE)
            loaded[index] += len(piece)
            if not piece:
                return
            if slow:
                stop.wait(_SLOW_PAUSE)


def _ask(port: int, request: bytes, seconds: float) -> float:
    """Ask OCSP again and again; return the 99th percentile in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    taken = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        connection.request("POST", "/ocsp", request, {"Content-Type": "application/ocsp-request"})
        reply = connection.getresponse().read()
        taken.append((time.perf_counter() - begin) * 1000)
        assert len(reply) > 100, "the responder gave no signed answer"
        time.sleep(0.001)
    connection.close()
    taken.sort()
    return taken[int(len(taken) * 0.99)]


def _request(folder: Path) -> bytes:
    with _revoked.database(folder).read() as tx:
        issuer = x509.load_der_x509_certificate(records.issuer_named(tx, "issuing").der)
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        _digest(issuer.subject.public_bytes()),
        x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest,
        _revoked.serial(1),
        hashes.SHA1(),
    )
    return builder.build().public_bytes(Encoding.DER)


def _digest(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA1())
    digest.update(data)
    return digest.finalize()


def _delegate(folder: Path) -> None:
    """Certify a responder's key, as the OCSP process has one."""
    own = ec.generate_private_key(ec.SECP256R1())
    with _revoked.database(folder).read() as tx:
        issuer = x509.load_der_x509_certificate(records.issuer_named(tx, "issuing").der)
    now = datetime.now(UTC).replace(microsecond=0)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type] # RSA
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench OCSP")]))
        .issuer_name(issuer.subject)
        .public_key(own.public_key())
        .serial_number(4711)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        .add_extension(x509.OCSPNoCheck(), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(identifier, critical=False)
    )
    made = builder.sign(_revoked.key(folder), hashes.SHA256())
    (folder / "delegate.der").write_bytes(made.public_bytes(Encoding.DER))
    (folder / "ocsp.key").write_bytes(
        own.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    )


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--no-ws",
         "--port", str(port), "--blocking-threads", str(_THREADS), "--backpressure", "256",
         "--log-level", "critical", "bench._loading:app"],
        env={**os.environ, "BENCH_FOLDER": str(folder)}, cwd=ROOT,
    )  # fmt: skip
    try:
        _await(port)
        yield port
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
    raise TimeoutError(f"Nothing listens on port {port}.")
