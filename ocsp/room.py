"""Room for a few at once: so that those who ask for costly answers cannot starve the rest."""

from collections import deque
from queue import Empty, SimpleQueue
from types import TracebackType

from core.errors import Unavailable

PATIENCE_SECONDS = 0.25
"""How long one waits for room; at a full room of honest clients a place is free in milliseconds."""

_MOST_WAITING_EACH = 16


class Full(Unavailable):
    """There is no room now."""


class Room:
    """A context manager that at most `most` enter at once, and few wait for.

    Places are passed from hand to hand through a queue: it is the one means of waiting in the
    standard library that costs next to nothing when many threads do.
    """

    def __init__(self, most: int) -> None:
        """Make room for `most`, and for some more who wait."""
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._places.put(None)
        self._chairs = deque([None] * (most * _MOST_WAITING_EACH))

    def __enter__(self) -> None:
        """Enter, waiting for a moment if need be; raises Full."""
        try:
            self._places.get_nowait()
        except Empty:
            self._wait()

    def _wait(self) -> None:
        try:
            self._chairs.pop()
        except IndexError:
            raise Full("Too many answers wait to be signed.") from None
        try:
            self._places.get(timeout=PATIENCE_SECONDS)
        except Empty:
            raise Full("An answer waited too long to be signed.") from None
        finally:
            self._chairs.append(None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave."""
        self._places.put(None)
