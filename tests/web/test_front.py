"""The responder behind nginx, with the configuration that we ship."""

import base64
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import schema
from core.clock import SystemClock
from core.database import Database
from tests.support import relying, served
from tests.support.relying import ask, told

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "nginx" / "responder.conf"
UNITS = sorted((ROOT / "deploy" / "systemd").glob("antin-responder*.service"))

_AROUND = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    include {folder}/responder.conf;
}}
"""


@pytest.fixture(scope="module")
def front(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[served.Server, relying.Scene]]:
    """A responder behind nginx; the server given is nginx."""
    folder = tmp_path_factory.mktemp("front")
    folder.chmod(0o755)
    url = f"sqlite:///{folder}/antin.db"
    db = Database(url)
    schema.upgrade(db)
    scene = relying.scene(db, SystemClock())
    with served.serve(scene, url, folder) as behind, _nginx(folder, behind) as before:
        yield before, scene
    db.dispose()


class _nginx:  # noqa: N801 - used as a with block
    def __init__(self, folder: Path, behind: served.Server) -> None:
        self._folder = folder
        self._server = served.Server(_free_port())
        text = SHIPPED.read_text()
        for shipped, here in (
            ("server 127.0.0.1:8080;", f"server 127.0.0.1:{behind.port};"),
            ("listen 80;", f"listen 127.0.0.1:{self._server.port};"),
            ("listen [::]:80;", ""),
            ("/var/cache/nginx/antin", f"{folder}/cache"),
        ):
            assert shipped in text
            text = text.replace(shipped, here)
        (folder / "responder.conf").write_text(text)
        user = "user root;" if Path("/proc/self").owner() == "root" else ""
        (folder / "nginx.conf").write_text(user + _AROUND.format(folder=folder))

    def __enter__(self) -> served.Server:
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self._process = subprocess.Popen(
            [nginx, "-c", str(self._folder / "nginx.conf"), "-e", str(self._folder / "error.log")]
        )
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                if self._server.fetch("GET", "/health/live")[0] == 200:
                    return self._server
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self._folder / "error.log").read_text())

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _path(data: bytes) -> str:
    return "/ocsp/" + base64.b64encode(data).decode()


def test_get_is_kept_for_a_moment(front: tuple[served.Server, relying.Scene]) -> None:
    """The second GET comes from the cache, with every field of the first."""
    server, scene = front
    path = _path(ask(scene.issuer_der, scene.issue().serial))
    first, second = server.fetch("GET", path), server.fetch("GET", path)
    assert (first[1]["x-cache-status"], second[1]["x-cache-status"]) == ("MISS", "HIT")
    assert first[2] == second[2]
    for field in ("etag", "expires", "cache-control", "last-modified", "content-type", "date"):
        assert field in second[1]
    assert server.fetch("GET", path, If_None_Match=first[1]["etag"])[0] == 304


def test_change_shows_through_the_cache(front: tuple[served.Server, relying.Scene]) -> None:
    """A hold shows through nginx within two seconds, and its release too."""
    server, scene = front
    certificate = scene.issue()
    path = _path(ask(scene.issuer_der, certificate.serial))
    for act, wanted in ((scene.suspend, "certificate_hold"), (scene.restore, "good")):
        server.fetch("GET", path)
        act(certificate)
        end = time.monotonic() + 2.0
        while told(server.fetch("GET", path)[2]) != [wanted]:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_every_serial_gets_its_own_answer(front: tuple[served.Server, relying.Scene]) -> None:
    """Slashes, plusses and %-encodings arrive as sent, and no answer is another's."""
    server, scene = front
    for serial in range(2**64, 2**64 + 40):
        for algorithm in ("sha1", "sha256"):
            path = _path(ask(scene.issuer_der, serial, algorithm=algorithm))
            for written in (path, path.replace("+", "%2B").replace("=", "%3D")):
                code, _, body = server.fetch("GET", written)
                (single,) = relying.singles(body)
                assert (code, single["cert_id"]["serial_number"].native) == (200, serial)


def test_double_slash(front: tuple[served.Server, relying.Scene]) -> None:
    """A double slash inside the base64 stays one (it broke a large CA in 2017)."""
    server, scene = front
    path = ""
    serial = 2**40
    while "//" not in path:
        serial += 0x3FFFF
        path = _path(ask(scene.issuer_der, serial)).removeprefix("/ocsp/")
    (single,) = relying.singles(server.fetch("GET", "/ocsp/" + path)[2])
    assert single["cert_id"]["serial_number"].native == serial


def test_nonce_is_not_kept(front: tuple[served.Server, relying.Scene]) -> None:
    """What was signed for one nonce is kept by nobody."""
    server, scene = front
    path = _path(ask(scene.issuer_der, scene.issue().serial, nonce=b"n" * 16))
    answers = {server.fetch("GET", path)[2] for _ in range(2)}
    assert len(answers) == 2


def test_errors_are_not_kept(front: tuple[served.Server, relying.Scene]) -> None:
    """An error answer is asked for anew each time."""
    server, _ = front
    for _ in range(2):
        code, fields, body = server.fetch("GET", "/ocsp/MAA=")
        assert (code, relying.status_of(body)) == (200, "malformed_request")
        assert fields["x-cache-status"] == "MISS"


def test_post_and_expect(front: tuple[served.Server, relying.Scene]) -> None:
    """POST works, also with Expect: 100-continue and in chunks, and gets its own answer."""
    server, scene = front
    for serial in (scene.issue().serial, 5):
        asked = ask(scene.issuer_der, serial)
        for fields in ({}, {"Expect": "100-continue"}):
            _, _, body = server.fetch("POST", "/ocsp", asked, **fields)
            (single,) = relying.singles(body)
            assert single["cert_id"]["serial_number"].native == serial
        chunked = f"{len(asked):x}\r\n".encode() + asked + b"\r\n0\r\n\r\n"
        _, _, body = server.fetch("POST", "/ocsp", chunked, Transfer_Encoding="chunked")
        (single,) = relying.singles(body)
        assert single["cert_id"]["serial_number"].native == serial


def test_refusals(front: tuple[served.Server, relying.Scene]) -> None:
    """Too large, too long, wrong method, unknown address: each has its status."""
    server, _ = front
    assert server.fetch("POST", "/ocsp", bytes(100_000))[0] == 413
    assert server.fetch("GET", "/ocsp/" + "A" * 40_000)[0] == 414
    assert server.fetch("PUT", "/ocsp", b"x")[0] == 405
    assert server.fetch("GET", "/health/ready")[0] == 404
    assert server.fetch("GET", "/elsewhere")[0] == 404


def test_head(front: tuple[served.Server, relying.Scene]) -> None:
    """HEAD has the fields of GET and no body."""
    server, scene = front
    path = _path(ask(scene.issuer_der, scene.issue().serial))
    head, get = server.fetch("HEAD", path), server.fetch("GET", path)
    assert head[2] == b""
    assert head[1]["content-length"] == get[1]["content-length"] == str(len(get[2]))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda each: each.name)
def test_units(unit: Path, tmp_path: Path) -> None:
    """Systemd finds nothing wrong with the units but that the product is not installed here."""
    copy = tmp_path / unit.name.replace("@.", "@1.")
    text = unit.read_text().replace("/opt/antin/.venv/bin/antin serve responder", "/bin/true")
    copy.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if unit.stem.rstrip("@") in line]
    assert ours == []
