"""The demo as a stranger runs it: replayed, served on sockets, asked by others' clients."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from cryptography import x509

from core import serials
from tests.app.conftest import antin
from tests.support.once import once

pytestmark = pytest.mark.xdist_group("demo")  # one worker serves it


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a demo that ended after its table."""

    def live(folder: Path) -> None:
        done = antin("--home", folder / "home", "demo", "--no-serve")
        assert done.returncode == 0, done.stderr
        (folder / "said").write_text(done.stdout)

    return once(tmp_path_factory, "demo", live)


@pytest.fixture(scope="module")
def served(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The demo's processes on free ports: the addresses of `responder` and `portal`."""
    home = tmp_path_factory.mktemp("served") / "home"
    subprocess.run(["cp", "-a", demo / "home", home], check=True)
    ports = {"responder": _free_port(), "portal": _free_port()}
    listen = "\n".join(f'{name} = "127.0.0.1:{port}"' for name, port in ports.items())
    config = home / "antin.toml"
    moved = config.read_text().replace(str(demo / "home"), str(home))
    config.write_text(f"{moved}\n[listen]\n{listen}\n")
    softhsm = home / "token" / "softhsm2.conf"
    softhsm.write_text(softhsm.read_text().replace(str(demo / "home"), str(home)))
    command = [sys.executable, "-m", "app.cli", "--home", str(home), "up"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        try:
            said = iter(running.stdout or ())
            if not any(b"The processes listen" in line for line in said):
                pytest.fail("The processes ended before they listened.")
            yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()} | {
                "samples": str(demo / "home" / "samples")
            }
        finally:
            running.send_signal(signal.SIGTERM)


def _openssl(*words: object) -> str:
    command = ["openssl", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _fetch(url: str, **headers: str) -> tuple[int, bytes, Message]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def test_table_names_every_act_with_its_clause(demo: Path) -> None:
    """The demo prints how many were held, restored, revoked, activated, forfeited, and why."""
    said = " ".join((demo / "said").read_text().replace("│", " ").split())
    for act in ("Held", "Restored", "Revoked", "Activated", "Forfeited"):
        assert act in said
    for clause in ("130/2018:28(1)(d)", "130/2018:28(3)", "130/2018:29(1)(d)"):
        assert clause in said


def test_history_of_the_demo_is_sealed(demo: Path) -> None:
    """After the demo the audit trail is sealed, signed and sound."""
    said = antin("--home", demo / "home", "audit", "verify", "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    (report,) = json.loads(said.stdout)
    assert report["signed"] > 1000  # servers that run meanwhile add entries


def test_demo_tells_the_recorded_story(demo: Path, spring_report: dict[str, object]) -> None:
    """Moved by whole weeks, the spring comes out as recorded, customer by customer."""
    moved = json.loads((demo / "home" / "report.json").read_text())
    assert moved["counts"] == spring_report["counts"]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("good", r"good\.pem: good"),
        ("hold", r"hold\.pem: revoked[\s\S]*Reason: certificateHold"),
        ("revoked", r"revoked\.pem: revoked[\s\S]*Revocation Time"),
    ],
)
@pytest.mark.parametrize("digest", ["-sha1", "-sha256"])
def test_openssl_ocsp(served: dict[str, str], status: str, says: str, digest: str) -> None:
    """Openssl verifies the answer on a good, a held and a revoked certificate."""
    samples = Path(served["samples"])
    said = _openssl(
        *("ocsp", digest, "-issuer", samples / "issuing.pem", "-cert", samples / f"{status}.pem"),
        *("-url", served["responder"] + "/ocsp", "-CAfile", samples / "root.pem"),
        *("-verify_other", samples / "issuing.pem"),
    )
    assert "Response verify OK" in said
    assert re.search(says, said)


def test_openssl_ocsp_on_a_serial_never_issued(served: dict[str, str]) -> None:
    """A serial that was never issued is unknown, never good."""
    samples = Path(served["samples"])
    said = _openssl(
        *(
            "ocsp",
            "-issuer",
            samples / "issuing.pem",
            "-serial",
            "0x1234567890ABCDEF1234567890ABCDEF",
        ),
        *("-url", served["responder"] + "/ocsp", "-CAfile", samples / "root.pem"),
        *("-verify_other", samples / "issuing.pem"),
    )
    assert "Response verify OK" in said
    assert "unknown" in said


@pytest.mark.parametrize(
    ("status", "says"), [("good", "OK"), ("hold", "revoked"), ("revoked", "revoked")]
)
def test_openssl_verify_with_crls(
    served: dict[str, str], tmp_path: Path, status: str, says: str
) -> None:
    """Openssl accepts a good certificate by our CRLs and rejects a held and a revoked one."""
    samples = Path(served["samples"])
    bundle = tmp_path / "crls.pem"
    for issuer in ("issuing", "root"):
        code, der, headers = _fetch(f"{served['responder']}/crl/{issuer}.crl")
        assert (code, headers["Content-Type"]) == (200, "application/pkix-crl")
        (tmp_path / "one.crl").write_bytes(der)
        pem = _openssl("crl", "-inform", "DER", "-in", tmp_path / "one.crl")
        bundle.write_text(bundle.read_text() + pem if bundle.exists() else pem)
    said = _openssl(
        *("verify", "-crl_check_all", "-CAfile", samples / "root.pem"),
        *("-untrusted", samples / "issuing.pem", "-CRLfile", bundle, samples / f"{status}.pem"),
    )
    assert says in said
    assert ("error" in said) == (status != "good")


def test_issuer_certificate_is_served(served: dict[str, str]) -> None:
    """The address in every certificate's AIA gives the issuer's certificate in DER."""
    samples = Path(served["samples"])
    code, der, headers = _fetch(f"{served['responder']}/ca/issuing.cer")
    assert (code, headers["Content-Type"]) == (200, "application/pkix-cert")
    expected = x509.load_pem_x509_certificate((samples / "issuing.pem").read_bytes())
    assert x509.load_der_x509_certificate(der) == expected


@pytest.mark.parametrize("name", ["good", "hold", "revoked", "issuing", "root"])
def test_pkilint_finds_nothing_wrong(demo: Path, served: dict[str, str], name: str) -> None:
    """Pkilint (PKIX) has no finding of error or worse in what was issued."""
    linter = Path(sys.executable).parent / "lint_pkix_cert"
    file = Path(served["samples"]) / f"{name}.pem"
    done = subprocess.run(
        [linter, "lint", "-s", "ERROR", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_health(served: dict[str, str]) -> None:
    """Both public processes say that they live, and the responder that it is ready."""
    assert _fetch(served["responder"] + "/health/live")[0] == 200
    assert _fetch(served["responder"] + "/health/ready")[0] == 200
    assert _fetch(served["portal"] + "/health/live")[0] == 200


def test_portal_answers_for_a_revoked_serial(served: dict[str, str]) -> None:
    """The portal tells the status of a revoked certificate in JSON."""
    pem = (Path(served["samples"]) / "revoked.pem").read_bytes()
    serial = serials.to_hex(x509.load_pem_x509_certificate(pem).serial_number)
    code, body, _ = _fetch(f"{served['portal']}/status/{serial}", Accept="application/json")
    assert code == 200
    assert json.loads(body)["status"] == "revoked"
