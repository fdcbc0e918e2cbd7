"""PKCS#10 requests: possession, strength, size. Only the public key is taken from a request.

Whatever else a request asks for (names, extensions) is a wish that profile and register overrule
(RFC 2985 5.4.2); a request that wishes to be a CA or a responder is refused, because no honest
subscriber makes one. Pure: bytes in, a public key or a refusal out.
"""

import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca import weakness
from ca.keys import PublicKey, spki_sha256
from core.errors import Invalid, Refused

__all__ = ["MOST_BYTES", "PublicKey", "load", "spki_sha256"]

MOST_BYTES = 16 * 1024
_PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_REQUEST_LABELS = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
# RFC 2985 5.4.2, and Microsoft's identifier for the same.
_EXTENSION_REQUESTS = {
    x509.ObjectIdentifier("1.2.840.113549.1.9.14"),
    x509.ObjectIdentifier("1.3.6.1.4.1.311.2.1.14"),
}
# The identifiers as they stand in DER, for keys that the library does not read.
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
_RSA = bytes.fromhex("06092a864886f70d0101")
_FORBIDDEN_USES = {ExtendedKeyUsageOID.OCSP_SIGNING, ExtendedKeyUsageOID.TIME_STAMPING}


def load(content: bytes) -> PublicKey:
    """Parse and check one PEM or DER request of at most 16 KiB; return its public key.

    Raises Invalid when it is not exactly one request, Refused (with a code) when possession is not
    proved (RFC 2986 4.2), the key is weak, or the request wishes to be a CA.
    """
    if len(content) > MOST_BYTES:
        raise Invalid(
            f"The request has {len(content)} bytes; the limit is {MOST_BYTES}. "
            "Send one PKCS#10 request."
        )
    request = _parse(content)
    key = _public_key(request)
    weak = weakness.find(key)
    if weak is not None:
        raise Refused(weak[1], code=weak[0])
    if not isinstance(key, PublicKey):
        raise Refused("The key's kind is not accepted; use RSA or EC.", code="key_kind")
    _check_possession(request)
    _check_wishes(request)
    return key


def _parse(content: bytes) -> x509.CertificateSigningRequest:
    text = content.strip()
    if not text:
        raise Invalid("The content is empty; send one PKCS#10 request in PEM or DER.")
    # The content is never quoted: somebody may have sent a private key by mistake.
    labels = _PEM_LABEL.findall(text)
    if any(label.endswith(b"PRIVATE KEY") for label in labels):
        raise _private_key_sent()
    if labels:
        _check_labels(text, labels)
    try:
        return x509.load_pem_x509_csr(text) if labels else x509.load_der_x509_csr(content)
    except x509.InvalidVersion as error:
        raise Invalid(
            "The request's version is not 0, the only one there is (RFC 2986 4.1)."
        ) from error
    except ValueError as error:
        raise _unreadable(content, in_pem=bool(labels)) from error


def _check_labels(text: bytes, labels: list[bytes]) -> None:
    if len(labels) != 1:
        raise Invalid(
            f"The text is not exactly one CERTIFICATE REQUEST: it holds {len(labels)} PEM objects. "
            "Send one request at a time."
        )
    if labels[0] not in _REQUEST_LABELS:
        raise Invalid(
            f"The text is a {labels[0].decode()}, not a CERTIFICATE REQUEST; send only the request."
        )
    if not text.startswith(b"-----BEGIN ") or not text.endswith(b"-----"):
        raise Invalid("Something stands before or behind the PEM object; send only the request.")


def _private_key_sent() -> Refused:
    return Refused(
        "The content is a private key. It was neither kept nor logged, but it was shown: make a "
        "new key pair, and send only the request.",
        code="private_key_sent",
    )


def _unreadable(content: bytes, *, in_pem: bool) -> Exception:
    """Return what to say of octets that are no request: a word on what they are instead."""
    if in_pem:
        return Invalid("The PEM text does not hold one PKCS#10 request (RFC 2986); make it anew.")
    if not content.startswith(b"\x30"):
        return Invalid("The content is neither PEM nor a DER SEQUENCE; send one PKCS#10 request.")
    try:
        load_der_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Invalid(
            "The content is not exactly one PKCS#10 request in DER (RFC 2986): it is cut off, has "
            "octets behind it, or is something else. Make it anew."
        )
    return _private_key_sent()


def _public_key(request: x509.CertificateSigningRequest) -> PublicKeyTypes:
    try:
        return request.public_key()
    except UnsupportedAlgorithm as error:
        raise Refused(
            "The kind of the request's public key is not accepted; use RSA, P-256 or P-384.",
            code="key_kind",
        ) from error
    except ValueError as error:
        raise _malformed_key(request) from error


def _malformed_key(request: x509.CertificateSigningRequest) -> Refused:
    content = request.tbs_certrequest_bytes
    if _EC_PUBLIC_KEY in content:
        return Refused(
            "The request's point is not on its curve, or the curve is not named; make a new key.",
            code="ec_point",
        )
    if _RSA in content:
        return Refused(
            "The request's RSA key is malformed: modulus or exponent cannot be. Make a new key.",
            code="rsa_malformed",
        )
    return Refused(
        "The request's public key cannot be read; use RSA, P-256 or P-384.",
        code="key_kind",
    )


def _check_possession(request: x509.CertificateSigningRequest) -> None:
    try:
        digest = request.signature_hash_algorithm
        valid = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise Refused(
            "The request's signature algorithm is not accepted or is not one for its key; sign "
            "with SHA-256 or better.",
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


def _check_wishes(request: x509.CertificateSigningRequest) -> None:
    """Refuse wishes that are no subscriber's, and wishes that say two things at once."""
    try:
        asked = [each.oid for each in request.attributes if each.oid in _EXTENSION_REQUESTS]
        extensions = list(request.extensions)
    except (ValueError, x509.DuplicateExtension) as error:
        raise Refused(
            "The request's attributes are malformed or stand twice (RFC 2986 4.1); make it anew.",
            code="attributes",
        ) from error
    if len(asked) > 1:
        raise Refused(
            "The request asks for extensions twice; which ones it means, nobody can tell.",
            code="attributes",
        )
    for each in extensions:
        if _of_authority(each.value):
            raise Refused(
                f"The request asks to sign for others ({each.oid.dotted_string}); subscribers' "
                "certificates never may.",
                code="wish_of_authority",
            )


def _of_authority(wish: x509.ExtensionType) -> bool:
    """Whether an extension belongs to CAs, responders and time stamps alone."""
    if isinstance(wish, x509.BasicConstraints):
        return wish.ca
    if isinstance(wish, x509.KeyUsage):
        return wish.key_cert_sign or wish.crl_sign
    if isinstance(wish, x509.ExtendedKeyUsage):
        return bool(_FORBIDDEN_USES.intersection(wish))
    return isinstance(wish, x509.NameConstraints | x509.OCSPNoCheck | x509.PolicyConstraints)
