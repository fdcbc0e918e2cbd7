"""A key on two tokens: one is enough, the first is preferred, and a stranger is never used."""

import dataclasses
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from core.errors import Refused, SigningUnavailable
from hsm import backup, uri
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind
from hsm.wrapping import share_wrapping_key
from tests.hsm import vendors
from tests.hsm.load import Load, sign, signs_again

LIMIT = 2.0


@dataclasses.dataclass
class Pair:
    """Two tokens with the same key; the first is seen through a shim."""

    keyring: Keyring
    uris: list[str]
    shim: vendors.Shim
    folder: object

    def pools(self):
        """Return the pools of the two tokens."""
        return [place.pool for place in self.keyring.places("issuing")]


@pytest.fixture
def pair(tmp_path, monkeypatch, shim):
    """The same key on two tokens of two modules, so that one may fail alone."""
    first = vendors.softhsm_token(tmp_path, "first")
    monkeypatch.setenv("SOFTHSM2_CONF", first.environment["SOFTHSM2_CONF"])
    second = vendors.softhsm_token(tmp_path, "second", module=first.place.module_path)
    copying = Keyring(
        {
            "a": [first.uri("issuing")],
            "b": [second.uri("issuing")],
            "wa": [first.uri("wrap")],
            "wb": [second.uri("wrap")],
            "stranger": [second.uri("stranger")],
        }
    )
    share_wrapping_key(copying, "wa", "wb")
    copying.generate("a", KeyKind.P_256, wrappable=True)
    backup.restore(copying, "b", "wb", backup.export(copying, "a", "wa"))
    copying.generate("stranger", KeyKind.P_256)
    copying.close()
    other = vendors.own_copy(first.place.module_path, tmp_path)
    monkeypatch.setenv("REAL_MODULE", str(other))
    monkeypatch.setenv("SHIM_CONTROL", str(shim.file))
    uris = [
        first.uri("issuing", module_path=shim.path, imported=True),
        second.uri("issuing", imported=True),
    ]
    keyring = Keyring({"issuing": uris}, time_limit_seconds=LIMIT)
    yield Pair(keyring, uris, shim, tmp_path / "softhsm")
    shim.release()
    keyring.close()


def test_first_is_preferred(pair):
    """While both tokens work, only the first one signs."""
    key = pair.keyring.key("issuing")
    before = pair.shim.calls(pair.shim.SIGN)
    for _ in range(10):
        sign(key)
    assert pair.shim.calls(pair.shim.SIGN) == before + 10


def test_failover_and_return(pair):
    """The second token takes over within the same call, and the first one is used again later."""
    key = pair.keyring.key("issuing")
    sign(key)
    pair.shim.set("removed", 1)
    for _ in range(20):
        sign(key)
    pair.shim.set("removed", 0)
    before, end = pair.shim.calls(pair.shim.SIGN), time.monotonic() + 10
    while pair.shim.calls(pair.shim.SIGN) == before:
        sign(key)
        assert time.monotonic() < end, "the first token was not taken up again"


def test_hang_leaves_time_for_the_second(pair):
    """A first token that hangs costs its share of the time limit, and the second one signs."""
    key = pair.keyring.key("issuing")
    sign(key)
    pair.shim.hang(pair.shim.SIGN)
    start = time.monotonic()
    sign(key)
    assert LIMIT * 0.4 < time.monotonic() - start < LIMIT
    start = time.monotonic()
    sign(key)
    assert time.monotonic() - start < LIMIT * 0.4


def test_failover_under_load(pair):
    """Pulling the first token again and again costs no signature at all."""
    key = pair.keyring.key("issuing")
    with Load(key) as load:
        for removed in (1, 0, 1, 0):
            load.wait_for(100)
            pair.shim.set("removed", removed)
    assert load.failed == 0
    assert not load.wrong


def test_both_away(pair):
    """With both tokens away the error names both, and comes within the time limit."""
    key = pair.keyring.key("issuing")
    sign(key)
    pair.shim.set("removed", 1)
    tokens = pair.folder / "tokens"
    tokens.rename(pair.folder / "away")
    start = time.monotonic()
    with pytest.raises(SigningUnavailable, match=r"first.*second"):
        sign(key)
    assert time.monotonic() - start < LIMIT + 0.5
    (pair.folder / "away").rename(tokens)
    pair.shim.set("removed", 0)
    assert signs_again(key) < 10


def test_two_different_keys(pair):
    """Two tokens that hold two keys under one name are refused when the key is loaded."""
    where = dataclasses.replace(uri.parse(pair.uris[1]), label="stranger")
    keyring = Keyring({"issuing": [pair.uris[0], str(where)]})
    with pytest.raises(Refused) as refusal:
        keyring.key("issuing")
    assert refusal.value.code == "key_unlike"
    keyring.close()


def test_one_away_at_the_start(pair):
    """A process that starts while the first token is away signs with the second, then returns."""
    pair.shim.set("removed", 1)
    key = pair.keyring.key("issuing")
    sign(key)
    pair.shim.set("removed", 0)
    before, end = pair.shim.calls(pair.shim.SIGN), time.monotonic() + 10
    while pair.shim.calls(pair.shim.SIGN) == before:
        sign(key)
        assert time.monotonic() < end


def test_expected_key_with_all_away(pair):
    """With the certificate's public half a key is there before its token; it is checked then."""
    public = pair.keyring.key("issuing").public_key()
    pair.shim.set("removed", 1)
    alone = Keyring({"issuing": pair.uris[:1]}, time_limit_seconds=LIMIT)
    key = alone.key("issuing", expected=public)
    stranger = Keyring({"issuing": pair.uris[:1]}, time_limit_seconds=LIMIT)
    wrong = stranger.key("issuing", ec.generate_private_key(ec.SECP256R1()).public_key())
    pair.shim.set("removed", 0)
    assert signs_again(key) < 10
    for _ in range(20):
        with pytest.raises(SigningUnavailable):
            sign(wrong)
        time.sleep(0.05)
    alone.close()
    stranger.close()
