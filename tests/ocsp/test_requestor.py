"""Signed requests, as openssl signs them: who may ask where signatures are required."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca import issue as issuance
from ca.model import Certificate
from ocsp.answer import Responder
from ocsp.model import RequestSignature, ResponseStatus
from tests.support import authority, relying
from tests.support.relying import Scene


class Asker:
    """A holder of one of our certificates who signs requests with openssl."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self._scene, self._folder = scene, folder
        key = ec.generate_private_key(ec.SECP256R1())
        now = scene.clock.now()
        order = authority.order("KH-asker", now, public_key=key.public_key())
        self.certificate: Certificate = issuance.issue(scene.db, scene.clock, scene.issuer, order)
        octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.pem").write_bytes(octets)
        (folder / "signer.pem").write_bytes(relying.pem(self.certificate.der or b""))
        (folder / "issuing.pem").write_bytes(relying.pem(scene.issuer_der))

    def request(self, *options: str) -> bytes:
        """A signed request about serial 1."""
        folder = self._folder
        subprocess.run(
            ["openssl", "ocsp", "-issuer", str(folder / "issuing.pem"), "-serial", "1",
             "-signer", str(folder / "signer.pem"), "-signkey", str(folder / "key.pem"),
             "-no_nonce", "-reqout", str(folder / "request.der"), *options],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
        return (folder / "request.der").read_bytes()


@pytest.fixture
def asker(scene: Scene, tmp_path: Path) -> Asker:
    """A holder of a good certificate of ours."""
    return Asker(scene, tmp_path)


def _responder(scene: Scene) -> Responder:
    return scene.responder(request_signature=RequestSignature.REQUIRED)


def test_holder_of_a_good_certificate_may_ask(scene: Scene, asker: Asker) -> None:
    """A request signed by a holder of a good certificate of ours is answered."""
    assert _responder(scene).answer(asker.request()).status is ResponseStatus.SUCCESSFUL


def test_holder_of_a_held_certificate_may_not(scene: Scene, asker: Asker) -> None:
    """A signer whose certificate is on hold or revoked is unauthorized."""
    scene.suspend(asker.certificate)
    assert _responder(scene).answer(asker.request()).status is ResponseStatus.UNAUTHORIZED


def test_forged_signature(scene: Scene, asker: Asker) -> None:
    """A signature over another request is unauthorized."""
    data = asker.request()
    forged = data.replace(b"\x02\x01\x01", b"\x02\x01\x02", 1)
    assert forged != data
    assert _responder(scene).answer(forged).status is ResponseStatus.UNAUTHORIZED


def test_without_certificates(scene: Scene, asker: Asker) -> None:
    """A signature without its signer's certificate proves nothing."""
    data = asker.request("-no_certs")
    assert _responder(scene).answer(data).status is ResponseStatus.UNAUTHORIZED


def test_stranger_may_not(scene: Scene, asker: Asker, tmp_path: Path) -> None:
    """A request signed with a certificate of another CA is unauthorized."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=stranger", "-keyout", str(tmp_path / "key.pem"),
         "-out", str(tmp_path / "signer.pem")],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    assert _responder(scene).answer(asker.request()).status is ResponseStatus.UNAUTHORIZED


def test_ignored_by_default(scene: Scene, asker: Asker) -> None:
    """Unless signatures are required, a request's signature is ignored."""
    scene.suspend(asker.certificate)
    assert scene.responder().answer(asker.request()).status is ResponseStatus.SUCCESSFUL
