"""The seats of a pool: how many workers there may be, which of them rest, who waits for one.

Who waits longest is served first: a thread that signs without a pause would keep a worker for
itself otherwise, while the others come to their deadlines.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from hsm.semaphore import Semaphore
from hsm.worker import Worker

_SMALLER_FOR_SECONDS = 60.0


class NoSeat(Exception):  # noqa: N818 - what happened, caught in this package
    """No seat came free in time, or waiting for one was given up."""


class _Waiting:
    """A thread that waits; once `served` it has `worker`, or a seat for a new one."""

    __slots__ = ("called", "served", "worker")

    def __init__(self) -> None:
        self.called = Semaphore()
        self.served = False
        self.worker: Worker | None = None


class Seats:
    """At most `most` workers; every one that is not stuck in the module has a seat."""

    def __init__(self, most: int) -> None:
        """Begin with no worker at all."""
        self.idle: list[Worker] = []
        self._most = self._fewer = most
        self._full_until = 0.0
        self._taken = 0
        self._queue: deque[_Waiting] = deque()
        self._lock = threading.Lock()

    def take(self, deadline: float, give_up: Callable[[], bool]) -> Worker | None:
        """Return an idle worker, or None: then there is a seat for a new one.

        Raises NoSeat at `deadline` (time.monotonic seconds) or when `give_up` says so.
        """
        if not self._queue:
            try:
                return self.idle.pop()
            except IndexError:
                """None rests: there may be a seat, or we wait."""
        waiting = _Waiting()
        try:
            with self._lock:
                self._queue.append(waiting)
                self._serve()
            self._wait(waiting, deadline, give_up)
        except BaseException:
            self._leave(waiting)
            raise
        return waiting.worker

    def give_back(self, worker: Worker) -> None:
        """Put a worker to rest, or let who waits have it."""
        # Given before looking: who waits looks at the workers after queueing.
        self.idle.append(worker)
        if self._queue:
            with self._lock:
                self._serve()

    def free(self) -> None:
        """Give up a seat: its worker is gone, or stuck."""
        with self._lock:
            self._taken -= 1
            self._serve()

    def shrink(self) -> bool:
        """Do with fewer seats for a while: the token has no more sessions.

        Returns False when there is only one left: then nobody else can lend a session.
        """
        with self._lock:
            if self._taken < 2:  # noqa: PLR2004 - one other beside this one
                return False
            self._fewer = self._taken - 1
            self._full_until = time.monotonic() + _SMALLER_FOR_SECONDS
            return True

    def wake(self) -> None:
        """Let those who wait look again whether to give up."""
        with self._lock:
            for waiting in self._queue:
                waiting.called.give()

    def _wait(self, waiting: _Waiting, deadline: float, give_up: Callable[[], bool]) -> None:
        while True:
            in_time = waiting.called.take_until(deadline)
            if give_up():
                raise NoSeat
            if waiting.served:
                return
            if not in_time:
                raise NoSeat

    def _serve(self) -> None:
        """Serve those who wait longest with what there is; the lock is held."""
        while self._queue:
            worker = None
            try:
                worker = self.idle.pop()
            except IndexError:
                if self._taken >= self._limit():
                    return
                self._taken += 1
            waiting = self._queue.popleft()
            waiting.worker, waiting.served = worker, True
            waiting.called.give()

    def _leave(self, waiting: _Waiting) -> None:
        """Take a thread that waits no longer out of the queue, or back what it was served."""
        with self._lock:
            if not waiting.served:
                if waiting in self._queue:
                    self._queue.remove(waiting)
                return
        if waiting.worker is not None:
            self.give_back(waiting.worker)
        else:
            self.free()

    def _limit(self) -> int:
        return self._fewer if time.monotonic() < self._full_until else self._most
