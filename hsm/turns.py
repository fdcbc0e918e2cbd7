"""Lets one process at a time look for a SoftHSM token and log into it.

SoftHSM writes a token's file anew at each login, and who reads it in that moment finds no token, or
one without its PIN. Its configuration file is what all processes of an instance share: whoever
has it locked has the turn. The lock ends with its process, however that ends.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import SigningUnavailable

_VARIABLE = "SOFTHSM2_CONF"
_PAUSE_SECONDS = 0.002


@contextmanager
def turn(deadline: float) -> Iterator[None]:
    """Wait for this process's turn; without a SoftHSM in its environment there is no waiting.

    Raises SigningUnavailable when `deadline` (time.monotonic seconds) passes before that.
    """
    place = os.environ.get(_VARIABLE)
    if place is None or not os.path.exists(place):  # noqa: PTH110 - the path as SoftHSM takes it
        yield
        return
    # Opened anew each time: a lock belongs to what was opened, so threads take turns too.
    handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    _held.add(handle)
    try:
        _lock(handle, deadline)
        yield
    finally:
        _held.discard(handle)
        os.close(handle)


def _lock(handle: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SigningUnavailable(
                    "Other processes are still logging into SoftHSM; its turn did not come in time."
                ) from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _after_fork() -> None:
    """Let go in a child of what a thread of its parent held: it would be held for ever."""
    while _held:
        os.close(_held.pop())


_held: set[int] = set()
os.register_at_fork(after_in_child=_after_fork)
