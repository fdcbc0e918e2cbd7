"""What antin.toml says of tokens holds: the time limit of a signature, the number of sessions."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.instance import Instance
from core.errors import SigningUnavailable
from hsm.mechanisms import KeyKind
from tests.hsm import vendors
from tests.hsm.load import Load, sign

CONFIGURATION = """
[database]
url = "sqlite:///antin.db"
[keys]
issuing = ["{issuing}"]
ocsp = ["{issuing}"]
vault = ["{issuing}"]
[hsm]
{limits}
[urls]
responder = "http://pki.example.vn"
"""


@pytest.fixture
def opened(tmp_path, shim, monkeypatch):
    """Opens an instance with these limits, its issuing key behind the shim."""
    token = vendors.softhsm_token(tmp_path)
    for name, value in token.behind(shim).environment.items():
        monkeypatch.setenv(name, value)
    keyrings = []

    def open_with(limits):
        uri = token.behind(shim).uri("issuing")
        text = CONFIGURATION.format(issuing=uri, limits=limits)
        (tmp_path / "antin.toml").write_text(text)
        keyrings.append(Instance(tmp_path).keyring)
        return keyrings[-1]

    yield open_with
    shim.release()
    for keyring in keyrings:
        keyring.close()


@pytest.fixture
def made(opened):
    """The same, with the key on the token and nothing open."""
    keyring = opened("seconds = 20")
    keyring.generate("issuing", KeyKind.P_256)
    keyring.close()
    return opened


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_time_limit(made, shim, seconds):
    """A module that hangs is left after the configured seconds, neither before nor much later."""
    key = made(f"seconds = {seconds}").key("issuing")
    sign(key)
    shim.hang(shim.SIGN)
    start = time.monotonic()
    with pytest.raises(SigningUnavailable, match="time limit"):
        sign(key)
    assert seconds * 0.9 < time.monotonic() - start < seconds + 0.9


@pytest.mark.parametrize("sessions", [1, 2])
def test_sessions(made, shim, sessions):
    """A process opens no more sessions than configured, however many threads sign."""
    key = made(f"sessions = {sessions}").key("issuing")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: sign(key, number.to_bytes(2)), range(200)))
    assert 0 < shim.get("sessions") <= sessions


def test_fair(made):
    """Threads that sign without a pause share one session evenly: none comes to its deadline."""
    keyring = made("seconds = 5.0\nsessions = 1")
    key = keyring.key("issuing")
    loads = [Load(key, threads=1) for _ in range(4)]
    with contextlib.ExitStack() as working:
        for load in loads:
            working.enter_context(load)
        for load in loads:
            load.wait_for(100)
    assert not any(load.failed or load.wrong for load in loads)
    assert max(load.longest for load in loads) < 2
