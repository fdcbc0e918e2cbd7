"""A dictionary with a bound that keeps what is asked for: the CLOCK algorithm.

A hand goes round over the keys. What was used since it last came by is spared once; the first that
was not makes room. Reading takes no lock; writers bring their own.
"""

from typing import Generic, Protocol, TypeVar


class Used(Protocol):
    """What can be kept: it remembers whether it was used."""

    used: bool


K = TypeVar("K")
V = TypeVar("V", bound=Used)

_MOST_SPARED = 64


class Bounded(Generic[K, V]):
    """At most `most` values by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[K, V] = {}
        self._ring: list[K] = []
        self._hand = 0

    def __len__(self) -> int:
        """Return how many values are kept."""
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return the value of `key` and mark it as used; None without one."""
        value = self._values.get(key)
        if value is not None:
            value.used = True
        return value

    def put(self, key: K, value: V) -> V | None:
        """Keep `value`; return the one that had to make room, if any did."""
        gone = None
        if key not in self._values:
            gone = self._place(key)
        self._values[key] = value
        return gone

    def pop(self, key: K) -> V | None:
        """Remove and return the value of `key`; its place on the ring is found empty later."""
        return self._values.pop(key, None)

    def _place(self, key: K) -> V | None:
        """Put `key` on the ring, where there is room or where the hand makes some."""
        if len(self._ring) < self._most:
            self._ring.append(key)
            return None
        for _ in range(_MOST_SPARED):
            value = self._values.get(self._ring[self._hand])
            if value is None or not value.used:
                break
            value.used = False
            self._hand = (self._hand + 1) % self._most
        gone = self._values.pop(self._ring[self._hand], None)
        self._ring[self._hand] = key
        self._hand = (self._hand + 1) % self._most
        return gone
