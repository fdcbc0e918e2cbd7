"""A thread that makes the calls into a PKCS#11 module, so that a call that hangs can be left.

A C call cannot be interrupted. The thread that asks waits with a time limit; when that is over it
goes on, and the worker stays behind in the module, counted, until the call returns, if it does.

The two threads wake each other in a way of their own (hsm.semaphore, hsm.closeness), which decides
whether P-256 is signed at two thirds of the module's own rate.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from hsm.closeness import Closeness
from hsm.semaphore import Semaphore

if TYPE_CHECKING:
    from hsm.session import Session

T = TypeVar("T")


class TimeLimitPassed(Exception):  # noqa: N818 - what happened, caught in this package
    """The call did not return in time; the worker stays behind in it."""


class _Job:
    __slots__ = ("abandoned", "act", "answered", "error", "finished", "result")

    def __init__(self, act: Callable[["Session"], Any], answered: Semaphore) -> None:
        self.act, self.answered = act, answered
        self.result: Any = None
        self.error: BaseException | None = None
        self.finished = self.abandoned = False


class Worker:
    """One daemon thread with one session; `ask` is called by one thread at a time."""

    def __init__(self, session: "Session", on_return: Callable[["Worker"], None]) -> None:
        """Start the thread. `on_return` is called in it when an abandoned call came back."""
        self.session = session
        self.abandoned = False
        self._on_return = on_return
        self._job: _Job | None = None
        self._settle = threading.Lock()
        self._closeness = Closeness()
        self._asked, self._answered = Semaphore(), Semaphore()
        threading.Thread(target=self._serve, name=f"hsm-{session.name}", daemon=True).start()

    def ask(self, act: Callable[["Session"], T], deadline: float, *, brief: bool = True) -> T:
        """Return what `act` gives on the worker's thread, or raise what it raises.

        Raises TimeLimitPassed at `deadline` (time.monotonic seconds). After that, or after an
        interrupt, `abandoned` may be true: the worker is then lost until it reports back. Only for
        an act that is `brief` is it worth keeping the two threads together.
        """
        job = self._job = _Job(act, self._answered)
        mask = None
        if brief:
            mask = self._closeness.come()
        else:
            self._closeness.let_go()
        try:
            self._asked.give()
            answered = job.answered.take_until(deadline)
        except BaseException:
            self._abandon(job)
            raise
        finally:
            self._closeness.part(mask)
        if not answered and self._abandon(job):
            raise TimeLimitPassed
        if job.error is not None:
            try:
                raise job.error
            finally:
                job.error = None  # its traceback holds the job: break the circle
        result: T = job.result
        return result

    def dismiss(self) -> None:
        """Let an idle worker's thread end."""
        self._job = None
        self._asked.give()

    def _abandon(self, job: _Job) -> bool:
        """Wait for the job no longer; say whether it is unfinished, and the worker lost with it."""
        # An answer that comes now must not be taken for that of the next job.
        self._answered = Semaphore()
        with self._settle:
            job.abandoned = self.abandoned = not job.finished
            return job.abandoned

    def _serve(self) -> None:
        self._closeness.worker = threading.get_native_id()
        while True:
            self._asked.take()
            job = self._job
            if job is None:
                return
            try:
                job.result = job.act(self.session)
            except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
                job.error = error
            with self._settle:
                job.finished = True
            abandoned, answered = job.abandoned, job.answered
            del job
            if abandoned:
                self.abandoned = False
                self._on_return(self)
            else:
                answered.give()
