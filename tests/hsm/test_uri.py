"""PKCS#11 URIs: what they say is kept, and what they may not say is refused with a sentence."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from hsm import uri
from hsm.keyring import Keyring
from hsm.uri import KeyUri

MODULE = "module-path=/m.so"
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
MAYBE = st.none() | TEXT
SOURCES = st.none() | st.just("prompt:") | TEXT.map("file:{}".format) | TEXT.map("env:{}".format)


@given(
    st.builds(
        KeyUri,
        module_path=TEXT.map(lambda text: Path("/" + text.lstrip("/"))),
        token=MAYBE,
        serial=MAYBE,
        manufacturer=MAYBE,
        model=MAYBE,
        slot_id=st.none() | st.integers(0, 2**32),
        label=MAYBE,
        id=st.none() | st.binary(min_size=1),
        pin_source=SOURCES,
        init_reserved=MAYBE,
        imported=st.booleans(),
    )
)
def test_round_trip(where):
    """Whatever a URI can say, its text says it again."""
    assert uri.parse(str(where)) == where


@given(st.text())
def test_any_text(text):
    """Any text is a URI or is refused with a sentence: nothing else comes out."""
    for candidate in (text, f"pkcs11:{text}", f"pkcs11:object=a?{MODULE}&{text}"):
        with contextlib.suppress(Invalid):
            uri.parse(candidate)


def test_example():
    """The example of the module's docstring reads as it says."""
    where = uri.parse(
        "pkcs11:token=Antin%20CA;object=issuing?module-path=/usr/lib/softhsm/libsofthsm2.so"
        "&pin-source=file:/etc/antin/pin"
    )
    assert where == KeyUri(
        module_path=Path("/usr/lib/softhsm/libsofthsm2.so"),
        token="Antin CA",
        label="issuing",
        pin_source="file:/etc/antin/pin",
    )


def test_bare_pin_file():
    """A pin-source that is only a path is a file (RFC 7512 2.4)."""
    assert uri.parse(f"pkcs11:?{MODULE}&pin-source=/etc/pin").pin_source == "file:/etc/pin"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not begin with 'pkcs11:'"),
        ("pkcs12:object=a", "does not begin with 'pkcs11:'"),
        ("pkcs11:object=a", "names no module"),
        (f"pkcs11:colour=red?{MODULE}", "unknown part 'colour=red'"),
        (f"pkcs11:object?{MODULE}", "unknown part 'object'"),
        (f"pkcs11:object=a;object=b?{MODULE}", "names object twice"),
        (f"pkcs11:object=a?{MODULE}&{MODULE}", "names module-path twice"),
        (f"pkcs11:object=%zz?{MODULE}", "two hex digits"),
        (f"pkcs11:object=a b?{MODULE}", "two hex digits"),
        (f"pkcs11:object=%ff?{MODULE}", "not UTF-8"),
        (f"pkcs11:object=%00?{MODULE}", "NUL"),
        (f"pkcs11:slot-id=x?{MODULE}", "no decimal number"),
        ("pkcs11:object=a?module-path=m.so", "not absolute"),
        (f"pkcs11:object=a?{MODULE}&pin-source=1234", "unknown pin-source"),
        (f"pkcs11:object=a?{MODULE}&pin-source=file:", "unknown pin-source"),
        (f"pkcs11:object=a?{MODULE}&x-imported=yes", "neither true nor false"),
        (f"pkcs11:object=a?{MODULE}&pin-value=123456", "does not belong into configuration"),
        (f"PKCS11:object=a;PIN-VALUE=123456?{MODULE}", "does not belong into configuration"),
    ],
)
def test_refused(text, says):
    """What is wrong is named, and neither a PIN nor what may be one is repeated."""
    with pytest.raises(Invalid) as refusal:
        uri.parse(text)
    assert says in str(refusal.value)
    assert "1234" not in str(refusal.value)


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        ({"root": []}, "a list of one URI or more"),
        ({"root": f"pkcs11:object=a?{MODULE}"}, "a list of one URI or more"),
        ({"root": [f"pkcs11:token=a?{MODULE}"]}, "names no key"),
    ],
)
def test_roles(roles, says):
    """A role names keys, in a list."""
    with pytest.raises(Invalid, match=says):
        Keyring(roles)


def test_limits():
    """A time limit of nothing, and no session at all, are refused."""
    with pytest.raises(Invalid, match="more than 0 seconds"):
        Keyring({}, time_limit_seconds=0)
    with pytest.raises(Invalid, match="sessions 0 must be 1 or more"):
        Keyring({}, sessions=0)
