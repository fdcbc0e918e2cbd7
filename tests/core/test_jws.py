"""JSON Web Signatures: what we sign, public libraries read; what is not ours is refused."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as jose
from joserfc.jwk import ECKey

from core import jws
from core.errors import AntinError, Invalid, Refused

KEY = ec.generate_private_key(ec.SECP256R1())
TYP = "antin-test+jws"


def _signed() -> str:
    return jws.sign(KEY, {"tên": "Phú Quý", "n": 1}, typ=TYP, header={"kid": "a"})


def test_a_public_library_verifies_it() -> None:
    """A JOSE library that is not ours accepts the signature and reads the same payload."""
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    read = jose.deserialize_compact(_signed(), ECKey.import_key(pem), algorithms=["ES256"])
    assert json.loads(read.payload) == {"tên": "Phú Quý", "n": 1}
    assert read.headers() == {"alg": "ES256", "typ": TYP, "kid": "a"}


def test_we_verify_a_public_library() -> None:
    """What another JOSE library signs with the key is accepted by ours."""
    token = jose.serialize_compact(
        {"alg": "ES256", "typ": TYP},
        b'{"n":2}',
        ECKey.import_key(KEY),
        algorithms=["ES256"],
    )
    assert jws.verify(KEY.public_key(), token, typ=TYP) == {"n": 2}


def test_round_trip() -> None:
    """The payload comes back as it was signed."""
    assert jws.verify(KEY.public_key(), _signed(), typ=TYP) == {"tên": "Phú Quý", "n": 1}


def test_another_type_is_refused() -> None:
    """A checkpoint does not pass for a statement: the type is part of what is verified."""
    with pytest.raises(Refused, match="not a 'other\\+jws'"):
        jws.verify(KEY.public_key(), _signed(), typ="other+jws")


def test_another_key_is_refused() -> None:
    """A signature by another key is refused."""
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(Refused, match="not by the key"):
        jws.verify(other, _signed(), typ=TYP)


def test_no_algorithm_is_refused() -> None:
    """`alg: none` and an emptied signature are refused (RFC 8725 2.1)."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": TYP}).encode())
    token = f"{header.rstrip(b'=').decode()}.{_signed().split('.')[1]}."
    with pytest.raises(Refused):
        jws.verify(KEY.public_key(), token, typ=TYP)


def test_other_curves_are_refused() -> None:
    """ES256 belongs to P-256: a key on another curve does not sign."""
    with pytest.raises(Invalid, match="P-256"):
        jws.sign(ec.generate_private_key(ec.SECP384R1()), {}, typ=TYP)


@given(at=st.integers(0, len(_signed()) - 1), char=st.sampled_from("AZaz09-_.=+"))
def test_each_changed_character_is_noticed(at: int, char: str) -> None:
    """Changing any one character makes the token refused, or leaves the same octets."""
    token = _signed()
    changed = token[:at] + char + token[at + 1 :]
    try:
        payload = jws.verify(KEY.public_key(), changed, typ=TYP)
    except AntinError:
        return
    # The last character of base64 may hold bits that stand for nothing.
    assert changed == token or payload == {"tên": "Phú Quý", "n": 1}


@given(st.text(max_size=50))
def test_any_text_is_refused(text: str) -> None:
    """No text breaks the reader: it is refused as no signature."""
    with pytest.raises(AntinError):
        jws.verify(KEY.public_key(), text, typ=TYP)
