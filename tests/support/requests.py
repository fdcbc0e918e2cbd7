"""Requests for certificates: sound ones, and what the world sends instead. Each is PKCS#10 or not.

The parts are put together with asn1crypto, so that every field can be wrong while the signature is
right.
"""

from collections.abc import Callable
from functools import cache

from asn1crypto import algos, core, csr, keys, pem, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_ECDSA: dict[str, object] = {"algorithm": "sha256_ecdsa"}
_RSA: dict[str, object] = {"algorithm": "sha256_rsa", "parameters": core.Null()}


_TOKEN = bytes(x509.Name.build({"common_name": "token"}).dump())


@cache
def ec_key(curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    """An EC key, made once."""
    return ec.generate_private_key(getattr(ec, curve.upper())())


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """An RSA key, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def spki(key: object) -> bytes:
    """The SubjectPublicKeyInfo of a private key."""
    public = key.public_key()  # type: ignore[attr-defined] # every private key has it
    encoded: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def subject(**parts: str) -> bytes:
    """A name of these parts, in DER."""
    return bytes(x509.Name.build(parts).dump())


def rsa_spki(modulus: int, exponent: int) -> bytes:
    """The SubjectPublicKeyInfo of any two numbers."""
    public = keys.RSAPublicKey({"modulus": modulus, "public_exponent": exponent})
    return bytes(keys.PublicKeyInfo.wrap(public, "rsa").dump())


def info(
    public: bytes, *, version: int = 0, attributes: bytes = b"\xa0\x00", subject: bytes = b""
) -> bytes:
    """The part that is signed: CertificationRequestInfo of ready parts."""
    name = subject or _TOKEN
    inside = core.Integer(version).dump() + name + public + attributes
    return bytes(core.Sequence(contents=inside).dump())


def request(
    tbs: bytes,
    key: Key | None = None,
    *,
    algorithm: dict[str, object] | None = None,
    digest: hashes.HashAlgorithm | None = None,
) -> bytes:
    """The request of `tbs`, signed by `key` (default: the P-256 key that `sound` uses)."""
    key = key or ec_key()
    signed, named = _sign(key, tbs, digest or hashes.SHA256())
    named = algos.SignedDigestAlgorithm(algorithm or named)
    bits = core.OctetBitString(signed)
    return bytes(core.Sequence(contents=tbs + named.dump() + bits.dump()).dump())


def _sign(key: Key, tbs: bytes, digest: hashes.HashAlgorithm) -> tuple[bytes, dict[str, object]]:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(tbs, padding.PKCS1v15(), digest), _RSA
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(tbs), {"algorithm": "ed25519"}
    return key.sign(tbs, ec.ECDSA(digest)), _ECDSA


def sound(key: Key | None = None, **parts: object) -> bytes:
    """A sound request in DER; `parts` change the signed part."""
    key = key or ec_key()
    return request(info(spki(key), **parts), key)  # type: ignore[arg-type] # the tests' own values


def in_pem(der: bytes, label: str = "CERTIFICATE REQUEST") -> bytes:
    """The PEM of something."""
    armoured: bytes = pem.armor(label, der)
    return armoured


def wishes(*extensions: tuple[str, bool, object], times: int = 1) -> bytes:
    """The attributes of a request that asks for extensions."""
    asked = [{"extn_id": oid, "critical": crit, "extn_value": val} for oid, crit, val in extensions]
    attribute = {"type": "extension_request", "values": [asked]}
    encoded = csr.CRIAttributes([attribute] * times).untag().dump()
    return bytes(b"\xa0" + encoded[1:])


def private_key(kind: str) -> bytes:
    """The P-256 or RSA private key in one of its forms."""
    forms: dict[str, Callable[[], bytes]] = {
        "pkcs8": lambda: _private(ec_key(), Encoding.DER, PrivateFormat.PKCS8),
        "pkcs8 pem": lambda: _private(ec_key(), Encoding.PEM, PrivateFormat.PKCS8),
        "sec1": lambda: _private(ec_key(), Encoding.DER, PrivateFormat.TraditionalOpenSSL),
        "sec1 pem": lambda: _private(ec_key(), Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
        "pkcs1": lambda: _private(rsa_key(), Encoding.DER, PrivateFormat.TraditionalOpenSSL),
        "pkcs1 pem": lambda: _private(rsa_key(), Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
    }
    return forms[kind]()


def _private(key: Key, encoding: Encoding, form: PrivateFormat) -> bytes:
    return key.private_bytes(encoding, form, NoEncryption())


def _rsa_wish(modulus: int, exponent: int = 65537) -> bytes:
    return request(info(rsa_spki(modulus, exponent)))


def _changed_signature(der: bytes) -> bytes:
    return der[:-3] + bytes([der[-3] ^ 1]) + der[-2:]


def _off_curve() -> bytes:
    good = spki(ec_key())
    return request(info(good[:-1] + bytes([good[-1] ^ 1])))


def _curve_of_the_ca() -> bytes:
    """A request whose key leaves its curve to be known from elsewhere (X9.62 implicitCA)."""
    public = keys.PublicKeyInfo.load(spki(ec_key()))
    public["algorithm"]["parameters"] = keys.ECDomainParameters("implicit_ca", core.Null())
    return request(info(public.dump(force=True)))


@cache
def _primes() -> tuple[int, int]:
    numbers = rsa_key().private_numbers()
    return numbers.p, numbers.q


def close_primes() -> int:
    """A modulus of 2048 bits whose factors are neighbours (Fermat's method finds them)."""
    p = max(_primes())
    q = p + 2
    while pow(2, q - 1, q) != 1:
        q += 2
    return p * q


def roca() -> int:
    """A number with the fingerprint of CVE-2017-15361: a power of 65537 modulo many primes."""
    product = 1
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157):
        product *= prime
    wanted = pow(65537, 1234, product)
    base = (1 << 2047) - (1 << 2047) % product + wanted
    for step in range(1000):
        candidate = base + step * product
        if all(candidate % small for small in range(3, 8000, 2)):
            return candidate
    raise RuntimeError


def _dsa() -> bytes:
    return spki(dsa.generate_private_key(1024))


CA = ("basic_constraints", True, {"ca": True})
SIGNS = ("key_usage", True, {"key_cert_sign"})
RESPONDER = ("extended_key_usage", False, ["ocsp_signing"])
STAMPS = ("extended_key_usage", False, ["time_stamping"])
NOCHECK = ("ocsp_no_check", False, core.Null())
NAMES = (
    "name_constraints",
    True,
    {"permitted_subtrees": [{"base": x509.GeneralName("dns_name", "a.vn")}]},
)
SITE = ("subject_alt_name", False, [x509.GeneralName("dns_name", "*.vn")])

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    # What is not exactly one request.
    "empty": (lambda: b"", "is empty"),
    "blanks": (lambda: b" \r\n\t", "is empty"),
    "one octet": (lambda: b"\x30", "not exactly one PKCS#10"),
    "text": (lambda: b"please certify me", "neither PEM nor"),
    "html": (lambda: b"<html></html>", "neither PEM nor"),
    "json": (lambda: b'{"csr": 1}', "neither PEM nor"),
    "zeros": (lambda: bytes(500), "neither PEM nor"),
    "base64 without armour": (lambda: b"MIIB" * 100, "neither PEM nor"),
    "indefinite length": (lambda: b"\x30\x80" + sound()[2:] + b"\0\0", "not exactly one PKCS#10"),
    "truncated": (lambda: sound()[:-5], "not exactly one PKCS#10"),
    "trailing": (lambda: sound() + b"\0", "not exactly one PKCS#10"),
    "two glued": (lambda: sound() + sound(), "not exactly one PKCS#10"),
    "empty sequence": (lambda: b"\x30\x00", "not exactly one PKCS#10"),
    "two pem": (lambda: in_pem(sound()) * 2, "holds 2 PEM objects"),
    "certificate label": (lambda: in_pem(sound(), "CERTIFICATE"), "is a CERTIFICATE, not"),
    "public key label": (lambda: in_pem(spki(ec_key()), "PUBLIC KEY"), "is a PUBLIC KEY, not"),
    "text before pem": (lambda: b"hello\n" + in_pem(sound()), "before or behind the PEM"),
    "text behind pem": (lambda: in_pem(sound()) + b"hello", "before or behind the PEM"),
    "pem of nothing": (lambda: in_pem(b"\x30\x00"), "does not hold one PKCS#10"),
    "wrong version": (lambda: sound(version=1), "version is not 0"),
    "too large": (lambda: bytes(16 * 1024 + 1), "the limit is 16384"),
    # Private keys: said so, whatever their form.
    "pkcs8": (lambda: private_key("pkcs8"), "is a private key"),
    "pkcs8 pem": (lambda: private_key("pkcs8 pem"), "is a private key"),
    "pkcs1": (lambda: private_key("pkcs1"), "is a private key"),
    "pkcs1 pem": (lambda: private_key("pkcs1 pem"), "is a private key"),
    "sec1 pem": (lambda: private_key("sec1 pem"), "is a private key"),
    "request and key": (lambda: in_pem(sound()) + private_key("pkcs8 pem"), "is a private key"),
    # Possession.
    "signature changed": (lambda: _changed_signature(sound()), "possession is not proved"),
    "signed by another": (
        lambda: request(info(spki(ec_key("secp384r1"))), ec_key()),
        "possession is not proved",
    ),
    "signature of zeros": (
        lambda: sound()[:-70] + bytes(70) if len(sound()) > 70 else b"",
        "possession is not proved|not exactly one PKCS#10",
    ),
    "sha-1": (
        lambda: request(
            info(spki(rsa_key())),
            rsa_key(),
            digest=hashes.SHA1(),
            algorithm={"algorithm": "sha1_rsa"},
        ),
        "signed with SHA1",
    ),
    "md5": (
        lambda: request(
            info(spki(rsa_key())),
            rsa_key(),
            digest=hashes.MD5(),
            algorithm={"algorithm": "md5_rsa"},
        ),
        "signed with MD5",
    ),
    "rsa algorithm, ec key": (
        lambda: request(info(spki(ec_key())), algorithm=_RSA),
        "possession is not proved",
    ),
    # Keys.
    "rsa 1024": (lambda: request(info(spki(rsa_key(1024))), rsa_key(1024)), "has 1024 bits"),
    "rsa 2049": (lambda: _rsa_wish((1 << 2050) + 12345), "whole octets"),
    "rsa e=3": (lambda: _exponent(3), "exponent 3 is not"),
    "rsa e=1": (
        lambda: _rsa_wish(rsa_key().public_key().public_numbers().n, 1),
        "RSA key|exponent",
    ),
    "rsa e even": (
        lambda: _rsa_wish(rsa_key().public_key().public_numbers().n, 65538),
        "RSA key is malformed|exponent",
    ),
    "secp256k1": (lambda: sound(ec_key("secp256k1")), "secp256k1 is not accepted"),
    "p-521": (lambda: sound(ec_key("secp521r1")), "secp521r1 is not accepted"),
    "dsa": (lambda: request(info(_dsa())), "DSAPublicKey are not accepted"),
    "ed448": (lambda: request(info(spki(ed448.Ed448PrivateKey.generate()))), "not accepted"),
    "off the curve": (_off_curve, "not on its curve"),
    "curve not named": (_curve_of_the_ca, "kind of the request's public key is not accepted"),
    # Wishes of authority, and contradictions.
    "ca": (lambda: sound(attributes=wishes(CA)), "asks to sign for others"),
    "keyCertSign": (lambda: sound(attributes=wishes(SIGNS)), "asks to sign for others"),
    "ocsp signing": (lambda: sound(attributes=wishes(RESPONDER)), "asks to sign for others"),
    "time stamping": (lambda: sound(attributes=wishes(STAMPS)), "asks to sign for others"),
    "nocheck": (lambda: sound(attributes=wishes(NOCHECK)), "asks to sign for others"),
    "name constraints": (lambda: sound(attributes=wishes(NAMES)), "asks to sign for others"),
    "two extension requests": (
        lambda: sound(attributes=wishes(SITE, times=2)),
        "asks for extensions twice|stand twice",
    ),
    "an extension twice": (lambda: sound(attributes=wishes(SITE, SITE)), "stand twice"),
    "attributes of nonsense": (
        lambda: sound(attributes=b"\xa0\x03\x30\x01\x05"),
        "attributes are malformed|not exactly one",
    ),
}
"""What is refused: how to make it, and a word of the sentence that refuses it."""


def _exponent(exponent: int) -> bytes:
    key = rsa.generate_private_key(public_exponent=exponent, key_size=2048)
    return request(info(spki(key)), key)
