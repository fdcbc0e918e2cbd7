"""Public keys: the kinds that we certify, and how a key is known in whatever form. Pure."""

import hashlib

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
"""The public keys that we certify."""


def spki_sha256(key: PublicKeyTypes) -> bytes:
    """Return the SHA-256 (32 octets) of the key's SubjectPublicKeyInfo.

    The key is encoded anew, so one key has one value, whether it came as PKCS#1, PKCS#8, a request
    or a certificate, with a compressed point or under the RSASSA-PSS identifier.
    """
    return hashlib.sha256(spki(key)).digest()


def spki(key: PublicKeyTypes) -> bytes:
    """Return the key's SubjectPublicKeyInfo in DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def kind_of(key: object) -> str:
    """Return the word by which profiles name the kind of a key: rsa, P-256, Ed25519."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa"
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else type(key).__name__


_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
