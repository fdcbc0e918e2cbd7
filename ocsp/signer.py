"""Who signs answers: a delegated responder certificate and its key, checked once when loaded.

The key is any object with the sign() and public_key() of `cryptography`'s private keys; it may
live in a token. A responder that no client would accept is refused here, loudly, before it serves.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from core import der
from core.errors import Invalid
from ocsp.identity import Identity

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_SHA2: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}
_ECDSA = {
    "secp256r1": der.element(der.SEQUENCE, der.oid("1.2.840.10045.4.3.2")),
    "secp384r1": der.element(der.SEQUENCE, der.oid("1.2.840.10045.4.3.3")),
    "secp521r1": der.element(der.SEQUENCE, der.oid("1.2.840.10045.4.3.4")),
}
_RSA_SHA256 = der.element(
    der.SEQUENCE, der.oid("1.2.840.113549.1.1.11"), der.element(der.NULL)
)  # RFC 4055 5: NULL parameters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signer:
    """A responder certificate with its key; `algorithm` is the DER of its AlgorithmIdentifier.

    `by_key` and `by_name` are the two forms of ResponderID; the key's hash is always SHA-1
    (RFC 6960 4.2.1). `certs` is the field of that name in its responses: the certificate itself
    and no other; `fingerprint` is its SHA-256.
    """

    key: Key = field(repr=False)
    certificate: bytes = field(repr=False)
    subject: str
    by_key: bytes = field(repr=False)
    by_name: bytes = field(repr=False)
    algorithm: bytes
    certs: bytes = field(repr=False)
    fingerprint: bytes
    not_before: datetime
    not_after: datetime

    @classmethod
    def load(cls, key: Key, certificate: bytes) -> "Signer":
        """Return the signer of `key` and its DER `certificate`.

        Raises Invalid when they do not belong together, or when the certificate is none that an
        OCSP client accepts from a delegate (RFC 6960 4.2.2.2; BR 7.1.2.8).
        """
        parsed = x509.load_der_x509_certificate(certificate)
        subject = parsed.subject.rfc4514_string()
        public = parsed.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise Invalid(f"The key of {subject} is neither EC nor RSA.")
        if _spki(key.public_key()) != _spki(public):
            raise Invalid(f"The OCSP key is not the key of the certificate {subject}.")
        _refuse_unless_delegate(parsed, subject)
        identity = Identity.of(certificate)
        return cls(
            key=key,
            certificate=certificate,
            subject=subject,
            by_key=der.element(0xA2, der.element(der.OCTET_STRING, _sha1(identity.key))),
            by_name=der.element(0xA1, identity.subject),
            algorithm=_algorithm(key, subject),
            fingerprint=hashlib.sha256(certificate).digest(),
            certs=der.element(0xA0, der.element(der.SEQUENCE, certificate)),
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
        )

    def valid(self, now: datetime) -> bool:
        """Whether the certificate is within its validity (notAfter is inclusive)."""
        return self.not_before <= now <= self.not_after

    def speaks_for(self, issuer: bytes) -> bool:
        """Whether the CA certificate `issuer` (DER) signed this one directly (RFC 6960 4.2.2.2)."""
        authority = x509.load_der_x509_certificate(issuer)
        try:
            x509.load_der_x509_certificate(self.certificate).verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data`; raises what the key raises when its token is away."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(data, ec.ECDSA(_SHA2[self.key.curve.name]()))


def _refuse_unless_delegate(certificate: x509.Certificate, subject: str) -> None:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        may_sign = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        certificate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    except x509.ExtensionNotFound as error:
        raise Invalid(
            f"The OCSP certificate {subject} lacks an extension that clients want: {error}. "
            "It needs keyUsage, extendedKeyUsage and id-pkix-ocsp-nocheck."
        ) from error
    if list(usages) != [ExtendedKeyUsageOID.OCSP_SIGNING]:
        raise Invalid(
            f"The extended key usage of {subject} is not OCSPSigning alone (RFC 6960 4.2.2.2)."
        )
    if not may_sign.digital_signature:
        raise Invalid(f"The key usage of {subject} does not allow digitalSignature.")


def _algorithm(key: Key, subject: str) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return _RSA_SHA256
    curve = key.curve.name
    if curve not in _ECDSA:
        raise Invalid(f"The key of {subject} is on {curve}; use P-256, P-384 or P-521.")
    return _ECDSA[curve]


def _sha1(octets: bytes) -> bytes:
    return hashlib.sha1(octets).digest()  # noqa: S324 - a name, not a proof


def _spki(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
