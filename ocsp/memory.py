"""What one process remembers: statuses and signed answers, and until when they are known true.

The law: nothing from here is told as present truth unless a snapshot of the database that is at
most `LAG_SECONDS` old showed no newer status event for that certificate. `Follower` keeps that
promise by calling `synced` after each look at the events.

What is put in was read from a snapshot. Events that were followed between that snapshot and the
putting would go unnoticed, so whoever reads takes the `generation` first, and what belongs to an
older generation is not kept.
"""

import threading
import time
from collections.abc import Iterable

from ca.model import Entry
from ocsp.bounded import Bounded
from ocsp.model import Answer

LAG_SECONDS = 0.8
"""How old the last look at the database may be, so that a change shows within a second."""

_MOST_FORMS = 4

Key = tuple[int, int]
"""An authority's first issuer row, and a serial."""


class Known:
    """What is remembered of one certificate: its status, and its answers by CertID."""

    __slots__ = ("_used", "entry", "kept")

    def __init__(self, entry: Entry) -> None:
        """Remember the status alone at first."""
        self.entry = entry
        self.kept: tuple[Answer, ...] = ()
        self._used = True

    def find(self, algorithm: bytes) -> Answer | None:
        """Return the answer to the CertID with this hash algorithm."""
        for answer in self.kept:
            if answer.lease.algorithm == algorithm:
                return answer
        return None

    @property
    def used(self) -> bool:
        """Whether it was asked for since this was last set to False, here or by its leases."""
        return self._used or any(each.lease.used for each in self.kept)

    @used.setter
    def used(self, value: bool) -> None:
        self._used = value
        for each in self.kept:
            each.lease.used = value


class Memory:
    """The statuses and answers of at most `most` certificates; read by many threads."""

    def __init__(self, most: int) -> None:
        """Remember nothing yet; nothing is fresh before the first `synced`."""
        self._known: Bounded[Key, Known] = Bounded(most)
        self._lock = threading.Lock()
        self._fresh_until = 0.0
        self.synced_at: float | None = None
        self.generation = 0

    def __len__(self) -> int:
        """Return how many certificates are remembered."""
        return len(self._known)

    def fresh(self) -> bool:
        """Whether what is remembered is known to be true now."""
        return time.monotonic() < self._fresh_until

    def age(self) -> float | None:
        """Return the seconds since the database was last seen, None when it never was."""
        return None if self.synced_at is None else time.monotonic() - self.synced_at

    def find(self, key: Key) -> Known | None:
        """Return what is remembered of a certificate."""
        return self._known.get(key)

    def learn(self, key: Key, entry: Entry, generation: int) -> Known:
        """Remember a status that was read after `generation` was taken; return it either way."""
        known = Known(entry)
        with self._lock:
            if generation == self.generation:
                self._withdraw(self._known.pop(key))
                self._withdraw(self._known.put(key, known))
        return known

    def keep(self, key: Key, known: Known, answer: Answer) -> None:
        """Keep an answer that was signed for `known`; withdraw it when that is past already."""
        form = answer.lease.algorithm
        with self._lock:
            if self._known.get(key) is not known:
                answer.lease.withdraw()
                return
            others = [each for each in known.kept if each.lease.algorithm != form]
            stay = others[-_MOST_FORMS + 1 :]
            for each in known.kept:
                if not any(each is other for other in stay):
                    each.lease.withdraw()
            known.kept = (*stay, answer)

    def synced(self, began: float, changed: Iterable[Key]) -> None:
        """Forget what changed; the rest was true at `began` (time.monotonic seconds)."""
        keys = list(changed)
        with self._lock:
            if keys:
                self.generation += 1
            for key in keys:
                self._withdraw(self._known.pop(key))
            self.synced_at = began
            self._fresh_until = began + LAG_SECONDS

    def _withdraw(self, known: Known | None) -> None:
        if known is not None:
            for each in known.kept:
                each.lease.withdraw()
