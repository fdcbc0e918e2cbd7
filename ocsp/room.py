"""Room for a few at once: so that those who ask for costly answers cannot starve the rest."""

import threading
from collections import deque
from types import TracebackType

from core.errors import Unavailable

PATIENCE_SECONDS = 0.25
"""How long one waits for room; at a full room of honest clients a place is free in milliseconds."""

_MOST_WAITING_EACH = 16


class Full(Unavailable):
    """There is no room now."""


class Room:
    """A context manager that at most `most` enter at once, and few wait for, in their order.

    Who leaves hands the place to who waits longest: a newcomer never goes before.
    """

    def __init__(self, most: int) -> None:
        """Make room for `most`, and for some more who wait."""
        self._free = most
        self._most_waiting = most * _MOST_WAITING_EACH
        self._waiting: deque[threading.Lock] = deque()
        self._door = threading.Lock()

    def __enter__(self) -> None:
        """Enter, waiting for a moment if need be; raises Full."""
        with self._door:
            if self._free:
                self._free -= 1
                return
            if len(self._waiting) >= self._most_waiting:
                raise Full("Too many answers wait to be signed.")
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        if called.acquire(timeout=PATIENCE_SECONDS):
            return
        with self._door:
            # Whoever is no longer in the line was called in the last moment.
            if called in self._waiting:
                self._waiting.remove(called)
                raise Full("An answer waited too long to be signed.")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave."""
        with self._door:
            if not self._waiting:
                self._free += 1
                return
            called = self._waiting.popleft()
        called.release()
