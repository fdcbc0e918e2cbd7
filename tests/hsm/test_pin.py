"""PINs come from where the configuration points to, are tried once, and turn up nowhere."""

import ctypes
import io
import os
import pty
import resource
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import Invalid, SigningUnavailable
from hsm import pin
from hsm.codes import Rv
from hsm.keyring import Keyring
from tests.hsm import vendors
from tests.hsm.load import sign

TOP = Path(__file__).parents[2]


def test_file(tmp_path):
    """A PIN file's line end does not belong to the PIN."""
    path = tmp_path / "pin"
    path.write_text("1234\n")
    path.chmod(0o600)
    with pin.read(f"file:{path}") as found:
        assert bytes(found.buffer) == b"1234"
    assert bytes(found.buffer) == bytes(4)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_open_file(tmp_path, mode):
    """A PIN file that others may read is refused."""
    path = tmp_path / "pin"
    path.write_text("1234")
    path.chmod(mode)
    with pytest.raises(Invalid, match="chmod 0600"):
        pin.read(f"file:{path}")


def test_environment(monkeypatch):
    """A PIN may come from an environment variable, which must be set."""
    monkeypatch.setenv("TOKEN_PIN", "1234")
    assert bytes(pin.read("env:TOKEN_PIN").buffer) == b"1234"
    with pytest.raises(Invalid, match="OTHER_PIN"):
        pin.read("env:OTHER_PIN")


def test_credential(tmp_path, monkeypatch):
    """A PIN may be a systemd credential, and no path leads out of their folder."""
    (tmp_path / "token").write_text("1234\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert bytes(pin.read("credential:token").buffer) == b"1234"
    with pytest.raises(Invalid, match="no plain name"):
        pin.read("credential:../token")
    with pytest.raises(Invalid, match="cannot be read"):
        pin.read("credential:other")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(Invalid, match="LoadCredential=token"):
        pin.read("credential:token")


def test_terminal():
    """A PIN is asked for at the terminal, and not shown there."""
    script = "from hsm import pin; print(len(pin.read('prompt:').buffer))"
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(TOP)
        os.execv(sys.executable, [sys.executable, "-c", script])
    shown = _read_until(terminal, b"token: ")
    os.write(terminal, b"secret-7\n")
    shown += _read_until(terminal, b"8\r\n")
    os.waitpid(child, 0)
    os.close(terminal)
    assert b"secret-7" not in shown


def _read_until(terminal, end):
    shown = b""
    while not shown.endswith(end):
        shown += os.read(terminal, 1000)
    return shown


def test_no_terminal(monkeypatch):
    """A process without a terminal does not wait for somebody to type."""
    monkeypatch.setattr("sys.stdin", io.StringIO("1234"))
    with pytest.raises(Invalid, match="no terminal"):
        pin.read("prompt:")


@pytest.mark.parametrize("content", ["", "\n", "x" * 257])
def test_length(tmp_path, content):
    """An empty PIN and one that is no PIN are refused, without being shown."""
    path = tmp_path / "pin"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(Invalid, match="must have 1 to 256") as refusal:
        pin.read(f"file:{path}")
    assert "xxx" not in str(refusal.value)


def test_repr(tmp_path):
    """A PIN that is printed by mistake shows nothing."""
    held = pin.Pin(b"secret-7")
    assert "secret" not in f"{held!r} {held} {held.buffer!r}"


def test_wrong_pin_is_tried_once(shimmed, shim, tmp_path):
    """A PIN that the token refused is not offered again until its source gives another one."""
    path = tmp_path / "pin-in-test"
    path.write_text("wrong")
    path.chmod(0o600)
    right = vendors.pin_of(shimmed)
    keyring = Keyring({"rsa": [shimmed.uri("rsa", pin_source=f"file:{path}")]})
    for _ in range(20):
        with pytest.raises(SigningUnavailable, match="refused the PIN"):
            keyring.key("rsa")
    assert shim.calls(shim.LOGIN) == 1
    path.write_text(right)
    end = 200
    while True:
        try:
            sign(keyring.key("rsa"))
            break
        except SigningUnavailable:
            end -= 1
            assert end
            time.sleep(0.05)
    assert shim.calls(shim.LOGIN) == 2
    keyring.close()


def test_login_refused_for_another_reason(shimmed, shim):
    """A login that fails because the token is not well is tried again."""
    keyring = Keyring({"rsa": [shimmed.uri("rsa")]})
    shim.fail(shim.LOGIN, Rv.DEVICE_ERROR, times=1)
    sign(keyring.key("rsa"))
    keyring.close()


@pytest.mark.parametrize("way", ["errors", "bug", "abort"])
def test_no_leak(tmp_path, monkeypatch, way):
    """Whatever a failing process writes, logs, traces or dumps: the PIN is not in it."""
    monkeypatch.setenv("SOFTHSM2_CONF", "/dev/null")
    token = vendors.softhsm_token(tmp_path)
    right = vendors.pin_of(token)
    wrong = secrets.token_hex(12)
    other = tmp_path / "wrong-pin"
    other.write_text(wrong)
    other.chmod(0o600)
    work = tmp_path / "work"
    work.mkdir()
    uris = token.uri("k"), token.uri("k", pin_source=f"file:{other}")
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "tests.hsm.leaking", work, *uris, way],
        cwd=work,
        env=os.environ | token.environment | {"PYTHONPATH": str(TOP)},
        capture_output=True,
        preexec_fn=_allow_core_dumps,
        check=False,
    )
    written = run.stdout + run.stderr
    for path in work.rglob("*"):
        written += path.name.encode() + (path.read_bytes() if path.is_file() else b"")
    assert b"refused the PIN" in written or way == "abort"
    for secret in (right, wrong):
        assert secret.encode() not in written
        assert secret[:16].encode() not in written
    assert not list(work.glob("*core*"))
    assert run.returncode == (0 if way == "errors" else 1 if way == "bug" else -6)


def _allow_core_dumps():
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def test_no_core_dump(tmp_path):
    """A process that has read a PIN is not dumped, and nobody but root traces it."""
    path = tmp_path / "pin"
    path.write_text("1234")
    path.chmod(0o600)
    pin.read(f"file:{path}")
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    get_dumpable = 3
    assert ctypes.CDLL(None).prctl(get_dumpable, 0, 0, 0, 0) == 0
