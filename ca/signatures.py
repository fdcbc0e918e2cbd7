"""The signature algorithms of certificates: their identifiers in DER, and how a key makes them.

The same octets stand inside the signed part and behind it (RFC 5280 4.1.1.2), because they are
taken from there. RSA identifiers carry NULL parameters (RFC 4055 5), all others none.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)

from core import der

PKCS1V15 = bytes.fromhex("300d06092a864886f70d01010b0500")
PSS = bytes.fromhex(
    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108"
    "300d06096086480165030402010500a203020120"
)
"""RSASSA-PSS with SHA-256, MGF1 with SHA-256, a salt of 32 octets (RFC 4055 3.1)."""
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ECDSA_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
ED25519 = bytes.fromhex("300506032b6570")

IDENTIFIERS = frozenset({PKCS1V15, PSS, ECDSA_SHA256, ECDSA_SHA384, ED25519})
"""All of the above, octet for octet as RFC 4055, RFC 5758 and RFC 8410 write them."""

OIDS = frozenset(
    {"1.2.840.113549.1.1.11", "1.2.840.113549.1.1.10", "1.2.840.10045.4.3.2",
     "1.2.840.10045.4.3.3", "1.3.101.112"}
)  # fmt: skip
"""The object identifiers of the algorithms above."""

_P256_BITS = 256


@runtime_checkable
class _SignsMany(Protocol):
    """A key for which many messages together are less work than one by one."""

    def sign_all(self, data: Sequence[bytes], *how: Any) -> Iterator[bytes]:  # noqa: ANN401 - as `sign` of its kind takes it
        """Yield the signature of each message, in order."""


class _Rsa(NamedTuple):
    """How an RSA key makes a signature."""

    padding: padding.AsymmetricPadding
    hash: hashes.HashAlgorithm


_RSA = {
    PKCS1V15: _Rsa(padding.PKCS1v15(), hashes.SHA256()),
    PSS: _Rsa(padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
}
_EC: dict[bytes, hashes.HashAlgorithm] = {
    ECDSA_SHA256: hashes.SHA256(),
    ECDSA_SHA384: hashes.SHA384(),
}


def algorithm_for(public_key: object, *, pss: bool) -> bytes:
    """Return the AlgorithmIdentifier that a CA with this key uses; `pss` counts for RSA alone.

    The hash of ECDSA is as strong as the curve (RFC 5758 3.2).
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        return PSS if pss else PKCS1V15
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return ECDSA_SHA256 if public_key.curve.key_size <= _P256_BITS else ECDSA_SHA384
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return ED25519
    raise TypeError(f"An issuer cannot sign with a {type(public_key).__name__}.")


def algorithm_in(tbs: bytes) -> bytes:
    """Return the AlgorithmIdentifier inside a TBSCertificate: behind version and serial."""
    parts = der.children(tbs)
    next(parts), next(parts)
    return next(parts)[1]


def sign(key: CertificateIssuerPrivateKeyTypes, tbs: bytes) -> bytes:
    """Return the certificate of `tbs` in DER, signed by `key` with the algorithm named inside.

    Raises SigningUnavailable when no token signs, TypeError when key and algorithm do not fit.
    """
    algorithm = algorithm_in(tbs)
    return assemble(tbs, algorithm, key.sign(tbs, *_how(key, algorithm)))


def sign_all(key: CertificateIssuerPrivateKeyTypes, drafts: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the certificate of each TBSCertificate of `drafts`, in order; raises as `sign` does.

    What was yielded before an error is good. A key that signs many together is asked to.
    """
    if not isinstance(key, _SignsMany):
        yield from (sign(key, tbs) for tbs in drafts)
        return
    for algorithm, alike in itertools.groupby(drafts, algorithm_in):
        some = list(alike)
        made = key.sign_all(some, *_how(key, algorithm))
        yield from map(assemble, some, itertools.repeat(algorithm), made)


def verify(key: CertificatePublicKeyTypes, tbs: bytes, signature: bytes) -> None:
    """Verify the signature of a TBSCertificate that `key` is to have made, by the algorithm inside.

    Raises InvalidSignature, or TypeError when key and algorithm do not fit.
    """
    algorithm = algorithm_in(tbs)
    if isinstance(key, rsa.RSAPublicKey) and algorithm in _RSA:
        scheme = _RSA[algorithm]
        key.verify(signature, tbs, scheme.padding, scheme.hash)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _EC:
        key.verify(signature, tbs, ec.ECDSA(_EC[algorithm]))
    elif isinstance(key, ed25519.Ed25519PublicKey) and algorithm == ED25519:
        key.verify(signature, tbs)
    else:
        raise TypeError(f"A {type(key).__name__} makes no signature {algorithm.hex()}.")


def assemble(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """Return the Certificate of its three parts (RFC 5280 4.1)."""
    return der.sequence(tbs, algorithm, der.bit_string(signature))


def _how(key: CertificateIssuerPrivateKeyTypes, algorithm: bytes) -> tuple[Any, ...]:
    """Return what the key is told beside the message; raises TypeError when they do not fit."""
    if isinstance(key, rsa.RSAPrivateKey) and algorithm in _RSA:
        return _RSA[algorithm]
    if isinstance(key, ec.EllipticCurvePrivateKey) and algorithm in _EC:
        return (ec.ECDSA(_EC[algorithm]),)
    if isinstance(key, ed25519.Ed25519PrivateKey) and algorithm == ED25519:
        return ()
    raise TypeError(f"A {type(key).__name__} makes no signature {algorithm.hex()}.")
