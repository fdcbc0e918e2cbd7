"""Following numbered events: none is lost and none is told twice, in whatever order they commit."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ca.model import Horizon
from ocsp.cursor import Cursor


def test_in_order() -> None:
    """Where numbers become visible in order, each look gives what is new, and reads no more."""
    cursor = Cursor(10)
    assert cursor.take([1, 2, 10], None, 0.0) == [1, 2, 10]
    assert cursor.floor == 10
    assert cursor.take([], None, 0.1) == []
    assert cursor.take([11, 12], None, 0.2) == [11, 12]
    assert cursor.floor == 12


def test_late_number_is_seen() -> None:
    """A number that becomes visible after a higher one is told, and the floor waits for it."""
    cursor = Cursor(0)
    assert cursor.take([2], Horizon(oldest=100, next=102), 0.0) == [2]
    assert cursor.take([2], Horizon(oldest=100, next=105), 60.0) == []
    assert cursor.floor == 0  # transaction 100 may still hold number 1
    assert cursor.take([1, 2], Horizon(oldest=110, next=110), 61.0) == [1]
    assert cursor.floor == 2


def test_gap_of_a_rollback_is_passed() -> None:
    """A number that nobody committed holds the floor only until its transaction is over."""
    cursor = Cursor(0)
    cursor.take([1, 3], Horizon(oldest=100, next=102), 0.0)
    cursor.take([1, 3], Horizon(oldest=102, next=103), 10.0)
    assert cursor.floor == 3


def test_margin_for_one_who_draws_before_writing() -> None:
    """A number drawn before its transaction had a number of its own is waited for, for a while."""
    cursor = Cursor(0)
    cursor.take([2], Horizon(oldest=100, next=100), 0.0)
    cursor.take([2], Horizon(oldest=100, next=101), 0.1)
    assert cursor.floor == 0
    assert cursor.take([1, 2], Horizon(oldest=102, next=102), 0.2) == [1]


class _Database:
    """Transactions that draw numbers and commit in any order, as PostgreSQL has them."""

    def __init__(self, luck: random.Random) -> None:
        self.luck = luck
        self.next_xid = 100
        self.next_number = 1
        self.running: dict[int, int] = {}
        self.visible: list[int] = []

    def step(self) -> None:
        """Begin a transaction that draws a number, or end one, by commit or rollback."""
        if not self.running or self.luck.random() < 0.5:
            self.running[self.next_xid] = self.next_number
            self.next_xid += 1
            self.next_number += 1
            return
        number = self.running.pop(self.luck.choice(list(self.running)))
        if self.luck.random() < 0.8:
            self.visible.append(number)

    def look(self, cursor: Cursor, at: float) -> list[int]:
        """Let the cursor read what a snapshot shows now."""
        horizon = Horizon(oldest=min(self.running, default=self.next_xid), next=self.next_xid)
        read = sorted(each for each in self.visible if each > cursor.floor)
        return cursor.take(read, horizon, at)


@given(st.integers())
@settings(deadline=None)
def test_every_commit_is_told_once(seed: int) -> None:
    """Whatever order transactions commit in, each committed event is told exactly once."""
    database = _Database(random.Random(seed))
    cursor = Cursor(0)
    told: list[int] = []
    for at in range(200):
        database.step()
        if database.luck.random() < 0.4:
            told += database.look(cursor, float(at))
    told += database.look(cursor, 1000.0)
    assert sorted(told) == sorted(database.visible)


@given(st.integers())
@settings(deadline=None, max_examples=20)
def test_the_floor_rises(seed: int) -> None:
    """Once all transactions are over the floor reaches the top, so that little is read again."""
    database = _Database(random.Random(seed))
    cursor = Cursor(0)
    for at in range(100):
        database.step()
        database.look(cursor, float(at))
    database.running.clear()
    database.look(cursor, 1000.0)
    database.look(cursor, 2000.0)
    assert cursor.floor == max(database.visible, default=0)
