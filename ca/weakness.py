"""Weak keys, found by looking at the public key alone (BR 6.1.1.3, 6.1.6). Pure."""

from math import gcd, isqrt

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 8192
LEAST_EXPONENT = 65537
MOST_EXPONENT_BITS = 256
FERMAT_ROUNDS = 100
CURVES = ("secp256r1", "secp384r1")

_SMALL_PRIMES = [p for p in range(3, 8000, 2) if all(p % d for d in range(3, isqrt(p) + 1, 2))]
_SMALL_PRODUCT = 1
for _prime in _SMALL_PRIMES:
    _SMALL_PRODUCT *= _prime

# CVE-2017-15361 (ROCA): the primes of the flawed library are powers of 65537 modulo each of these.
_ROCA_PRIMES = (
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
)  # fmt: skip


def _powers(prime: int) -> frozenset[int]:
    seen, value = set(), 1
    while value not in seen:
        seen.add(value)
        value = value * 65537 % prime
    return frozenset(seen)


_ROCA_MARKS = tuple((prime, _powers(prime)) for prime in _ROCA_PRIMES)


def find(key: PublicKeyTypes) -> tuple[str, str] | None:
    """Return (code, sentence) of the first weakness of `key`, or None for a sound key."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return _rsa_shape(key.key_size, numbers.e) or _rsa_modulus(numbers.n)
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            return "curve", f"The curve {key.curve.name} is not accepted; use P-256 or P-384."
        return None
    if isinstance(key, ed25519.Ed25519PublicKey):
        return None
    return "key_kind", f"Keys of the kind {type(key).__name__} are not accepted; use RSA or EC."


def _rsa_shape(bits: int, exponent: int) -> tuple[str, str] | None:
    if not LEAST_RSA_BITS <= bits <= MOST_RSA_BITS or bits % 8:
        return "rsa_size", (
            f"The RSA key has {bits} bits; it must have {LEAST_RSA_BITS} to {MOST_RSA_BITS}, "
            "in whole octets."
        )
    if exponent < LEAST_EXPONENT or exponent % 2 == 0 or exponent.bit_length() > MOST_EXPONENT_BITS:
        return "rsa_exponent", (
            f"The RSA exponent {exponent if exponent < 1 << 64 else 'is too long and'} is not "
            f"accepted; it must be odd and at least {LEAST_EXPONENT}."
        )
    return None


def _rsa_modulus(modulus: int) -> tuple[str, str] | None:
    if modulus % 2 == 0 or gcd(modulus, _SMALL_PRODUCT) != 1:
        return "rsa_small_factor", "The RSA modulus has a small prime factor; make a new key."
    if all(modulus % prime in powers for prime, powers in _ROCA_MARKS):
        return (
            "rsa_roca",
            "The RSA key has the fingerprint of CVE-2017-15361 (ROCA); make a new key.",
        )
    if _close_primes(modulus):
        return (
            "rsa_close_primes",
            "The RSA modulus is a product of two close primes; make a new key.",
        )
    return None


def _close_primes(modulus: int) -> bool:
    """Whether Fermat's method factors `modulus` within 100 rounds (BR 6.1.1.3)."""
    a = isqrt(modulus - 1) + 1
    square = a * a - modulus
    for _ in range(FERMAT_ROUNDS):
        # Of 100 numbers 98 are no squares by their remainder, which costs next to nothing.
        if square % _SIEVE in _SQUARES and isqrt(square) ** 2 == square:
            return True
        square += 2 * a + 1
        a += 1
    return False


_SIEVE = 64 * 63 * 65
_SQUARES = frozenset(number * number % _SIEVE for number in range(_SIEVE))
