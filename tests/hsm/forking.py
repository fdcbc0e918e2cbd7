"""Runs in a process of its own: forks, and signs in the child and in the parent.

Arguments: when to fork (`before` the key's first use, or `after` it), URI of an RSA key. Exit code
0 when every signature of both processes is right. Never do two processes log in at once: SoftHSM
does not bear it (docs/hsm.md, Known limits).
"""

import os
import sys
import traceback

from hsm.keyring import Keyring
from tests.hsm.load import sign

_SIGNATURES = 50


def main(when: str, uri: str) -> int:
    """Fork when asked to, sign everywhere, and return how many processes failed."""
    keyring = Keyring({"rsa": [uri]}, time_limit_seconds=20.0)
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
