"""A semaphore between two threads, given and taken while the interpreter's lock is free.

`threading` has none like it: its locks are released with the interpreter's lock held, so that the
woken thread has to wait again at once, for that one. And it has no file descriptor that a module
could close by mistake: opencryptoki closes some twice when it is initialised, and what another
thread opened in between is gone.
"""

import ctypes
import time

_MONOTONIC = 1  # CLOCK_MONOTONIC, the clock of time.monotonic
_WORDS = 8  # more than a sem_t has anywhere
_NANOSECONDS = 1_000_000_000


class _Instant(ctypes.Structure):
    """A struct timespec."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_libc = ctypes.CDLL(None)
_give, _take, _take_until = _libc.sem_post, _libc.sem_wait, _libc.sem_clockwait
_give.argtypes = _take.argtypes = (ctypes.c_void_p,)
_take_until.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Instant))


class Semaphore:
    """Given by one thread, taken by another; its memory lives as long as one of them knows it."""

    __slots__ = ("_at", "_instant", "_room", "_until")

    def __init__(self) -> None:
        """Begin with nothing given."""
        self._room = (ctypes.c_ulong * _WORDS)()
        self._at = ctypes.addressof(self._room)
        self._instant = _Instant()
        self._until = ctypes.pointer(self._instant)
        _libc.sem_init(ctypes.c_void_p(self._at), 0, 0)

    def give(self) -> None:
        """Let the other thread go on."""
        _give(self._at)

    def take(self) -> None:
        """Wait until it is given."""
        while _take(self._at):
            """A signal came in between: its handler has run, and we wait on."""

    def take_until(self, deadline: float) -> bool:
        """Wait until it is given or `deadline` (time.monotonic seconds); say whether it was.

        Called by one thread at a time.
        """
        self._instant.seconds = seconds = int(deadline)
        self._instant.nanoseconds = int((deadline - seconds) * _NANOSECONDS)
        while _take_until(self._at, _MONOTONIC, self._until):
            # A signal came in between, or the time is over.
            if time.monotonic() >= deadline:
                return False
        return True
