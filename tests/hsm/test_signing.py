"""Keys on a SoftHSM token: the builders take them, threads and forks do not break them."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from core.errors import Invalid, Refused
from hsm import softhsm
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind

SHA256 = hashes.SHA256()
PKCS1 = padding.PKCS1v15()
ECDSA = ec.ECDSA(SHA256)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Contract")])
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    """A keyring whose keys lie on a new SoftHSM token."""
    token = softhsm.create_token(tmp_path_factory.mktemp("softhsm"), "stage")
    keyring = Keyring({role: [token.uri(role)] for role in ("issuing", "ocsp", "storage")})
    keyring.generate("issuing", KeyKind.RSA_2048)
    keyring.generate("ocsp", KeyKind.P_256)
    keyring.generate_secret("storage")
    yield keyring
    keyring.close()


def _certificate(key):
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, NOW, NOW + timedelta(days=9))
    return builder.sign(key, SHA256)


@pytest.mark.parametrize("role", ["issuing", "ocsp"])
def test_builders(keyring, role):
    """Certificates, CRLs and OCSP responses are signed as with any other key."""
    key = keyring.key(role)
    certificate = _certificate(key)
    certificate.verify_directly_issued_by(certificate)
    crl = x509.CertificateRevocationListBuilder(NAME, NOW, NOW + timedelta(days=1)).sign(
        key, SHA256
    )
    assert crl.is_signature_valid(key.public_key())
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            certificate, certificate, SHA256, ocsp.OCSPCertStatus.GOOD, NOW, NOW, None, None
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
        .sign(key, SHA256)
    )
    assert response.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL


def _sign_and_verify(keyring, number):
    data = number.to_bytes(4)
    rsa, p256 = keyring.key("issuing"), keyring.key("ocsp")
    if number % 2:
        rsa.public_key().verify(rsa.sign(data, PKCS1, SHA256), data, PKCS1, SHA256)
    else:
        p256.public_key().verify(p256.sign(data, ECDSA), data, ECDSA)


def test_threads(keyring):
    """Four threads make 2,000 signatures, and every one of them is right."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: _sign_and_verify(keyring, number), range(2000)))


def test_fork(keyring):
    """A child of a process that has signed signs with sessions of its own."""
    _sign_and_verify(keyring, 1)
    child = os.fork()
    if child == 0:
        try:
            for number in range(20):
                _sign_and_verify(keyring, number)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    _sign_and_verify(keyring, 2)


def test_no_export(keyring):
    """The private half is not given out, in whatever form it is asked for."""
    key = keyring.key("ocsp")
    with pytest.raises(Refused):
        key.private_numbers()
    with pytest.raises(Refused):
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def test_vault_key(keyring):
    """A wrapped key opens with its own additional data and with no other."""
    secret = keyring.secret("storage")
    envelope = secret.wrap(b"k" * 32, b"dossier 1")
    assert secret.unwrap(envelope, b"dossier 1") == b"k" * 32
    with pytest.raises(Invalid):
        secret.unwrap(envelope, b"dossier 2")


def test_pin_in_a_uri():
    """A URI that holds a PIN is refused, and the PIN is not repeated."""
    with pytest.raises(Invalid) as refusal:
        Keyring({"root": ["pkcs11:object=a?module-path=/m.so&pin-value=1234"]})
    assert "1234" not in str(refusal.value)
