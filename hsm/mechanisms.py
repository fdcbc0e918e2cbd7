"""The one table of what we sign with: key kinds, paddings and hashes, and their PKCS#11 mechanisms.

What is not in it is refused by name: RSA PKCS#1 v1.5 and PSS with SHA-256, SHA-384 or SHA-512
(RFC 8017), ECDSA on P-256 and P-384 with the same hashes (FIPS 186-5), Ed25519 (RFC 8032).

Hashing is done here and not on the token, so that a large CRL does not travel to it; a token that
signs whole messages only (some in FIPS mode) gets the message.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from core.errors import Invalid, Refused
from hsm.codes import Mechanism
from hsm.layout import MechanismCall, pss_call

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class KeyKind(StrEnum):
    """The kinds of key that we make and use."""

    RSA_2048 = "RSA-2048"
    RSA_3072 = "RSA-3072"
    RSA_4096 = "RSA-4096"
    P_256 = "P-256"
    P_384 = "P-384"
    ED25519 = "Ed25519"


_LEAST_RSA_BITS = 2048
RSA_BITS = {KeyKind.RSA_2048: 2048, KeyKind.RSA_3072: 3072, KeyKind.RSA_4096: 4096}
CURVES: dict[KeyKind, ec.EllipticCurve] = {
    KeyKind.P_256: ec.SECP256R1(),
    KeyKind.P_384: ec.SECP384R1(),
}
GENERATION = {
    KeyKind.RSA_2048: Mechanism.RSA_PKCS_KEY_PAIR_GEN,
    KeyKind.RSA_3072: Mechanism.RSA_PKCS_KEY_PAIR_GEN,
    KeyKind.RSA_4096: Mechanism.RSA_PKCS_KEY_PAIR_GEN,
    KeyKind.P_256: Mechanism.EC_KEY_PAIR_GEN,
    KeyKind.P_384: Mechanism.EC_KEY_PAIR_GEN,
    KeyKind.ED25519: Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hash:
    """One hash with everything that PKCS#11 and PKCS#1 call it."""

    algorithm: hashes.HashAlgorithm
    mechanism: Mechanism
    mgf: int
    rsa: Mechanism
    pss: Mechanism
    ecdsa: Mechanism
    # The DER of DigestInfo up to the digest itself (RFC 8017 9.2, note 1).
    digest_info: bytes


_HASHES = {
    "sha256": _Hash(
        algorithm=hashes.SHA256(),
        mechanism=Mechanism.SHA256,
        mgf=2,
        rsa=Mechanism.SHA256_RSA_PKCS,
        pss=Mechanism.SHA256_RSA_PKCS_PSS,
        ecdsa=Mechanism.ECDSA_SHA256,
        digest_info=bytes.fromhex("3031300d060960864801650304020105000420"),
    ),
    "sha384": _Hash(
        algorithm=hashes.SHA384(),
        mechanism=Mechanism.SHA384,
        mgf=3,
        rsa=Mechanism.SHA384_RSA_PKCS,
        pss=Mechanism.SHA384_RSA_PKCS_PSS,
        ecdsa=Mechanism.ECDSA_SHA384,
        digest_info=bytes.fromhex("3041300d060960864801650304020205000430"),
    ),
    "sha512": _Hash(
        algorithm=hashes.SHA512(),
        mechanism=Mechanism.SHA512,
        mgf=4,
        rsa=Mechanism.SHA512_RSA_PKCS,
        pss=Mechanism.SHA512_RSA_PKCS_PSS,
        ecdsa=Mechanism.ECDSA_SHA512,
        digest_info=bytes.fromhex("3051300d060960864801650304020305000440"),
    ),
}


_DIGESTS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


