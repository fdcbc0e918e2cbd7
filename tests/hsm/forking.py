"""Runs in a process of its own: forks, and signs in the child and in the parent.

Arguments: when to fork (`before` the key's first use, `after` it, or `amid` the signatures of four
threads, several times), URI of an RSA key. Exit code 0 when every signature of all processes is
right and none waits too long. Never do two processes log in at once: SoftHSM does not bear it
(docs/hsm.md, Known limits).
"""

import os
import signal
import sys
import threading
import traceback

from hsm.keyring import Keyring
from tests.hsm.load import sign

_SIGNATURES = 50
_FORKS = 5
_THREADS = 4
_BETWEEN = 40
_PATIENCE_SECONDS = 30


def main(when: str, uri: str) -> int:
    """Fork when asked to, sign everywhere, and return how many processes failed."""
    keyring = Keyring({"rsa": [uri]}, time_limit_seconds=20.0)
    if when == "amid":
        return _amid(keyring)
    if when == "after":
        sign(keyring.key("rsa"))
    child = os.fork()
    if child == 0:
        os._exit(0 if _works(keyring) else 1)
    # With a session of its own the parent goes on at once, else it logs in after the child.
    failed = int(when == "after" and not _works(keyring))
    failed += os.waitpid(child, 0)[1] != 0
    failed += not _works(keyring)
    keyring.close()
    return failed


def _amid(keyring: Keyring) -> int:
    """Fork again and again while threads sign; all of them go on, and each child signs."""
    key, stop, signed = keyring.key("rsa"), threading.Event(), threading.Semaphore(0)
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                sign(key)
                signed.release()
        except BaseException as error:  # noqa: BLE001 - counted below
            traceback.print_exc()
            wrong.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    failed = 0
    for _ in range(_FORKS):
        failed += not _more(signed)
        child = os.fork()
        if child == 0:
            signal.alarm(_PATIENCE_SECONDS)  # one that hangs is killed, and told by its status
            os._exit(0 if _works(keyring) else 1)
        failed += not _more(signed)
        failed += os.waitpid(child, 0)[1] != 0
    stop.set()
    for thread in threads:
        thread.join(_PATIENCE_SECONDS)
    return failed + len(wrong) + sum(thread.is_alive() for thread in threads)


def _more(signed: threading.Semaphore) -> bool:
    """Wait for signatures that were not yet made; say whether they came in time."""
    while signed.acquire(blocking=False):
        """Made before now."""
    return all(signed.acquire(timeout=_PATIENCE_SECONDS) for _ in range(_BETWEEN))


def _works(keyring: Keyring) -> bool:
    try:
        for number in range(_SIGNATURES):
            sign(keyring.key("rsa"), number.to_bytes(4))
    except Exception:  # noqa: BLE001 - shown, and told by the exit code
        traceback.print_exc()
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
