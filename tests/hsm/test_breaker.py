"""The breaker: one trial at a time, pauses that grow to a limit, closed again by a success."""

import time

import pytest

from hsm.breaker import Breaker, BreakerState


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves, in seconds."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(time, "monotonic", lambda: Clock.now)
    return Clock


def test_closed(clock):
    """Calls pass until one fails."""
    one = Breaker()
    assert one.admits()
    one.succeeded()
    assert one.admits()
    one.failed()
    assert not one.admits()


def test_one_trial(clock):
    """After the pause one call passes, and no other until it is known how that went."""
    one = Breaker(first=1, longest=4)
    one.failed()
    clock.now += 1
    assert one.admits()
    assert one.state is BreakerState.HALF_OPEN
    assert not one.admits()
    one.succeeded()
    assert one.admits()
    assert one.admits()


def test_pauses(clock):
    """Each trial that fails doubles the pause, up to the longest; a success starts over."""
    one = Breaker(first=1, longest=4)
    one.failed()
    for pause in (1, 2, 4, 4):
        clock.now += pause - 0.01
        assert not one.admits()
        clock.now += 0.01
        assert one.admits()
        one.failed()
    clock.now += 4
    assert one.admits()
    one.succeeded()
    one.failed()
    clock.now += 1
    assert one.admits()


def test_renounced(clock):
    """A trial that was not made is the next caller's."""
    one = Breaker(first=1)
    one.failed()
    clock.now += 1
    assert one.admits()
    one.renounced()
    assert one.admits()


def test_late_failures(clock):
    """Calls that were under way and fail later do not lengthen the pause."""
    one = Breaker(first=1)
    for _ in range(5):
        one.failed()
    clock.now += 1
    assert one.admits()


def test_locked(clock):
    """A breaker that is locked makes no trials before it is unlocked."""
    one = Breaker(first=1)
    one.failed(locked=True)
    clock.now += 1000
    assert not one.admits()
    one.unlock()
    assert one.admits()
