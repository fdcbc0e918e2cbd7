"""What goes wrong with tokens in the field, made to happen: nothing hangs, nothing needs a restart.

Every test runs over each vendor's module, seen through a shim that fails on demand.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import SigningUnavailable
from hsm import generation, mechanisms
from hsm.codes import Rv
from hsm.mechanisms import Message
from hsm.objects import KeyName
from tests.hsm.conftest import KINDS, kinds_of, open_keyring
from tests.hsm.load import Load, sign, signs_again
from tests.hsm.test_signing import PKCS1, SHA256

LIMIT = 1.5
# What a loaded machine may add to a wait.
GRACE = 1.0


@pytest.fixture
def keyring(shimmed):
    """A keyring that sees its token through the shim, with a short time limit."""
    keyring = open_keyring(shimmed, time_limit_seconds=LIMIT)
    yield keyring
    keyring.close()


@pytest.fixture
def key(keyring):
    """The token's RSA key, used once."""
    key = keyring.key("rsa")
    sign(key)
    return key


@pytest.mark.parametrize(
    "rv",
    [
        Rv.SESSION_HANDLE_INVALID,
        Rv.SESSION_CLOSED,
        Rv.DEVICE_REMOVED,
        Rv.DEVICE_ERROR,
        Rv.TOKEN_NOT_PRESENT,
        Rv.USER_NOT_LOGGED_IN,
        Rv.GENERAL_ERROR,
        Rv.KEY_HANDLE_INVALID,
        0x80000001,
    ],
)
@pytest.mark.parametrize("function", ["SIGN_INIT", "SIGN"])
def test_session_lost(key, shim, function, rv):
    """A session that fails once is replaced within the same call: the caller does not notice."""
    shim.fail(getattr(shim, function), int(rv) - (1 << 32 if rv > 0x7FFFFFFF else 0), times=1)
    sign(key)


def test_session_lost_amid_many(key, shim):
    """Many messages are signed in full although a session fails among them."""
    messages = [str(number).encode() for number in range(50)]
    made = []
    for number, signature in enumerate(key.sign_all(messages, PKCS1, SHA256)):
        if number == 0:
            shim.fail(shim.SIGN, Rv.SESSION_HANDLE_INVALID, times=1)
        made.append(signature)
    for message, signature in zip(messages, made, strict=True):
        key.public_key().verify(signature, message, PKCS1, SHA256)
    shim.mend()
    shim.fail(shim.SIGN, Rv.DEVICE_ERROR, times=1)
    assert len(list(key.sign_all(messages, PKCS1, SHA256))) == len(messages)


def test_many_do_not_begin_anew(key, shim):
    """A failure among many costs a try of the one that failed, not of those before it."""
    messages = [str(number).encode() for number in range(300)]
    begin = shim.calls(shim.SIGN)
    for number, _ in enumerate(key.sign_all(messages[:150], PKCS1, SHA256)):
        if number == 0:
            shim.fail(shim.SIGN, Rv.DEVICE_ERROR, times=1)
    assert len(list(key.sign_all(messages[150:], PKCS1, SHA256))) == 150
    assert shim.calls(shim.SIGN) - begin <= len(messages) + 2


def test_one_that_cannot_be_signed_amid_many(key):
    """What stands before a message that the token refuses is signed, and that one named alone."""
    scheme = mechanisms.rsa_scheme(PKCS1, SHA256, 2048)
    some = [Message(bytes(32), hashed=True) for _ in range(10)]
    some[6] = Message(bytes(500), hashed=True)
    assert len(key.holder.sign_some(scheme, some)) == 6
    with pytest.raises(SigningUnavailable, match="C_Sign returned"):
        key.holder.sign_some(scheme, some[6:])
    assert len(key.holder.sign_some(scheme, some[7:])) == 3


def test_hang_amid_many(key, shim):
    """A token that hangs is left at the time limit by who signs many, too."""
    shim.hang(shim.SIGN)
    start = time.monotonic()
    with pytest.raises(SigningUnavailable, match="time limit"):
        list(key.sign_all([b"x"] * 50, PKCS1, SHA256))
    assert time.monotonic() - start < LIMIT + GRACE
    shim.release()
    signs_again(key)


def test_lasting_error(key, shim):
    """An error that lasts names the token, the key, the scheme and what the module returned."""
    shim.fail(shim.SIGN, Rv.KEY_FUNCTION_NOT_PERMITTED)
    with pytest.raises(SigningUnavailable) as error:
        sign(key)
    for part in ("rsa", "RSA PKCS#1 v1.5 with SHA256", "C_Sign", "CKR_KEY_FUNCTION_NOT_PERMITTED"):
        assert part in str(error.value)
    shim.mend()
    sign(key)


def test_one_key_does_not_blame_the_token(keyring, key, shim):
    """A key that always fails leaves the other keys of its token alone."""
    shim.fail(shim.SIGN, Rv.GENERAL_ERROR)
    with pytest.raises(SigningUnavailable):
        sign(key)
    shim.mend()
    sign(key)


