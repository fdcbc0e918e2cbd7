"""Room for a few at once: so that those who ask for costly answers cannot starve the rest."""

import threading
from types import TracebackType

from core.errors import Unavailable

PATIENCE_SECONDS = 0.25
"""How long one waits for room; at a full room of honest clients a place is free in milliseconds."""

_MOST_WAITING_EACH = 8


class Full(Unavailable):
    """There is no room now."""


class Room:
    """A context manager that at most `most` enter at once, and few wait for."""

    def __init__(self, most: int) -> None:
        self._places = threading.Semaphore(most)
        self._queue = threading.Semaphore(most * _MOST_WAITING_EACH)

    def __enter__(self) -> None:
        """Enter, waiting for a moment if need be; raises Full."""
        if self._places.acquire(blocking=False):
            return
        if not self._queue.acquire(blocking=False):
            raise Full("Too many answers wait to be signed.")
        try:
            if not self._places.acquire(timeout=PATIENCE_SECONDS):
                raise Full("An answer waited too long to be signed.")
        finally:
            self._queue.release()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave."""
        self._places.release()
