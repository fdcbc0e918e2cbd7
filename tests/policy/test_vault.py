"""The vault of personal data: sealed for one owner, found again by marks, silent about its key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from policy.vault import KEY_BYTES, Vault, new_key

KEY = bytes(range(KEY_BYTES))
VAULT = Vault(KEY)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, st.dictionaries(texts, texts, max_size=4))
def test_sealed_values_come_back(owner: str, values: dict[str, str]) -> None:
    """What was sealed for an owner opens for the same owner with the same values."""
    assert VAULT.open(owner, VAULT.seal(owner, values)) == values


def test_same_values_are_sealed_differently() -> None:
    """Equal values cannot be told from what is stored: no sealing gives the same bytes twice."""
    assert VAULT.seal("KH00001", {"phone": "0987"}) != VAULT.seal("KH00001", {"phone": "0987"})


def test_other_owner_does_not_open() -> None:
    """Data that was moved to another subscriber's row does not open there."""
    sealed = VAULT.seal("KH00001", {"phone": "0987"})
    with pytest.raises(Invalid, match="'KH00002' does not open"):
        VAULT.open("KH00002", sealed)


def test_other_key_does_not_open() -> None:
    """Data sealed under another key does not open."""
    with pytest.raises(Invalid, match="sealed under another key"):
        Vault(new_key()).open("KH00001", VAULT.seal("KH00001", {"phone": "0987"}))


@given(st.data())
def test_every_changed_bit_is_found(data: st.DataObject) -> None:
    """Whichever bit of the stored bytes is changed, the data does not open."""
    sealed = bytearray(VAULT.seal("KH00001", {"phone": "0987"}))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Invalid, match="was changed"):
        VAULT.open("KH00001", bytes(sealed))


def test_every_truncation_is_found() -> None:
    """Stored bytes that were cut anywhere, even to nothing, do not open and do not crash."""
    sealed = VAULT.seal("KH00001", {"phone": "0987"})
    for length in range(len(sealed)):
        with pytest.raises(Invalid, match="does not open"):
            VAULT.open("KH00001", sealed[:length])


def test_marks_find_equals_and_nothing_else() -> None:
    """Marks are equal for equal texts, differ for others, and depend on the key."""
    assert VAULT.mark("0987") == VAULT.mark("0987")
    assert VAULT.mark("0987") != VAULT.mark("0988")
    assert VAULT.mark("0987") != Vault(new_key()).mark("0987")
    assert b"0987" not in VAULT.mark("0987")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_key_of_other_length_is_refused(length: int) -> None:
    """A data key that is not 32 bytes long is refused, and its bytes are not in the sentence."""
    with pytest.raises(Invalid, match=f"has {length} bytes; it must have 32"):
        Vault(b"K" * length)


def test_key_is_never_printed() -> None:
    """Neither the data key nor a key derived from it shows in what a vault prints of itself."""
    printed = repr(VAULT) + str(VAULT)
    for secret in (KEY, VAULT._mark_key):
        assert secret.hex() not in printed
        assert repr(secret)[2:-1] not in printed


def test_new_keys_differ() -> None:
    """Every new data key is 32 fresh bytes."""
    keys = {new_key() for _ in range(20)}
    assert len(keys) == 20
    assert {len(each) for each in keys} == {KEY_BYTES}
