"""A process that signs apart: its keys are as good as any, and its end is nobody else's."""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from core.errors import Invalid, NotFound, Refused, SigningUnavailable
from hsm.process import SigningProcess
from tests.hsm.conftest import KINDS, TIME_LIMIT_SECONDS, kinds_of
from tests.hsm.load import sign, sign_many, signs_again
from tests.hsm.test_signing import HASHES, PKCS1, SHA256

LIMIT = 0.5


@pytest.fixture
def process(vendor):
    """A process that signs with the vendor's keys, ended after the test."""
    process = _made(vendor)
    yield process
    process.close()


def _made(vendor, limit=TIME_LIMIT_SECONDS):
    return SigningProcess({role: [vendor.uri(role)] for role in KINDS}, time_limit_seconds=limit)


def _pid(process):
    """The number of the process that signs: the only child that is ours by name."""
    (child,) = [each for each in multiprocessing.active_children() if each.name == "signs"]
    assert child.pid is not None
    return child.pid


def test_every_scheme(process, keyring):
    """What is signed over there verifies: each kind, hash and padding, messages and digests."""
    for role in kinds_of(keyring):
        key = process.key(role, keyring.key(role).public_key())
        for hash_ in HASHES:
            if role == "rsa":
                signature = key.sign(b"x", PKCS1, hash_)
                key.public_key().verify(signature, b"x", PKCS1, hash_)
            else:
                signature = key.sign(b"x", ec.ECDSA(hash_))
                key.public_key().verify(signature, b"x", ec.ECDSA(hash_))


def test_pss_and_digests(process):
    """RSA-PSS with its salt and digests that were made here reach the other process as they are."""
    key, pss = process.key("rsa"), padding.PSS(padding.MGF1(SHA256), 32)
    signature = key.sign(b"x", pss, SHA256)
    key.public_key().verify(signature, b"x", pss, SHA256)
    digest = bytes(range(32))
    signature = key.sign(digest, PKCS1, Prehashed(SHA256))
    key.public_key().verify(signature, digest, PKCS1, Prehashed(SHA256))


def test_many_together(process, keyring):
    """Many messages come back signed in their order, more than one question takes."""
    messages = [f"message {number}".encode() * 50 for number in range(400)]
    for role in kinds_of(keyring):
        sign_many(process.key(role), messages)


def test_errors_come_back_whole(process):
    """What the other process refuses is raised here, with its code; it goes on signing."""
    with pytest.raises(NotFound, match="no key for the role 'none'"):
        process.key("none")
    with pytest.raises(Refused) as refused:
        process.key("rsa", ec.generate_private_key(ec.SECP256R1()).public_key())
    assert refused.value.code == "key_unlike"
    sign(process.key("rsa"))


def test_killed(process):
    """A process that was killed is replaced; only what it was asked in that moment fails."""
    key = process.key("rsa")
    before = _pid(process)
    os.kill(before, signal.SIGKILL)
    signs_again(key)
    assert _pid(process) != before


def test_standing_still(vendor):
    """A process that stands still is ended at the time limit, also when it takes no question."""
    process = _made(vendor, LIMIT)
    try:
        key = process.key("rsa")
        for size in (100, 10_000_000):
            os.kill(_pid(process), signal.SIGSTOP)
            begin = time.monotonic()
            with pytest.raises(SigningUnavailable, match="gave no answer"):
                key.sign(bytes(size), PKCS1, SHA256)
            assert time.monotonic() - begin < LIMIT + 10
            with pytest.raises(SigningUnavailable, match="a moment ago"):
                sign(key)
            signs_again(key)
    finally:
        process.close()


def test_interrupted(process):
    """After an interrupt amid a question, the next one gets its own answer and not the last one."""

    class Interrupted(BaseException):
        """What a signal's handler raises."""

    def interrupt(*_):
        raise Interrupted

    key = process.key("rsa")
    os.kill(_pid(process), signal.SIGSTOP)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupted):
            key.sign(b"first", PKCS1, SHA256)
    finally:
        signal.signal(signal.SIGALRM, before)
    key.public_key().verify(key.sign(b"second", PKCS1, SHA256), b"second", PKCS1, SHA256)


def test_another_key_under_the_name(process, keyring, vendor):
    """A process that was replaced signs with the key that the caller has, or not at all."""
    key = process.key("rsa")
    os.kill(_pid(process), signal.SIGKILL)
    process._roles["rsa"] = [vendor.uri("p256")]
    with pytest.raises(Refused, match="not the expected one"):
        signs_again(key)


def test_no_room_to_start(process):
    """Where no process can be started, signing is unavailable; later it is started."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(SigningUnavailable, match="Too many open files"):
            process.key("rsa")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    until = time.monotonic() + 10
    while True:
        try:
            sign(process.key("rsa"))
            break
        except SigningUnavailable:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_nonsense_is_refused_at_once():
    """What a keyring takes for invalid is invalid here, before any process is started."""
    with pytest.raises(Invalid):
        SigningProcess({"rsa": ["no uri"]})
    with pytest.raises(Invalid):
        SigningProcess({"rsa": []})


def test_threads(process):
    """Threads that ask at once each get their own answers."""
    key = process.key("rsa")
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


_PARENT = """
import multiprocessing, os, signal, sys
from hsm.process import SigningProcess
if __name__ == "__main__":
    process = SigningProcess({"rsa": [sys.argv[1]]})
    process.key("rsa")
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
    """One that was closed starts anew when it is asked again; closing twice is closing."""
    process = _made(vendor)
    key = process.key("rsa")
    process.close()
    process.close()
    sign(key)
    process.close()
    assert [each for each in multiprocessing.active_children() if each.name == "signs"] == []
