"""Requests: sound ones give their key, every other thing is refused with its own sentence."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from ca import csr, keys, weakness
from core.errors import AntinError, Invalid, Refused
from tests.support import requests
from tests.support.requests import HOSTILE

_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "token")])


@pytest.mark.parametrize(
    "key",
    [
        requests.ec_key(),
        requests.ec_key("secp384r1"),
        requests.rsa_key(),
        requests.rsa_key(3072),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-256", "P-384", "RSA-2048", "RSA-3072", "Ed25519"],
)
def test_sound_requests(key: requests.Key) -> None:
    """Each kind of key is accepted in DER and in PEM, under both labels, with blanks around."""
    der = requests.sound(key)
    wanted = keys.spki_sha256(key.public_key())
    for content in (
        der,
        requests.in_pem(der),
        requests.in_pem(der, "NEW CERTIFICATE REQUEST"),
        b"\r\n " + requests.in_pem(der).replace(b"\n", b"\r\n") + b"\n\n",
    ):
        assert csr.spki_sha256(csr.load(content)) == wanted


def test_pss_possession() -> None:
    """A request signed with RSASSA-PSS proves possession too."""
    key = requests.rsa_key()
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    built = x509.CertificateSigningRequestBuilder().subject_name(_NAME)
    made = built.sign(key, hashes.SHA256(), rsa_padding=pss)
    assert csr.load(made.public_bytes(Encoding.DER)) == key.public_key()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_requests(name: str) -> None:
    """Everything that is no sound request of a subscriber is refused, with its own sentence."""
    make, sentence = HOSTILE[name]
    with pytest.raises(AntinError, match=sentence) as caught:
        csr.load(make())
    assert str(caught.value).endswith(".")
    assert isinstance(caught.value, Invalid | Refused)


def test_refusals_are_told_apart() -> None:
    """The corpus is refused in many different sentences, not with one for everything."""
    sentences = set()
    for make, _ in HOSTILE.values():
        with pytest.raises(AntinError) as caught:
            csr.load(make())
        sentences.add(str(caught.value))
    assert len(sentences) >= 25


@pytest.mark.parametrize("form", ["pkcs8", "pkcs8 pem", "pkcs1", "pkcs1 pem", "sec1 pem"])
def test_a_private_key_is_never_quoted(form: str) -> None:
    """When somebody sends a private key, the sentence says so and shows none of it."""
    content = requests.private_key(form)
    with pytest.raises(Refused) as caught:
        csr.load(content)
    assert caught.value.code == "private_key_sent"
    text = repr(caught.value) + repr(caught.value.__cause__)
    assert content[30:50].decode("latin-1") not in text
    assert content[30:50].hex() not in text


def test_other_wishes_are_overruled() -> None:
    """Names and host names that a request wishes for do not stop it: only its key is taken."""
    asked = requests.sound(
        attributes=requests.wishes(requests.SITE),
        subject=requests.subject(common_name="<script>", country_name="xx"),
    )
    assert csr.load(asked) == requests.ec_key().public_key()


@pytest.mark.parametrize(
    ("modulus", "code"),
    [
        (requests.close_primes(), "rsa_close_primes"),
        (requests.roca(), "rsa_roca"),
        (requests.rsa_key().public_key().public_numbers().n * 3 >> 2 | 1, None),
        (7919 * ((1 << 2040) + 0xABCD), "rsa_small_factor"),
    ],
    ids=["close primes", "roca", "sound", "small factor"],
)
def test_weak_moduli(modulus: int, code: str | None) -> None:
    """Close primes, the ROCA fingerprint and small factors are found by looking at the modulus."""
    found = weakness._rsa_modulus(modulus)
    if code is None:
        assert found is None or found[0] == "rsa_small_factor"
    else:
        assert found is not None
        assert found[0] == code


@given(st.integers(0, 2**256))
def test_the_sieve_lets_every_square_through(number: int) -> None:
    """No square is taken for none by its remainder, so Fermat's method misses nothing."""
    assert number * number % weakness._SIEVE in weakness._SQUARES


def test_sound_keys_are_sound() -> None:
    """A well-made key of each kind has no weakness."""
    for key in (requests.rsa_key(), requests.rsa_key(3072), requests.ec_key()):
        assert weakness.find(key.public_key()) is None


_SOUND = requests.sound()


@given(st.integers(0, len(_SOUND) - 1), st.integers(1, 255))
def test_each_flipped_octet(at: int, change: int) -> None:
    """A request with any octet changed is refused: nothing in it is unsigned but its signature."""
    der = bytearray(_SOUND)
    der[at] ^= change
    with pytest.raises(AntinError):
        csr.load(bytes(der))


@given(st.binary(max_size=300))
def test_any_octets_are_refused(content: bytes) -> None:
    """No octets break the parser: they are refused."""
    with pytest.raises(AntinError):
        csr.load(content)


def test_one_key_is_one_key() -> None:
    """A key has one hash, whether its point is compressed or it stands under RSASSA-PSS."""
    plain = requests.spki(requests.rsa_key())
    pss = plain.replace(
        bytes.fromhex("300d06092a864886f70d0101010500"),
        bytes.fromhex("300b06092a864886f70d01010a"),
    )
    pss = b"\x30\x82" + (len(pss) - 4).to_bytes(2, "big") + pss[4:]
    again = load_der_public_key(pss)
    assert isinstance(again, rsa.RSAPublicKey)
    assert keys.spki_sha256(again) == keys.spki_sha256(requests.rsa_key().public_key())


def test_compressed_points_are_the_same_key() -> None:
    """A compressed point gives the hash of the key's usual form."""
    public = requests.ec_key().public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    again = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    assert keys.spki_sha256(again) == keys.spki_sha256(public)
