"""A circuit breaker: a token that fails is left alone for a while, then tried by one caller.

Closed: calls pass. Open: calls are refused at once. Half-open: one trial passes; it closes the
breaker or opens it again for twice as long, up to a limit. Times are time.monotonic seconds.
"""

import threading
import time
from enum import Enum

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0


class BreakerState(Enum):
    """Where a breaker stands; `LOCKED` is open until `unlock`."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    LOCKED = "locked"


class Breaker:
    """One token's breaker; used by many threads."""

    def __init__(
        self, *, first: float = FIRST_PAUSE_SECONDS, longest: float = LONGEST_PAUSE_SECONDS
    ) -> None:
        """Start closed; pauses grow from `first` to `longest` seconds."""
        self.state = BreakerState.CLOSED
        self._lock = threading.Lock()
        self._first, self._longest = first, longest
        self._pause = first
        self._until = 0.0

    def admits(self) -> bool:
        """Whether a call may pass now; the first one after the pause becomes the trial."""
        if self.state is not BreakerState.CLOSED:
            return self._admits_trial()
        return True

    def _admits_trial(self) -> bool:
        with self._lock:
            if self.state is BreakerState.OPEN and time.monotonic() >= self._until:
                self.state = BreakerState.HALF_OPEN
                return True
            return self.state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """Close the breaker: a call came back well."""
        if self.state is not BreakerState.CLOSED:
            with self._lock:
                self.state, self._pause = BreakerState.CLOSED, self._first

    def failed(self, *, locked: bool = False) -> None:
        """Open the breaker, for longer each time that a trial fails; `locked` until told."""
        with self._lock:
            if self.state is BreakerState.HALF_OPEN:
                self._pause = min(self._pause * 2, self._longest)
            elif self.state is not BreakerState.CLOSED:
                return
            self.state = BreakerState.LOCKED if locked else BreakerState.OPEN
            self._until = time.monotonic() + self._pause

    def renounced(self) -> None:
        """Give a trial back unused, so that the next caller may make it."""
        with self._lock:
            if self.state is BreakerState.HALF_OPEN:
                self.state = BreakerState.OPEN

    def unlock(self) -> None:
        """Let trials be made again."""
        with self._lock:
            if self.state is BreakerState.LOCKED:
                self.state = BreakerState.OPEN
