"""A thread that makes the calls into a PKCS#11 module, so that a call that hangs can be left.

A C call cannot be interrupted. The thread that asks waits with a time limit; when that is over it
goes on, and the worker stays behind in the module, counted, until the call returns, if it does.

The two threads wake each other through an eventfd and a socket, not through locks: those give up
the interpreter's lock while they wake, so that the woken thread can run at once (see also
hsm.closeness). A round trip takes 10 to 20 microseconds instead of 50, which decides whether P-256
is signed at two thirds of the module's own rate.
"""

import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from hsm.closeness import Closeness

if TYPE_CHECKING:
    from hsm.session import Session

T = TypeVar("T")

# How long the kernel waits for an answer before we look at the deadline ourselves.
_SLICE_MICROSECONDS = 20_000


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
        self.abandoned = False
        self._on_return = on_return
        self._job: _Job | None = None
        self._settle = threading.Lock()
        self._closeness = Closeness()
        self._wake = os.eventfd(0)
        self._answered, self._answer = socket.socketpair()
        limit = struct.pack("ll", 0, _SLICE_MICROSECONDS)
        self._answered.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        # Bound once: looked up for every signature otherwise.
        self._receive = self._answered.recv
        threading.Thread(target=self._serve, name=f"hsm-{session.name}", daemon=True).start()

    def ask(self, act: Callable[["Session"], T], deadline: float) -> T:
        """Return what `act` gives on the worker's thread, or raise what it raises.

        Raises TimeLimitPassed at `deadline` (time.monotonic seconds). After that, or after an
        interrupt, `abandoned` may be true: the worker is then lost until it reports back.
        """
        job = self._job = _Job(act)
        mask = self._closeness.come()
        os.eventfd_write(self._wake, 1)
        try:
            try:
                self._receive(1)
            except BlockingIOError:
                self._wait_until(deadline)
        except BaseException:
            if self._abandon(job):
                raise
            # It finished in this very moment: its answer is there, or about to be.
            self._answered.setblocking(True)
            self._receive(1)
        finally:
            self._closeness.part(mask)
        if job.error is not None:
            try:
                raise job.error
            finally:
                job.error = None  # its traceback holds the job: break the circle
        result: T = job.result
        return result

    def dismiss(self) -> None:
        """Let an idle worker's thread end and close what it held."""
        self._job = None
        os.eventfd_write(self._wake, 1)

    def forget(self) -> None:
        """Close in a child process what belongs to the parent's thread."""
        with contextlib.suppress(OSError):
            os.close(self._wake)
        self._answered.close()
        self._answer.close()

    def _wait_until(self, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._answered, select.POLLIN)
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not poll.poll(remaining * 1000):
            raise TimeLimitPassed
        self._receive(1)

    def _abandon(self, job: _Job) -> bool:
        with self._settle:
            job.abandoned = self.abandoned = not job.finished
            return job.abandoned

    def _serve(self) -> None:
        self._closeness.worker = threading.get_native_id()
        while True:
            os.eventfd_read(self._wake)
            job = self._job
            if job is None:
                self.forget()
                return
            try:
                job.result = job.act(self.session)
            except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
                job.error = error
            with self._settle:
                job.finished = True
            if job.abandoned:
                del job
                self.abandoned = False
                self._on_return(self)
            else:
                del job
                self._answer.send(b"!")
