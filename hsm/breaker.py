"""A circuit breaker: a token that fails is left alone for a while, then tried by one caller.

Closed: calls pass. Open: calls are refused at once. Half-open: one trial passes; it closes the
breaker or opens it again for twice as long, up to a limit. Times are time.monotonic seconds.
"""

import threading
from enum import StrEnum

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """One token's breaker; used by many threads."""

    def __init__(
        self, *, first: float = FIRST_PAUSE_SECONDS, longest: float = LONGEST_PAUSE_SECONDS
    ) -> None:
        """Start closed; pauses grow from `first` to `longest` seconds."""
        self._lock = threading.Lock()
        self._first, self._longest = first, longest
        self._pause = first
        self.state = BreakerState.CLOSED
        self._until = 0.0

    def admits(self, now: float) -> bool:
        """Whether a call may pass at `now`; the first one after the pause becomes the trial."""
        with self._lock:
            if self.state is BreakerState.OPEN and now >= self._until:
                self.state = BreakerState.HALF_OPEN
                return True
            return self.state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """Close the breaker: a call came back well."""
        if self.state is BreakerState.CLOSED:
            return
        with self._lock:
            self.state, self._pause = BreakerState.CLOSED, self._first

    def failed(self, now: float) -> None:
        """Open the breaker at `now`, for longer each time that a trial fails."""
        with self._lock:
            if self.state is BreakerState.HALF_OPEN:
                self._pause = min(self._pause * 2, self._longest)
            elif self.state is BreakerState.OPEN:
                return
            self.state, self._until = BreakerState.OPEN, now + self._pause

    def renounced(self) -> None:
        """Give a trial back unused, so that the next caller may make it."""
        with self._lock:
            if self.state is BreakerState.HALF_OPEN:
                self.state = BreakerState.OPEN
