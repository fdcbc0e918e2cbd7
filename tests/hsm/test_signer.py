"""A process that signs apart: its keys are as good as any, and its end is nobody else's."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from core.errors import NotFound, Refused, SigningUnavailable
from hsm.signer import Signer
from tests.hsm.conftest import KINDS, TIME_LIMIT_SECONDS, kinds_of
from tests.hsm.load import sign
from tests.hsm.test_signing import HASHES, PKCS1, SHA256

LIMIT = 0.5


@pytest.fixture
def signer(vendor):
    """A process that signs with the vendor's keys, ended after the test."""
    signer = _signer(vendor)
    yield signer
    signer.close()


def _signer(vendor, limit=TIME_LIMIT_SECONDS):
    return Signer({role: [vendor.uri(role)] for role in KINDS}, time_limit_seconds=limit)


def _pid(signer):
    """The number of the process that signs: the only child that is ours by name."""
    (child,) = [each for each in _children() if each.name == "signer"]
    assert child.pid is not None
    return child.pid


def _children():
    return multiprocessing.active_children()


def test_every_scheme(signer, keyring):
    """What is signed over there verifies: each kind, hash and padding, messages and digests."""
    for role in kinds_of(keyring):
        key = signer.key(role, keyring.key(role).public_key())
        for hash_ in HASHES:
            if role == "rsa":
                signature = key.sign(b"x", PKCS1, hash_)
                key.public_key().verify(signature, b"x", PKCS1, hash_)
            else:
                signature = key.sign(b"x", ec.ECDSA(hash_))
                key.public_key().verify(signature, b"x", ec.ECDSA(hash_))


def test_pss_and_digests(signer):
    """RSA-PSS with its salt and digests that were made here reach the other process as they are."""
    key, pss = signer.key("rsa"), padding.PSS(padding.MGF1(SHA256), 32)
    signature = key.sign(b"x", pss, SHA256)
    key.public_key().verify(signature, b"x", pss, SHA256)
    digest = bytes(range(32))
    signature = key.sign(digest, PKCS1, Prehashed(SHA256))
    key.public_key().verify(signature, digest, PKCS1, Prehashed(SHA256))


def test_many_together(signer, keyring):
    """Many messages come back signed in their order, more than one question takes."""
    messages = [f"message {number}".encode() * 50 for number in range(400)]
    for role in kinds_of(keyring):
        key = signer.key(role)
        how = (PKCS1, SHA256) if role == "rsa" else (ec.ECDSA(SHA256),)
        made = list(key.sign_all(messages, *how))
        assert len(made) == len(messages)
        for message, signature in zip(messages, made, strict=True):
            key.public_key().verify(signature, message, *how)


def test_errors_come_back_whole(signer):
    """What the other process refuses is raised here, with its code; it goes on signing."""
    with pytest.raises(NotFound, match="no key for the role 'none'"):
        signer.key("none")
    with pytest.raises(Refused) as refused:
        signer.key("rsa", ec.generate_private_key(ec.SECP256R1()).public_key())
    assert refused.value.code == "key_unlike"
    sign(signer.key("rsa"))


def test_killed(signer):
    """A process that was killed is replaced; only what it was asked in that moment fails."""
    key = signer.key("rsa")
    before = _pid(signer)
    os.kill(before, signal.SIGKILL)
    until = time.monotonic() + 10
    while True:
        try:
            sign(key)
            break
        except SigningUnavailable:
            assert time.monotonic() < until
    assert _pid(signer) != before


def test_standing_still(vendor):
    """A process that stands still is ended at the time limit, also when it takes no question."""
    signer = _signer(vendor, LIMIT)
    try:
        key = signer.key("rsa")
        for size in (100, 10_000_000):
            os.kill(_pid(signer), signal.SIGSTOP)
            begin = time.monotonic()
            with pytest.raises(SigningUnavailable, match="gave no answer"):
                key.sign(bytes(size), PKCS1, SHA256)
            assert time.monotonic() - begin < LIMIT + 10
            sign(key)
    finally:
        signer.close()


def test_threads(signer):
    """Threads that ask at once each get their own answers."""
    key = signer.key("rsa")
    errors = []

    def work(number):
        try:
            for turn in range(20):
                message = f"{number} {turn}".encode()
                key.public_key().verify(key.sign(message, PKCS1, SHA256), message, PKCS1, SHA256)
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_fork(signer):
    """A child of the asking process has a process of its own, and leaves this one alone."""
    key = signer.key("rsa")
    child = os.fork()
    if child == 0:
        try:
            for _ in range(20):
                sign(key)
            signer.close()
        except BaseException:  # noqa: BLE001 - told by the exit code
            os._exit(1)
        os._exit(0)
    for _ in range(20):
        sign(key)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    sign(key)


_PARENT = """
import multiprocessing, os, signal, sys
from hsm.signer import Signer
if __name__ == "__main__":
    signer = Signer({"rsa": [sys.argv[1]]})
    signer.key("rsa")
    print(multiprocessing.active_children()[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_ends_with_the_one_that_asks(vendor, tmp_path):
    """Nobody is left who could sign when the asking process dies, however it dies."""
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    command = [sys.executable, script, vendor.uri("rsa")]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}  # noqa: PTH109 - the tree under test
    run = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=False, timeout=60)
    assert run.returncode == -signal.SIGKILL
    pid = int(run.stdout)
    until = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and not _is_zombie(pid):  # noqa: PTH110 - not a file
        assert time.monotonic() < until
        time.sleep(0.02)


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - not a file
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_closed(vendor):
    """A signer that was closed starts anew when it is asked again, and closing twice is closing."""
    signer = _signer(vendor)
    key = signer.key("rsa")
    signer.close()
    signer.close()
    sign(key)
    signer.close()
    assert [each for each in _children() if each.name == "signer"] == []
