"""What differs between two lists of entries; pure.

Lists are walked side by side in the order of their serials, so that a million entries need no more
memory than the lists themselves.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from core import serials
from crl.entries import REMOVAL
from crl.reading import serial_octets, serial_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The entries that only one list has, and the pairs that differ, each as DER, by serial.

    `disorder` holds serials of the second list that are not above the one before them.
    """

    removed: dict[int, bytes] = field(default_factory=dict)
    added: dict[int, bytes] = field(default_factory=dict)
    changed: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    disorder: set[int] = field(default_factory=set)

    @property
    def serials(self) -> set[int]:
        """Every serial that differs."""
        return {*self.removed, *self.added, *self.changed}


def compare(before: Iterable[bytes], after: Iterable[bytes]) -> Difference:
    """Return what differs between two lists of entries.

    The first is sorted by serial, strictly; the second is found out when it is not.
    """
    found = Difference()
    olds, news = iter(before), iter(after)
    old, new = next(olds, None), next(news, None)
    last = b""
    while old is not None and new is not None:
        if old == new:
            # What equals the first list is in its order: only what differs is looked at.
            last = new
            old, new = next(olds, None), next(news, None)
            continue
        first, second = serial_order(old), serial_order(new)
        if first < second:
            found.removed[_serial(old)] = old
            old = next(olds, None)
            continue
        if first == second:
            found.changed[_serial(old)] = (old, new)
            old = next(olds, None)
        else:
            found.added[_serial(new)] = new
        last = _step(found, last, new)
        new = next(news, None)
    if old is not None:
        found.removed.update((_serial(line), line) for line in (old, *olds))
    while new is not None:
        found.added[_serial(new)] = new
        last = _step(found, last, new)
        new = next(news, None)
    return found


def _step(found: Difference, last: bytes, line: bytes) -> bytes:
    """Note a line that does not come after the last one; returns the line."""
    if last and serial_order(line) <= serial_order(last):
        found.disorder.add(_serial(line))
    return line


def combine(base: Iterable[bytes], delta: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the list that a client has who applies a delta to its base (RFC 5280 5.2.4)."""
    bases, deltas = iter(base), iter(delta)
    old, new = next(bases, None), next(deltas, None)
    while old is not None and new is not None:
        first, second = serial_order(old), serial_order(new)
        if first < second:
            yield old
            old = next(bases, None)
            continue
        if first == second:
            old = next(bases, None)
        if not is_removal(new):
            yield new
        new = next(deltas, None)
    if old is not None:
        yield old
        yield from bases
    if new is not None:
        yield from (line for line in (new, *deltas) if not is_removal(line))


def is_removal(line: bytes) -> bool:
    """Whether an entry of ours has the reason removeFromCRL, which only deltas know (5.3.1)."""
    return line.endswith(REMOVAL)


def _serial(line: bytes) -> int:
    return serials.from_bytes(serial_octets(line))
