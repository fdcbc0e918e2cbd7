"""Keeps the two threads of a call on one CPU, where waking each other is cheap.

A call into a module is made by a worker thread while the asking thread sleeps: only one of them
ever runs. Left alone, the scheduler wakes each on an idle CPU, and waking a halted CPU of a virtual
machine costs 25 microseconds, twice for each signature, as much as a P-256 signature itself. So the
worker follows the asking thread to its CPU; and when no other thread of the process is asking, that
one stays there until its answer comes (its own CPUs are given back to it before it goes on).
Measured in docs/hsm.md. Where the system does not offer this, nothing is done.
"""

import ctypes
import os
import threading
import time

_MASK_BYTES = 128
_READ_AGAIN_SECONDS = 1.0


class _Thread(threading.local):
    """The CPUs that this thread may use, as it was allowed them; read again each second."""

    def __init__(self) -> None:
        self.mask = b""
        self.read_at = 0.0


try:
    # Not CDLL: these return at once, and giving up the interpreter's lock would cost more.
    _libc = ctypes.PyDLL(None)
    _cpu_now = _libc.sched_getcpu
    _set = _libc.sched_setaffinity
    _get = _libc.sched_getaffinity
    _set.argtypes = (ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p)
    _get.argtypes = (ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p)
    _works = len(os.sched_getaffinity(0)) > 1
except (OSError, AttributeError):
    _works = False
_single = [(1 << cpu).to_bytes(_MASK_BYTES, "little") for cpu in range(8 * _MASK_BYTES)]
_thread = _Thread()
_asking: set[int] = set()


class Closeness:
    """Belongs to one worker; `come` and `part` are called by the thread that asks it."""

    __slots__ = ("_cpu", "worker")

    def __init__(self) -> None:
        """Begin before the worker's thread told its number: nothing is done until then."""
        self.worker = 0
        self._cpu = -1

    def come(self) -> bytes | None:
        """Bring the worker here. Returns what `part` needs, None when this thread may move."""
        if not _works or not self.worker:
            return None
        cpu = _cpu_now()
        if cpu != self._cpu:
            self._cpu = cpu if _set(self.worker, _MASK_BYTES, _single[cpu]) == 0 else -1
        alone = not _asking
        _asking.add(self.worker)
        if not alone:
            return None
        mask = _own_mask()
        _set(0, _MASK_BYTES, _single[cpu])
        return mask

    def let_go(self) -> None:
        """Let the worker go where it likes, before an act of many calls."""
        if _works and self.worker and self._cpu >= 0:
            self._cpu = -1
            _set(self.worker, _MASK_BYTES, _own_mask())

    def part(self, mask: bytes | None) -> None:
        """Let this thread move again."""
        _asking.discard(self.worker)
        if mask is not None:
            _set(0, _MASK_BYTES, mask)


def _own_mask() -> bytes:
    now = time.monotonic()
    if now - _thread.read_at > _READ_AGAIN_SECONDS:
        room = ctypes.create_string_buffer(_MASK_BYTES)
        _get(0, _MASK_BYTES, room)
        _thread.mask, _thread.read_at = room.raw, now
    return _thread.mask


os.register_at_fork(after_in_child=_asking.clear)
