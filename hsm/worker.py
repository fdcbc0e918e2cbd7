"""A thread that makes the calls into a PKCS#11 module, so that a call that hangs can be left.

A C call cannot be interrupted. The thread that asks waits with a time limit; when that is over it
goes on, and the worker stays behind in the module, counted, until the call returns, if it does.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from hsm.session import Session

T = TypeVar("T")


class TimeLimitPassed(Exception):  # noqa: N818 - what happened, caught in this package
    """The call did not return in time; the worker stays behind in it."""


class _Job:
    __slots__ = ("abandoned", "act", "error", "finished", "result")

    def __init__(self, act: Callable[["Session"], Any]) -> None:
        self.act = act
        self.result: Any = None
        self.error: BaseException | None = None
        self.finished = self.abandoned = False


class Worker:
    """One daemon thread with one session; `ask` is called by one thread at a time."""

    def __init__(self, session: "Session", on_return: Callable[["Worker"], None]) -> None:
        """Start the thread. `on_return` is called in it when an abandoned call came back."""
        self.session = session
        self._on_return = on_return
        self._wake, self._done, self._settle = (threading.Lock() for _ in range(3))
        self._wake.acquire()
        self._done.acquire()
        self._job: _Job | None = None
        threading.Thread(target=self._serve, name=f"hsm-{session.name}", daemon=True).start()

    def ask(self, act: Callable[["Session"], T], deadline: float) -> T:
        """Return what `act` gives on the worker's thread, or raise what it raises.

        Raises TimeLimitPassed at `deadline` (time.monotonic seconds); the worker is then lost to
        the caller until it reports back.
        """
        job = self._job = _Job(act)
        self._wake.release()
        if not self._done.acquire(timeout=max(0.0, deadline - time.monotonic())):
            with self._settle:
                if not job.finished:
                    job.abandoned = True
                    raise TimeLimitPassed
            self._done.acquire()
        if job.error is not None:
            try:
                raise job.error
            finally:
                job.error = None  # the traceback holds the job: break the circle
        result: T = job.result
        return result

    def dismiss(self) -> None:
        """Let an idle worker's thread end."""
        self._job = None
        self._wake.release()

    def _serve(self) -> None:
        while True:
            self._wake.acquire()
            job = self._job
            if job is None:
                return
            try:
                job.result = job.act(self.session)
            except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
                job.error = error
            with self._settle:
                job.finished = True
            if job.abandoned:
                self._on_return(self)
            else:
                self._done.release()
            del job