class Choice(NamedTuple):
    """A mechanism to sign with, and whether it wants the digest or the message."""

    call: MechanismCall
    takes_digest: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scheme:
    """How one signature is made: with a mechanism over the digest, or one over the message.

    `on_digest` wants `prefix` and the digest; `on_message` the message itself; either may be
    absent. `hash` is None where the mechanism hashes for itself (Ed25519). `key` finds it in the
    table.
    """

    key: tuple[str | int, ...]
    name: str
    hash: hashes.HashAlgorithm | None
    padding: AsymmetricPadding | None = None
    prefix: bytes = b""
    on_digest: MechanismCall | None = None
    on_message: MechanismCall | None = None

    def __reduce__(self) -> tuple[Callable[..., "Scheme"], tuple[str | int, ...]]:
        """Be pickled by key: another process has the same table, and its own memory."""
        return _scheme_of, self.key

    def choices(self, available: frozenset[int]) -> list[Choice]:
        """Return the ways in which a token with these mechanisms may do it, the better first."""
        ways = ((self.on_digest, True), (self.on_message, False))
        return [
            Choice(call, takes_digest)
            for call, takes_digest in ways
            if call is not None and call.raw.mechanism in available
        ]


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be signed: the bytes, or only their digest when `hashed`."""

    data: bytes
    hashed: bool

    def digest(self, algorithm: hashes.HashAlgorithm) -> bytes:
        """Return the digest of the message."""
        return self.data if self.hashed else _DIGESTS[algorithm.name](self.data).digest()


_pkcs1 = {
    name: Scheme(
        key=("pkcs1", name),
        name=f"RSA PKCS#1 v1.5 with {name.upper()}",
        hash=entry.algorithm,
        padding=padding.PKCS1v15(),
        prefix=entry.digest_info,
        on_digest=MechanismCall(Mechanism.RSA_PKCS),
        on_message=MechanismCall(entry.rsa),
    )
    for name, entry in _HASHES.items()
}
_ecdsa = {
    name: Scheme(
        key=("ecdsa", name),
        name=f"ECDSA with {name.upper()}",
        hash=entry.algorithm,
        on_digest=MechanismCall(Mechanism.ECDSA),
        on_message=MechanismCall(entry.ecdsa),
    )
    for name, entry in _HASHES.items()
}
ED25519 = Scheme(
    key=("ed25519",), name="Ed25519", hash=None, on_message=MechanismCall(Mechanism.EDDSA)
)
_pss: dict[tuple[str, int], Scheme] = {}


def rsa_scheme(pad: object, algorithm: object, key_bits: int) -> Scheme:
    """Return the scheme for an RSA signature; raises Refused for one that is not in the table."""
    entry = _hash(algorithm)
    if isinstance(pad, padding.PKCS1v15):
        return _pkcs1[entry.algorithm.name]
    if isinstance(pad, padding.PSS):
        return _pss_scheme(pad, entry, key_bits)
    raise _refuse(f"RSA with {getattr(pad, 'name', type(pad).__name__)}")


def ecdsa_scheme(algorithm: object) -> Scheme:
    """Return the scheme for an ECDSA signature; raises Refused for one that is not in the table."""
    if not isinstance(algorithm, ec.ECDSA):
        raise _refuse(type(algorithm).__name__)
    return _ecdsa[_hash(algorithm.algorithm).algorithm.name]


def _scheme_of(kind: str, hash_: str = "", salt: int = 0) -> Scheme:
    """Return the scheme of this key."""
    match kind:
        case "pkcs1":
            return _pkcs1[hash_]
        case "pss":
            return _pss_of(_HASHES[hash_], salt)
        case "ecdsa":
            return _ecdsa[hash_]
        case "ed25519":
            return ED25519
    raise ValueError(f"There is no kind of scheme named {kind!r}.")


def load_public(der: bytes) -> PublicKey:
    """Return the public key of a SubjectPublicKeyInfo; raises Invalid or Refused."""
    try:
        public = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid(f"The {len(der)} bytes are no public key in DER.") from None
    if not isinstance(public, PublicKey):
        raise _refuse(f"a key of the kind {type(public).__name__}")
    require_known(public)
    return public


def spki(public: PublicKey) -> bytes:
    """Return a public key as the DER of its SubjectPublicKeyInfo."""
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def usual_scheme(public: PublicKey) -> Scheme:
    """Return what a key of this kind signs with when nobody chose: PKCS#1 v1.5 for RSA."""
    if isinstance(public, rsa.RSAPublicKey):
        return _pkcs1["sha256"]
    if isinstance(public, ec.EllipticCurvePublicKey):
        return _ecdsa["sha384" if public.curve.name == "secp384r1" else "sha256"]
    return ED25519