def test_hang(key, shim):
    """A call that never returns is left at its time limit; later callers do not wait at all."""
    shim.hang(shim.SIGN)
    start = time.monotonic()
    with pytest.raises(SigningUnavailable, match="time limit"):
        sign(key)
    assert LIMIT * 0.9 < time.monotonic() - start < LIMIT + GRACE
    start = time.monotonic()
    with pytest.raises(SigningUnavailable, match="left alone"):
        sign(key)
    assert time.monotonic() - start < GRACE / 2
    shim.release()
    assert signs_again(key) < 10


@pytest.mark.parametrize("function", ["OPEN_SESSION", "LOGIN", "INITIALIZE", "GET_SLOT_LIST"])
def test_hang_on_the_way(keyring, shim, function):
    """Opening, logging in and initialising are under the same time limit as signing."""
    shim.hang(getattr(shim, function))
    start = time.monotonic()
    with pytest.raises(SigningUnavailable):
        keyring.key("rsa")
    assert time.monotonic() - start < LIMIT + GRACE
    shim.release()
    end = time.monotonic() + 10
    while True:
        try:
            sign(keyring.key("rsa"))
            break
        except SigningUnavailable:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_hang_under_load(key, shim):
    """Many threads on a module that hangs are all back in time, and all sign again after it."""
    with Load(key, threads=12) as load:
        load.wait_for(50)
        shim.hang(shim.SIGN_INIT)
        time.sleep(2 * LIMIT)
        assert load.failed
        shim.release()
        load.wait_for(50)
    assert not load.wrong
    assert load.longest < LIMIT + GRACE


def test_stuck_calls_come_back(keyring, key, shim):
    """Workers that were left in the module are counted, and dismissed when they come back."""
    pool = keyring.places("rsa")[0].pool
    shim.hang(shim.SIGN)
    for _ in range(3):
        end = time.monotonic() + 5
        while time.monotonic() < end:
            with pytest.raises(SigningUnavailable) as error:
                sign(key)
            if "left alone" not in str(error.value):
                break
            time.sleep(0.05)
    assert pool.stuck == shim.get("hanging") == 3
    shim.release()
    signs_again(key)
    end = time.monotonic() + 5
    while pool.stuck and time.monotonic() < end:
        time.sleep(0.01)
    assert pool.stuck == 0


def test_removal_under_load(key, shim):
    """A token that is pulled and put back under load: no wrong signature, no restart."""
    with Load(key) as load:
        for _ in range(3):
            load.wait_for(50)
            shim.set("removed", 1)
            time.sleep(0.4)
            failed = load.failed
            assert failed
            shim.set("removed", 0)
            load.wait_for(50)
    assert not load.wrong
    assert load.longest < LIMIT + GRACE


def test_away_at_the_start(keyring, shim):
    """A process that starts while its token is away takes the key up when it is back."""
    public = keyring.key("rsa").public_key()
    keyring.close()
    shim.set("removed", 1)
    later = open_keyring_like(keyring)
    with pytest.raises(SigningUnavailable):
        later.key("rsa")
    key = later.key("rsa", expected=public)
    with pytest.raises(SigningUnavailable):
        sign(key)
    shim.set("removed", 0)
    assert signs_again(key) < 10
    later.close()


def open_keyring_like(keyring):
    """Return another keyring on the same token."""
    again = object.__new__(type(keyring))
    again.__dict__ |= keyring.__dict__ | {"_keys": {}}
    return again


def test_session_limit(keyring, key, shim):
    """A token with few sessions is shared: threads wait for one another, nobody fails."""
    keyring.close()
    shim.set("most_sessions", 2)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: sign(key, n.to_bytes(2)), range(60)))
    assert shim.get("sessions") <= 2


def test_module_without_locks(keyring, shim):
    """A module that has no locks of its own is used by one thread at a time."""
    shim.set("no_locks", 1)
    key = keyring.key("rsa")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: sign(key, n.to_bytes(2)), range(60)))
    assert shim.get("overlaps") == 0


def test_threads_are_inside_together(key, shim):
    """A module with locks is used by several threads at once."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: sign(key, n.to_bytes(2)), range(80)))
    assert shim.get("overlaps") > 0


def test_wrong_signature(keyring, key, monkeypatch):
    """A token that came back with another key under the same name signs nothing."""
    place = keyring.places("rsa")[0]
    name = KeyName(f"{place.name.label}-other", None)
    kind = KINDS[kinds_of(keyring)[-1]]
    place.pool.run(
        lambda session: generation.generate(session, name, kind, wrappable=False),
        time.monotonic() + 60,
        lambda: "generate another key",
    )
    keyring.close()
    monkeypatch.setattr(place, "name", name)
    with pytest.raises(SigningUnavailable, match="not the expected one"):
        sign(key)
