"""SoftHSM as the embedded token: made in a folder, pointed at, pulled and put back."""

import os
import signal
import stat
import time

import pytest

from core.errors import Conflict, Invalid, NotFound, SigningUnavailable
from hsm import softhsm, speed, turns
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind
from tests.hsm import vendors
from tests.hsm.load import Load, sign, signs_again


@pytest.fixture
def token(tmp_path, monkeypatch):
    """A SoftHSM token of its own module, with a P-256 key."""
    monkeypatch.setenv("SOFTHSM2_CONF", "/dev/null")
    return vendors.softhsm_token(tmp_path)


@pytest.fixture
def keyring(token):
    """A keyring with one key."""
    keyring = Keyring({"ocsp": [token.uri("ocsp")]}, time_limit_seconds=2.0)
    keyring.generate("ocsp", KeyKind.P_256)
    yield keyring
    keyring.close()


def test_folder(tmp_path, token):
    """The PINs lie in files that only the owner reads, and differ from one another."""
    folder = tmp_path / "softhsm"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    pins = {name: (folder / name).read_text() for name in ("pin", "so-pin")}
    assert pins["pin"] != pins["so-pin"]
    assert all(len(pin) >= 24 for pin in pins.values())
    assert all(stat.S_IMODE((folder / name).stat().st_mode) == 0o600 for name in pins)


def test_second_token(tmp_path, token):
    """A folder holds several tokens, each with its PIN, and no label twice."""
    module = token.place.module_path
    second = softhsm.create_token(tmp_path / "softhsm", "second", module=module)
    assert second.pin_file.name == "pin.second"
    with pytest.raises(Conflict, match="already"):
        softhsm.create_token(tmp_path / "softhsm", "second", module=module)
    keyring = Keyring({"a": [token.uri("a")], "b": [second.uri("b")]})
    for role in ("a", "b"):
        keyring.generate(role, KeyKind.P_256)
        sign(keyring.key(role))
    keyring.close()


@pytest.mark.parametrize("label", ["", "x" * 33, "a/b"])
def test_label(tmp_path, label):
    """A label that a token cannot have is refused before anything is made."""
    with pytest.raises(Invalid, match="label"):
        softhsm.create_token(tmp_path / "softhsm", label)
    assert not (tmp_path / "softhsm").exists()


def test_activate(tmp_path, token, keyring):
    """A process is not pointed at another folder while keys of the first are in use."""
    module = token.place.module_path
    other = tmp_path / "other"
    sign(keyring.key("ocsp"))
    with pytest.raises(Conflict, match="Close the keyrings first"):
        softhsm.create_token(other, "other", module=module)
    keyring.close()
    softhsm.create_token(other, "other", module=module)
    softhsm.activate(other, module=module)
    assert os.environ["SOFTHSM2_CONF"] == str(other / "softhsm2.conf")
    with pytest.raises(SigningUnavailable):
        sign(keyring.key("ocsp"))
    with pytest.raises(NotFound):
        softhsm.activate(tmp_path / "nothing")


def test_removal_under_load(tmp_path, keyring):
    """The token's folder is moved away and back under load: no wrong signature, no restart."""
    tokens, away = tmp_path / "softhsm" / "tokens", tmp_path / "away"
    key = keyring.key("ocsp")
    with Load(key) as load:
        for _ in range(3):
            load.wait_for(100)
            tokens.rename(away)
            time.sleep(0.5)
            assert load.failed
            away.rename(tokens)
            load.wait_for(100)
    assert not load.wrong
    assert signs_again(key) < 1


def test_simultaneous_logins(keyring):
    """Processes that start in one moment all find the token and its PIN, time and again."""
    keyring.close()
    for _ in range(5):
        rate = speed.by_processes(
            lambda: speed.signing(keyring.key("ocsp")), processes=8, seconds=0.05
        )
        assert rate > 0


def test_turn_ends_with_its_process(token):
    """Whoever dies in their turn keeps nobody waiting, and a child holds no turn of its parent."""
    turn = turns.turn(time.monotonic() + 5)
    turn.__enter__()
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    with pytest.raises(SigningUnavailable, match="its turn did not come"):
        turns.turn(time.monotonic() + 0.05).__enter__()
    turn.__exit__(None, None, None)
    with turns.turn(time.monotonic() + 5):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_started_without_its_token(tmp_path, token, keyring):
    """A module that was initialised while the token was away finds it when it comes."""
    public = keyring.key("ocsp").public_key()
    keyring.close()
    tokens, away = tmp_path / "softhsm" / "tokens", tmp_path / "away"
    tokens.rename(away)
    tokens.mkdir()
    module = vendors.own_copy(token.place.module_path, tmp_path)
    late = Keyring({"ocsp": [token.uri("ocsp", module_path=module)]})
    key = late.key("ocsp", expected=public)
    with pytest.raises(SigningUnavailable, match="no slot"):
        sign(key)
    tokens.rmdir()
    away.rename(tokens)
    assert signs_again(key) < 10
    late.close()
