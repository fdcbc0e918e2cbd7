"""The delegate: checked once when loaded, so that no client meets a responder it must refuse."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ca.model import Issuer
from core import der
from core.errors import Invalid
from ocsp.identity import Identity
from ocsp.index import Index, named, written
from ocsp.request import parse
from ocsp.signer import Signer
from tests.support.relying import ask

_START = datetime(2024, 1, 1, tzinfo=UTC)
_CA_KEY = ec.generate_private_key(ec.SECP256R1())
_KEY = ec.generate_private_key(ec.SECP256R1())
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])

Change = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


def _usage(**usages: bool) -> x509.KeyUsage:
    every = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    return x509.KeyUsage(**(every | usages))


def _certificate(
    *extensions: x509.ExtensionType,
    key: object = None,
    subject: str = "Responder",
    signed_by: ec.EllipticCurvePrivateKey = _CA_KEY,
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(_NAME)
        .public_key(key or _KEY.public_key())  # type: ignore[arg-type] # any key, to be refused
        .serial_number(7)
        .not_valid_before(_START)
        .not_valid_after(_START + timedelta(days=90))
    )
    for each in extensions:
        builder = builder.add_extension(each, critical=isinstance(each, x509.KeyUsage))
    return builder.sign(signed_by, hashes.SHA256()).public_bytes(Encoding.DER)


_SIGNS = _usage(digital_signature=True)
_OCSP = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
_NO_CHECK = x509.OCSPNoCheck()
_GOOD = _certificate(_SIGNS, _OCSP, _NO_CHECK)


def _issuer(row: int = 1, key: ec.EllipticCurvePrivateKey = _CA_KEY) -> Issuer:
    return Issuer(
        id=row,
        name=f"ca{row}",
        parent_id=None,
        der=_certificate(key=key.public_key(), subject="Test CA", signed_by=key),
        not_before=_START + timedelta(days=row),
        not_after=_START + timedelta(days=3650),
    )


def test_good_delegate() -> None:
    """A delegate with OCSPSigning, nocheck and digitalSignature is taken."""
    signer = Signer.load(_KEY, _GOOD)
    assert signer.subject == "CN=Responder"
    assert signer.certs == der.element(0xA0, der.element(der.SEQUENCE, _GOOD))


@pytest.mark.parametrize(
    ("certificate", "complaint"),
    [
        (_certificate(_SIGNS, _OCSP), "nocheck"),
        (_certificate(_SIGNS, _NO_CHECK), "lacks an extension"),
        (_certificate(_OCSP, _NO_CHECK), "lacks an extension"),
        (_certificate(_usage(content_commitment=True), _OCSP, _NO_CHECK), "digitalSignature"),
        (
            _certificate(
                _SIGNS,
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
                _NO_CHECK,
            ),
            "OCSPSigning alone",
        ),
        (
            _certificate(
                _SIGNS,
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.OCSP_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH]
                ),
                _NO_CHECK,
            ),
            "OCSPSigning alone",
        ),
        (_certificate(_SIGNS, _OCSP, _NO_CHECK, key=_CA_KEY.public_key()), "not the key of"),
        (
            _certificate(
                _SIGNS, _OCSP, _NO_CHECK, key=ed25519.Ed25519PrivateKey.generate().public_key()
            ),
            "neither EC nor RSA",
        ),
    ],
)
def test_bad_delegate(certificate: bytes, complaint: str) -> None:
    """A delegate that clients refuse is refused when loaded, with a sentence that says why."""
    with pytest.raises(Invalid, match=rf"{complaint}.*\."):
        Signer.load(_KEY, certificate)


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1(), ec.SECP192R1()])
def test_unusual_curve(curve: ec.EllipticCurve) -> None:
    """A key on a curve that relying parties do not know is refused."""
    key = ec.generate_private_key(curve)
    certificate = _certificate(_SIGNS, _OCSP, _NO_CHECK, key=key.public_key())
    with pytest.raises(Invalid, match="use P-256, P-384 or P-521"):
        Signer.load(key, certificate)


def test_delegate_of_nobody() -> None:
    """A delegate that none of our issuers issued is refused."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    signer = Signer.load(_KEY, _certificate(_SIGNS, _OCSP, _NO_CHECK, signed_by=stranger))
    with pytest.raises(Invalid, match="issued by none of our issuers"):
        Index([_issuer()], [signer])


def test_renewed_issuer_is_one_authority() -> None:
    """A CA certificate renewed with the same key is one authority; with a new key another."""
    other_key = ec.generate_private_key(ec.SECP256R1())
    index = Index([_issuer(1), _issuer(2), _issuer(3, other_key)], [Signer.load(_KEY, _GOOD)])
    first, second = index.authorities()
    assert (first.issuer_ids, first.name, first.not_before) == (
        (1, 2),
        "ca2",
        _START + timedelta(days=1),
    )
    assert second.issuer_ids == (3,)
    assert (len(first.signers), len(second.signers)) == (1, 0)
    assert (index.first_row(2), index.first_row(3), index.first_row(99)) == (1, 3, 99)
    assert index.of_row(2) is first
    assert index.of_row(99) is None


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_found_by_every_hash(algorithm: str) -> None:
    """An authority is found by each hash of its name and key, and its own CertID reads the same."""
    issuer = _issuer()
    index = Index([issuer], [])
    (asked,) = parse(ask(issuer.der, 2**64 - 1, algorithm=algorithm)).cert_ids
    found = index.find(asked)
    assert found is not None
    assert found.cert_id(algorithm, 2**64 - 1) == asked
    assert named(asked.algorithm) == algorithm
    assert named(written(algorithm)[:-2]) is None


def test_identity_is_as_encoded() -> None:
    """Name and key are hashed as the certificate encodes them, not as a library would anew."""
    certificate = x509.load_der_x509_certificate(_GOOD)
    identity = Identity.of(_GOOD)
    assert identity.subject in certificate.tbs_certificate_bytes
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(_KEY.public_key())
    assert hashlib.sha1(identity.key).digest() == key_identifier.digest
