"""Runs in a process of its own: forks, and signs in the parent and in the child at once.

Arguments: when to fork (`before` the key's first use, `after` it, or `busy`: while threads sign),
URI of an RSA key. Exit code 0 when every signature of both processes is right.
"""

import contextlib
import os
import sys
import traceback

from hsm.keyring import Keyring
from tests.hsm.load import Load, sign

_SIGNATURES = 50
_CHILDREN = 2


def main(when: str, uri: str) -> int:
    """Fork when asked to, sign everywhere, and return how much failed."""
    keyring = Keyring({"rsa": [uri]}, time_limit_seconds=20.0)
    if when != "before":
        sign(keyring.key("rsa"))
    with contextlib.ExitStack() as while_signing:
        if when == "busy":
            load = while_signing.enter_context(Load(keyring.key("rsa"), threads=2))
            load.wait_for(_SIGNATURES)
        children = [_fork(keyring) for _ in range(_CHILDREN)]
        failed = int(not _works(keyring))
        failed += sum(os.waitpid(child, 0)[1] != 0 for child in children)
        if when == "busy":
            load.wait_for(_SIGNATURES)
            failed += len(load.wrong) + load.failed
    keyring.close()
    return failed


def _fork(keyring: Keyring) -> int:
    child = os.fork()
    if child == 0:
        os._exit(0 if _works(keyring) else 1)
    return child


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
