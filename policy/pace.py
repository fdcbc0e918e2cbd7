"""The pace of mass acts: no more rows in a second than was said."""

import time
from collections.abc import Callable


class Pace:
    """Waits before each row so that at most `per_second` are begun in a second; None never waits.

    `elapsed` and `wait` are the machine's own unless a test brings others.
    """

    def __init__(
        self,
        per_second: float | None,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Set the pace; it begins with the first row."""
        self._step = 0.0 if per_second is None else 1 / per_second
        self._elapsed = elapsed
        self._wait = wait
        self._next = 0.0

    def __call__(self) -> None:
        """Wait for the next row's turn."""
        if not self._step:
            return
        now = self._elapsed()
        if now < self._next:
            self._wait(self._next - now)
        self._next = max(now, self._next) + self._step
