"""Follows numbered events without losing one, pure: what was read in, what is new out.

A database draws an event's number before the commit. On PostgreSQL a transaction may therefore
commit number 103 after 105 was seen, so "everything above the last number" would miss it. The
cursor reads again from a floor, and raises the floor only over numbers that are settled:

    a checkpoint is the highest number seen, with the first transaction that had not begun to
    write; once every transaction before that one is over, no lower number can appear any more

A writer draws the number after it has written in the same transaction (it locks the certificate's
row first), so its transaction is among those that the snapshot knows. `_MARGIN` covers a writer
that does not.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ca.model import Horizon

_MARGIN = 2.0
_WINDOW = 10_000


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    highest: int
    next: int
    at: float


class Cursor:
    """How far one follower has read; `floor` is the number after which it must read again."""

    def __init__(self, newest: int) -> None:
        """Begin at the newest number; what is open then and drew a number before is seen later.

        Numbers as far as `_WINDOW` below are read again: a transaction would have to stay open
        while that many others commit to be missed at the start.
        """
        self.floor = max(0, newest - _WINDOW)
        self._seen: set[int] = set()
        self._open: deque[_Checkpoint] = deque()

    def take(self, read: Sequence[int], horizon: Horizon | None, at: float) -> list[int]:
        """Return those of `read` that are new; move the floor.

        `read` is every number above the floor in one snapshot, sorted, `horizon` that snapshot's
        (None when numbers become visible in order), `at` the time in seconds that only grows.
        """
        new = [each for each in read if each not in self._seen]
        self._seen.update(new)
        highest = read[-1] if read else self.floor
        if horizon is None:
            self._settle(highest)
            return new
        if not self._open or self._open[-1].highest < highest:
            self._open.append(_Checkpoint(highest, horizon.next, at))
        while self._open and self._settled(self._open[0], horizon, at):
            self._settle(self._open.popleft().highest)
        return new

    def _settled(self, checkpoint: _Checkpoint, horizon: Horizon, at: float) -> bool:
        return checkpoint.next <= horizon.oldest and checkpoint.at + _MARGIN <= at

    def _settle(self, number: int) -> None:
        if number > self.floor:
            self.floor = number
            self._seen = {each for each in self._seen if each > number}