def message(data: bytes, algorithm: object) -> Message:
    """Return what is to be signed, checking the length of a digest that was made elsewhere."""
    if not isinstance(algorithm, Prehashed):
        return Message(data, hashed=False)
    size = _hash(algorithm).algorithm.digest_size
    if len(data) != size:
        raise ValueError(f"The digest has {len(data)} bytes; the hash gives {size}.")
    return Message(data, hashed=True)


def is_right(public: PublicKey, scheme: Scheme, what: Message, raw: bytes) -> bool:
    """Whether `raw`, as the token gave it, is a signature of `what` by this public key."""
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(raw, what.data)
            return True
        if scheme.hash is None:
            return False
        algorithm = Prehashed(scheme.hash) if what.hashed else scheme.hash
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(ecdsa_der(raw), what.data, ec.ECDSA(algorithm))
        elif scheme.padding is not None:
            public.verify(raw, what.data, scheme.padding, algorithm)
    except InvalidSignature:
        return False
    return True


def require_known(public: PublicKey) -> None:
    """Raise Refused for a key of another size or curve than those of the table."""
    if isinstance(public, rsa.RSAPublicKey):
        known = public.key_size >= _LEAST_RSA_BITS and public.key_size % 8 == 0
        name = f"an RSA key of {public.key_size} bits"
    elif isinstance(public, ec.EllipticCurvePublicKey):
        known = public.curve.name in {curve.name for curve in CURVES.values()}
        name = f"a key on the curve {public.curve.name}"
    else:
        return
    if not known:
        raise _refuse(name)


def ecdsa_der(raw: bytes) -> bytes:
    """Return PKCS#11's r||s (PKCS#11 2.3.1) as the DER Ecdsa-Sig-Value of RFC 3279 2.2.3."""
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))


def _pss_scheme(pad: padding.PSS, entry: _Hash, key_bits: int) -> Scheme:
    size = entry.algorithm.digest_size
    mgf_hash = pad.mgf._algorithm  # noqa: SLF001 - cryptography has no public name for it
    if mgf_hash.name != entry.algorithm.name:
        raise _refuse(f"RSA-PSS with {entry.algorithm.name} and MGF1 over {mgf_hash.name}")
    most = (key_bits + 6) // 8 - size - 2
    asked = pad._salt_length  # noqa: SLF001 - the same
    salt = {padding.PSS.DIGEST_LENGTH: size, padding.PSS.MAX_LENGTH: most}.get(asked, asked)
    if not isinstance(salt, int) or not 0 <= salt <= most:
        raise _refuse(f"RSA-PSS with a salt of {salt} bytes (most: {most})")
    return _pss_of(entry, salt)


def _pss_of(entry: _Hash, salt: int) -> Scheme:
    key = (entry.algorithm.name, salt)
    if key not in _pss:
        _pss[key] = Scheme(
            key=("pss", *key),
            name=f"RSA-PSS with {entry.algorithm.name.upper()} and a salt of {salt} bytes",
            hash=entry.algorithm,
            padding=padding.PSS(padding.MGF1(entry.algorithm), salt),
            on_digest=pss_call(Mechanism.RSA_PKCS_PSS, entry.mechanism, entry.mgf, salt),
            on_message=pss_call(entry.pss, entry.mechanism, entry.mgf, salt),
        )
    return _pss[key]


def _hash(algorithm: object) -> _Hash:
    if isinstance(algorithm, Prehashed):
        algorithm = algorithm._algorithm  # noqa: SLF001 - cryptography has no public name for it
    name = getattr(algorithm, "name", type(algorithm).__name__)
    if name not in _HASHES:
        raise _refuse(f"the hash {name}")
    return _HASHES[name]


def _refuse(what: str) -> Refused:
    return Refused(
        f"Signing with {what} is not allowed; allowed are RSA PKCS#1 v1.5 and PSS and ECDSA with "
        "SHA-256, SHA-384 or SHA-512, and Ed25519.",
        code="mechanism_not_allowed",
    )
