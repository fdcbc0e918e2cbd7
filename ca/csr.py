"""PKCS#10 requests: possession, strength, size. Only the public key is taken from a request.

Whatever else a request asks for (names, extensions) is a wish that profile and register overrule
(RFC 2985 5.4.2). Pure: bytes in, a frozen value or a refusal out.
"""

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca import weakness
from core.errors import Invalid, Refused

MOST_BYTES = 16 * 1024
_PEM_BEGIN = b"-----BEGIN "
_PEM_KINDS = (b"CERTIFICATE REQUEST-----", b"NEW CERTIFICATE REQUEST-----")

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
"""The public keys that we certify."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A checked request: its public key, and the SHA-256 of the key's SubjectPublicKeyInfo."""

    public_key: PublicKey
    spki_sha256: bytes


def load(content: bytes) -> Request:
    """Parse and check one PEM or DER request of at most 16 KiB.

    Raises Invalid when it is not exactly one request, Refused (with a code) when possession is not
    proved (RFC 2986 4.2) or the key is weak.
    """
    if len(content) > MOST_BYTES:
        raise Invalid(
            f"The request has {len(content)} bytes; the limit is {MOST_BYTES}. "
            "Send one PKCS#10 request."
        )
    request = _parse(content)
    key = _public_key(request)
    _check_possession(request)
    weak = weakness.find(key)
    if weak is not None:
        raise Refused(weak[1], code=weak[0])
    if not isinstance(key, PublicKey):
        raise Refused("The key's kind is not accepted; use RSA or EC.", code="key_kind")
    return Request(public_key=key, spki_sha256=spki_sha256(key))


def spki_sha256(key: PublicKey) -> bytes:
    """Return the SHA-256 (32 bytes) of a key's DER SubjectPublicKeyInfo."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def _parse(content: bytes) -> x509.CertificateSigningRequest:
    text = content.strip()
    # The content is never quoted: somebody may have sent a private key by mistake.
    try:
        if not text.startswith(_PEM_BEGIN):
            return x509.load_der_x509_csr(content)
        if text.count(_PEM_BEGIN) != 1 or not text[len(_PEM_BEGIN) :].startswith(_PEM_KINDS):
            raise Invalid(
                "The text is not exactly one CERTIFICATE REQUEST in PEM; send only the request."
            )
        return x509.load_pem_x509_csr(text)
    except ValueError as error:
        raise Invalid(
            "The content is not one PKCS#10 request in PEM or DER (RFC 2986); make it anew."
        ) from error


def _public_key(request: x509.CertificateSigningRequest) -> PublicKeyTypes:
    try:
        return request.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused(
            "The request's public key cannot be read or its kind is not accepted; use RSA or EC.",
            code="key_kind",
        ) from error


def _check_possession(request: x509.CertificateSigningRequest) -> None:
    try:
        digest = request.signature_hash_algorithm
        valid = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise Refused(
            "The request's signature algorithm is not accepted; sign with SHA-256 or better.",
            code="possession_algorithm",
        ) from error
    if isinstance(digest, hashes.SHA1 | hashes.MD5):
        raise Refused(
            f"The request is signed with {digest.name.upper()}; sign it with SHA-256 or better.",
            code="possession_algorithm",
        )
    if not valid:
        raise Refused(
            "The request's signature does not fit its key: possession is not proved.",
            code="possession",
        )
