"""The hash chain over the audit trail: each link binds an entry to all before it. Pure.

The hash at position n is SHA-256 over the hash at n - 1 (32 zero octets before the first) and the
entry's line: JSON in UTF-8 with sorted keys and no blanks. A stand-alone program does the same sum
(deploy/verify_audit.py), so the line's form never changes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the audit trail; `detail` is canonical JSON text."""

    id: int
    at: datetime
    actor: str
    act: str
    subject: str
    detail: str

    def line(self) -> str:
        """The entry as it is hashed and exported; the instant in UTC with microseconds."""
        fields = {
            "act": self.act,
            "actor": self.actor,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "detail": self.detail,
            "id": self.id,
            "subject": self.subject,
        }
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The place of one entry in the chain: positions count from 1 without a gap."""

    position: int
    entry_id: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a chain: how many links it has, and the hash of the last one."""

    position: int
    hash: bytes


START = Head(position=0, hash=bytes(32))
"""The chain that has no link yet."""


def extend(head: Head, entries: Iterable[Entry]) -> Iterator[Link]:
    """Yield the links that follow `head`, one for each entry in the order given."""
    position, previous = head.position, head.hash
    for entry in entries:
        position, previous = position + 1, hash_of(previous, entry)
        yield Link(position=position, entry_id=entry.id, hash=previous)


def hash_of(previous: bytes, entry: Entry) -> bytes:
    """Return the hash of the link that puts `entry` behind the hash `previous`."""
    return hashlib.sha256(previous + entry.line().encode()).digest()
