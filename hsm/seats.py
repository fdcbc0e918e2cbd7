"""The seats of a pool: how many workers there may be, which of them rest, who waits for one."""

import threading
import time
from collections.abc import Callable

from hsm.worker import Worker

_SMALLER_FOR_SECONDS = 60.0


class NoSeat(Exception):  # noqa: N818 - what happened, caught in this package
    """No seat came free in time, or waiting for one was given up."""


class Seats:
    """At most `most` workers; every one that is not stuck in the module has a seat."""

    def __init__(self, most: int) -> None:
        """Begin with no worker at all."""
        self.idle: list[Worker] = []
        self._most = self._fewer = most
        self._full_until = 0.0
        self._taken = self._waiting = 0
        self._changed = threading.Condition(threading.Lock())

    def take(self, deadline: float, give_up: Callable[[], bool]) -> Worker | None:
        """Return an idle worker, or None: then there is a seat for a new one.

        Raises NoSeat at `deadline` (time.monotonic seconds) or when `give_up` says so.
        """
        try:
            return self.idle.pop()
        except IndexError:
            return self._take_slowly(deadline, give_up)

    def give_back(self, worker: Worker) -> None:
        """Put a worker to rest, or let who waits have it."""
        self.idle.append(worker)
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def free(self) -> None:
        """Give up a seat: its worker is gone, or stuck."""
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    def shrink(self) -> bool:
        """Do with fewer seats for a while: the token has no more sessions.

        Returns False when there is only one left: then nobody else can lend a session.
        """
        with self._changed:
            if self._taken < 2:  # noqa: PLR2004 - one other beside this one
                return False
            self._fewer = self._taken - 1
            self._full_until = time.monotonic() + _SMALLER_FOR_SECONDS
            return True

    def wake(self) -> None:
        """Let those who wait look again whether to give up."""
        with self._changed:
            self._changed.notify_all()

    def _take_slowly(self, deadline: float, give_up: Callable[[], bool]) -> Worker | None:
        with self._changed:
            # Counted before looking: who gives back looks at the count after giving.
            self._waiting += 1
            try:
                while not self.idle:
                    if self._taken < self._limit():
                        self._taken += 1
                        return None
                    if not self._changed.wait(deadline - time.monotonic()) or give_up():
                        raise NoSeat
                return self.idle.pop()
            finally:
                self._waiting -= 1

    def _limit(self) -> int:
        return self._fewer if time.monotonic() < self._full_until else self._most
