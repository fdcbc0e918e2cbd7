"""What differs between two lists of entries; pure.

Both lists are walked side by side in the order of their serials, so that a million entries need no
more memory than the two lists themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from core import serials
from crl.reading import serial_octets


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The entries that only one list has, and the pairs that differ, each as DER, by serial."""

    removed: dict[int, bytes] = field(default_factory=dict)
    added: dict[int, bytes] = field(default_factory=dict)
    changed: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.removed or self.added or self.changed)


def compare(before: Iterable[bytes], after: Iterable[bytes]) -> Difference:
    """Return what differs between two lists of entries, both sorted by serial."""
    found = Difference()
    olds, news = iter(before), iter(after)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if old == new:
            old, new = next(olds, None), next(news, None)
            continue
        order = _order(old, new)
        if order < 0 and old is not None:
            found.removed[_serial(old)] = old
            old = next(olds, None)
        elif order > 0 and new is not None:
            found.added[_serial(new)] = new
            new = next(news, None)
        elif old is not None and new is not None:
            found.changed[_serial(old)] = (old, new)
            old, new = next(olds, None), next(news, None)
    return found


def _order(old: bytes | None, new: bytes | None) -> int:
    """Below zero when `old` comes first, above when `new` does, zero when the serials are equal."""
    if old is None:
        return 1
    if new is None:
        return -1
    left, right = serial_octets(old), serial_octets(new)
    first, second = (len(left), left), (len(right), right)
    return (first > second) - (first < second)


def _serial(line: bytes) -> int:
    return serials.from_bytes(serial_octets(line))
