"""The thread that makes the calls: left in time, answering the right caller, owning no file."""

import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hsm.semaphore import Semaphore
from hsm.worker import TimeLimitPassed, Worker


class InterruptedByTest(BaseException):
    """Raised by a signal in the thread that waits."""


NOTHING: Any = SimpleNamespace(name="test")


@pytest.fixture
def returned():
    """Set when an abandoned call came back."""
    return threading.Event()


@pytest.fixture
def worker(returned):
    """A worker whose session is nothing."""
    worker = Worker(NOTHING, lambda _: returned.set())
    yield worker
    worker.dismiss()


def soon(seconds=10.0):
    """Return a deadline."""
    return time.monotonic() + seconds


def test_answer(worker):
    """What the act gives or raises comes to the caller."""
    assert worker.ask(lambda session: session.name, soon()) == "test"
    with pytest.raises(ZeroDivisionError):
        worker.ask(lambda _: 1 // 0, soon())


def test_time_limit(worker, returned):
    """At the deadline the caller goes on; the worker reports when its call came back."""
    go_on = threading.Event()
    start = time.monotonic()
    with pytest.raises(TimeLimitPassed):
        worker.ask(lambda _: go_on.wait(10), soon(0.3))
    assert 0.3 <= time.monotonic() - start < 1.3
    assert worker.abandoned
    assert not returned.is_set()
    go_on.set()
    assert returned.wait(10)
    assert not worker.abandoned
    assert worker.ask(lambda _: "next", soon()) == "next"


def test_deadline_that_is_over(worker):
    """A deadline in the past is no wait at all, and no answer is taken for another one's."""
    for number in range(200):
        try:
            assert worker.ask(lambda _, number=number: number, soon(-1)) == number
        except TimeLimitPassed:
            while worker.abandoned:
                time.sleep(0)


def test_interrupt(worker, returned):
    """A signal that raises ends the wait at once, and the worker is lost until it reports back."""
    go_on = threading.Event()

    def interrupt(*_):
        raise InterruptedByTest

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(InterruptedByTest):
            worker.ask(lambda _: go_on.wait(10), soon())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert worker.abandoned
    go_on.set()
    assert returned.wait(10)
    assert worker.ask(lambda _: "next", soon()) == "next"


def test_signal_that_does_not_raise():
    """A signal whose handler returns neither ends a wait nor shortens it."""
    came = []
    before = signal.signal(signal.SIGALRM, lambda *_: came.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        start = time.monotonic()
        assert not Semaphore().take_until(soon(0.4))
        assert time.monotonic() - start >= 0.4
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert came


def test_no_files(worker):
    """A worker has no file descriptor: a module that closes a wrong one cannot cut it off."""
    before = sorted(Path("/proc/self/fd").iterdir())
    others = [Worker(NOTHING, lambda _: None) for _ in range(4)]
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    for each in others:
        assert each.ask(lambda session: session.name, soon()) == "test"
        each.dismiss()
