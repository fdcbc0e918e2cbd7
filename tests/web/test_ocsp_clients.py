"""Programs that we did not write ask the running responder, over HTTP, and verify what they get."""

import asyncio
import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from asn1crypto import ocsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from pkilint import loader, pkix, report
from pkilint.pkix import extension, name
from pkilint.pkix import ocsp as lint
from pkilint.validation import ValidationFindingSeverity
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import RevokedError

from app import schema
from ca import records
from ca.issuers import Urls
from ca.model import HoldSource
from core.clock import SystemClock
from core.database import Database
from core.reasons import Reason
from tests.support import relying, served


@dataclass(slots=True)
class World:
    """A running responder, the files that clients want, and one serial of each status."""

    server: served.Server
    scene: relying.Scene
    folder: Path
    serials: dict[str, int] = field(default_factory=dict)

    def file(self, name: str) -> str:
        """The path of one of the files."""
        return str(self.folder / name)


STATUSES = ["good", "held", "restored", "revoked", "unknown"]


@pytest.fixture(scope="module", params=["rsa", "ec"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A CA with an RSA or an EC key, a P-256 delegate, and a certificate of each status."""
    folder = tmp_path_factory.mktemp(f"world-{request.param}")
    url = f"sqlite:///{folder}/antin.db"
    db = Database(url)
    schema.upgrade(db)
    scene = relying.scene(db, SystemClock(), issuing_key=_key(request.param))
    with served.serve(scene, url, folder) as server:
        # Clients that read the address in the certificate find this server.
        urls = Urls(responder=f"http://127.0.0.1:{server.port}")
        scene.issuer = replace(scene.issuer, urls=urls)
        yield _populate(World(server, scene, folder))
    db.dispose()


def _key(kind: str) -> CertificateIssuerPrivateKeyTypes:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _populate(world: World) -> World:
    scene = world.scene
    made = {each: scene.issue() for each in STATUSES[:-1]}
    scene.suspend(made["held"])
    scene.suspend(made["restored"])
    scene.restore(made["restored"], HoldSource.DOSSIER)
    scene.revoke(made["revoked"], Reason.KEY_COMPROMISE)
    for each, certificate in made.items():
        (world.folder / f"{each}.pem").write_bytes(relying.pem(certificate.der or b""))
        (world.folder / f"{each}.der").write_bytes(certificate.der or b"")
        world.serials[each] = certificate.serial
    world.serials["unknown"] = 0x4F0A12C3
    with scene.db.read() as tx:
        root = records.issuer_named(tx, "root").der
    (world.folder / "root.pem").write_bytes(relying.pem(root))
    (world.folder / "issuing.pem").write_bytes(relying.pem(scene.issuer_der))
    (world.folder / "root.der").write_bytes(root)
    (world.folder / "issuing.der").write_bytes(scene.issuer_der)
    (world.folder / "chain.pem").write_bytes(relying.pem(scene.issuer_der) + relying.pem(root))
    return world


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


_OPENSSL_SAYS = {
    "good": ": good",
    "held": ": revoked\n\tThis Update: .*\n\tNext Update: .*\n\tReason: certificateHold",
    "restored": ": good",
    "revoked": ": revoked\n\tThis Update: .*\n\tNext Update: .*\n\tReason: keyCompromise",
    "unknown": ": unknown",
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_openssl(world: World, status: str, digest: str) -> None:
    """`openssl ocsp` verifies every status by every hash, with its nonce."""
    said = _run(
        "openssl", "ocsp", "-issuer", world.file("issuing.pem"), f"-{digest}",
        "-serial", str(world.serials[status]), "-url", world.server.url,
        "-CAfile", world.file("chain.pem"),
    )  # fmt: skip
    assert "Response verify OK" in said
    assert "WARNING: no nonce" not in said
    assert re.search(_OPENSSL_SAYS[status], said), said


def test_openssl_asks_for_several(world: World) -> None:
    """`openssl ocsp` gets an answer for each of several certificates at once."""
    asked = [f"-serial={world.serials[each]}" for each in STATUSES]
    said = _run(
        "openssl", "ocsp", "-issuer", world.file("issuing.pem"),
        *(word for each in asked for word in each.split("=")),
        "-url", world.server.url, "-CAfile", world.file("chain.pem"),
    )  # fmt: skip
    assert "Response verify OK" in said
    assert (said.count(": good"), said.count(": revoked"), said.count(": unknown")) == (2, 2, 1)


@pytest.mark.parametrize("status", STATUSES)
def test_openssl_judges_a_get(world: World, status: str) -> None:
    """The answer to a GET verifies like that to a POST."""
    asked = relying.ask(world.scene.issuer_der, world.serials[status])
    path = "/ocsp/" + base64.b64encode(asked).decode()
    code, fields, body = world.server.fetch("GET", path)
    assert (code, fields["content-type"]) == (200, "application/ocsp-response")
    assert "date" in fields
    (world.folder / "get.der").write_bytes(body)
    (world.folder / "asked.der").write_bytes(asked)
    said = _run(
        "openssl", "ocsp", "-issuer", world.file("issuing.pem"),
        "-serial", str(world.serials[status]), "-respin", world.file("get.der"),
        "-no_nonce", "-CAfile", world.file("chain.pem"),
    )  # fmt: skip
    assert "Response verify OK" in said
    assert re.search(_OPENSSL_SAYS[status], said), said


@pytest.mark.parametrize("status", STATUSES[:-1])
def test_gnutls(world: World, status: str) -> None:
    """GnuTLS `ocsptool` asks, verifies the delegate and reads the status."""
    said = _run(
        "ocsptool", f"--ask={world.server.url}", "--load-cert", world.file(f"{status}.pem"),
        "--load-issuer", world.file("issuing.pem"), "--nonce", "--verify-allow-broken",
    )  # fmt: skip
    wanted = {"good": "good", "held": "revoked", "restored": "good", "revoked": "revoked"}
    assert f"Certificate Status: {wanted[status]}" in said, said
    assert "Verifying OCSP Response: Success" in said, said


def test_nss(world: World, tmp_path: Path) -> None:
    """NSS, by the address in the certificate, takes good for good and held for revoked."""
    store = f"sql:{tmp_path}"
    _run("certutil", "-N", "-d", store, "--empty-password")
    for nickname, trust in (("root", "CT,C,C"), ("issuing", ",,")):
        _run(
            "certutil",
            "-A",
            "-d",
            store,
            "-n",
            nickname,
            "-t",
            trust,
            "-i",
            world.file(f"{nickname}.der"),
        )
    verdicts = {
        status: _run(
            "/usr/bin/vfychain", "-d", store, "-pp", "-u", "0", "-g", "leaf", "-m", "ocsp",
            "-s", "requireInfo,failIfNoInfo", world.file(f"{status}.der"),
            world.file("issuing.der"),
        )
        for status in STATUSES[:-1]
    }  # fmt: skip
    assert "Chain is good" in verdicts["good"]
    assert "Chain is good" in verdicts["restored"]
    assert "has been revoked" in verdicts["held"]
    assert "has been revoked" in verdicts["revoked"]


@pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed")
def test_java(world: World) -> None:
    """Java's PKIX checker reads every status and reason."""
    said = _run(
        "java", str(Path(relying.__file__).with_name("Check.java")), world.server.url,
        world.file("issuing.der"), *(world.file(f"{each}.der") for each in STATUSES[:-1]),
    )  # fmt: skip
    words = [line.rpartition(": ")[2] for line in said.splitlines()]
    assert words == ["good", "CERTIFICATE_HOLD", "good", "KEY_COMPROMISE"], said


@pytest.mark.parametrize("status", STATUSES[:-1])
def test_pyhanko(world: World, status: str) -> None:
    """The validator of pyHanko verifies the response offline and reads the status."""
    asked = relying.ask(world.scene.issuer_der, world.serials[status], algorithm="sha256")
    _, _, body = world.server.fetch("POST", "/ocsp", asked)
    certificate = Path(world.file(f"{status}.der")).read_bytes()
    validation = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(world.scene.issuer_der)],
        ocsps=[ocsp.OCSPResponse.load(body)],
        revocation_mode="require",
        allow_fetching=False,
    )
    validator = CertificateValidator(
        asn1_x509.Certificate.load(certificate), validation_context=validation
    )
    if status in {"good", "restored"}:
        asyncio.run(validator.async_validate_usage({"digital_signature"}))
    else:
        with pytest.raises(RevokedError):
            asyncio.run(validator.async_validate_usage({"digital_signature"}))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("nonce", [None, b"n" * 32])
def test_pkilint(world: World, status: str, nonce: bytes | None) -> None:
    """Pkilint finds nothing in any answer."""
    asked = relying.ask(world.scene.issuer_der, world.serials[status], nonce=nonce)
    code, _, body = world.server.fetch("POST", "/ocsp", asked)
    assert code == 200
    assert _lint(body) == 0


def _lint(body: bytes) -> int:
    validator = lint.create_pkix_ocsp_response_validator_container(
        [
            lint.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [],
    )
    document = loader.load_ocsp_response(body, "response")
    results = validator.validate(document.root)
    found: int = report.get_findings_count(results, ValidationFindingSeverity.NOTICE)
    return found
