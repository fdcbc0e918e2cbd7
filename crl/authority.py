"""Who signs CRLs: the issuer's certificate with its key, checked against each other once."""

import hashlib
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from core import der
from core.errors import Invalid, SigningUnavailable
from crl import elements

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

# The NULL is part of RSA's identifier (RFC 4055 5); ECDSA's has no parameters (RFC 5758 3.2).
_RSA_SHA256 = der.sequence(bytes.fromhex("06092a864886f70d01010b0500"))
_ECDSA: dict[str, tuple[bytes, hashes.HashAlgorithm]] = {
    "secp256r1": (der.sequence(bytes.fromhex("06082a8648ce3d040302")), hashes.SHA256()),
    "secp384r1": (der.sequence(bytes.fromhex("06082a8648ce3d040303")), hashes.SHA384()),
    "secp521r1": (der.sequence(bytes.fromhex("06082a8648ce3d040304")), hashes.SHA512()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An issuer as CRLs need it; make one with `authority`.

    `subject` is the DER of its name, octet for octet as in the certificate, which is what the CRL's
    issuer field must be; `key_id` its subjectKeyIdentifier; `algorithm` the AlgorithmIdentifier.
    """

    certificate: x509.Certificate
    subject: bytes
    key_id: bytes
    algorithm: bytes
    public_key: PublicKey
    key: SigningKey = field(repr=False)


def authority(certificate_der: bytes, key: SigningKey) -> Authority:
    """Return the authority of this certificate and key.

    Raises Invalid when they do not belong together, when the certificate may not sign CRLs
    (RFC 5280 6.3.3 (f)), or when the key is of a kind that we do not sign with.
    """
    certificate = x509.load_der_x509_certificate(certificate_der)
    public_key = key.public_key()
    if certificate.public_key() != public_key:
        raise Invalid(
            f"The key is not that of the issuer {certificate.subject.rfc4514_string()!r}; "
            "name the token object that its certificate was made for."
        )
    extensions = certificate.extensions
    if not extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign:
        raise Invalid(
            f"The certificate of {certificate.subject.rfc4514_string()!r} lacks the key usage "
            "cRLSign, so its key signs no CRL (RFC 5280 6.3.3)."
        )
    return Authority(
        certificate=certificate,
        subject=subject_of(certificate_der),
        key_id=extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest,
        algorithm=_algorithm(public_key)[0],
        public_key=public_key,
        key=key,
    )


def subject_of(certificate_der: bytes) -> bytes:
    """Return the DER of a v3 certificate's subject, octet for octet (RFC 5280 4.1)."""
    tbs = elements.read(certificate_der, elements.read(certificate_der, tag=der.SEQUENCE).content)
    at = tbs.content
    for _version_serial_algorithm_issuer_validity in range(5):
        at = elements.read(certificate_der, at).end
    subject = elements.read(certificate_der, at, tag=der.SEQUENCE)
    return certificate_der[subject.start : subject.end]


def sign(signer: Authority, tbs: bytes) -> bytes:
    """Return the signature over `tbs`, and be sure that it verifies (a faulty token may err).

    The token is given the digest alone: 50 MB are hashed here.
    """
    key, hashed = signer.key, _algorithm(signer.public_key)[1]
    digest = _digest(hashed, tbs)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(digest, padding.PKCS1v15(), Prehashed(hashed))
    else:
        signature = key.sign(digest, ec.ECDSA(Prehashed(hashed)))
    if not verifies(signer.public_key, tbs, signature):
        raise SigningUnavailable(
            "The token gave a signature that does not verify; nothing was published. "
            "Check the token before trying again."
        )
    return signature


def verifies(public_key: PublicKey, signed: bytes | memoryview, signature: bytes) -> bool:
    """Whether `signature` is that of `public_key` over `signed`, with the algorithm of its kind."""
    hashed = _algorithm(public_key)[1]
    digest = _digest(hashed, signed)
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, digest, padding.PKCS1v15(), Prehashed(hashed))
        else:
            public_key.verify(signature, digest, ec.ECDSA(Prehashed(hashed)))
    except InvalidSignature:
        return False
    return True


def _digest(hashed: hashes.HashAlgorithm, data: bytes | memoryview) -> bytes:
    return hashlib.new(hashed.name, data).digest()


def _algorithm(public_key: PublicKey) -> tuple[bytes, hashes.HashAlgorithm]:
    if isinstance(public_key, rsa.RSAPublicKey):
        return _RSA_SHA256, hashes.SHA256()
    found = _ECDSA.get(public_key.curve.name)
    if found is None:
        raise Invalid(
            f"CRLs are not signed on the curve {public_key.curve.name}; use P-256, P-384 or P-521."
        )
    return found
