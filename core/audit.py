"""The audit trail: who did what to which thing and when, in the same commit as the act itself.

Entries are only ever added; the database refuses to change or remove one, and notes each new one
as waiting for its seal (see `sealing`). Details never hold personal data or secrets: they hold
identifiers, clauses and sentences.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    insert,
    select,
)

from core.chain import Entry
from core.database import Identity, Tx, UtcDateTime, metadata
from core.executemany import execute_all

__all__ = ["Entry", "New", "append", "append_all", "canonical", "entries"]

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("act", String(60), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_audit_entry_subject", "subject"),
)

audit_unsealed = Table(
    "audit_unsealed",
    metadata,
    Column("entry_id", Identity, primary_key=True, autoincrement=False),
)
"""The entries that wait for their seal; a trigger adds each new one in its own commit."""

audit_link = Table(
    "audit_link",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_id", ForeignKey("audit_entry.id"), nullable=False, unique=True),
    Column("hash", LargeBinary(32), nullable=False),
)
"""The hash chain: the place of each sealed entry (see `chain`)."""

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("token", Text, nullable=False),
)
"""Signed statements of how far the chain had grown: `token` is a compact JWS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """An entry to be added.

    `actor` is `kind:name` (operator:lan, worker:sweep), `act` a verb with its area
    (certificate.suspend), `subject` the thing acted on (certificate:4F0A.., subscriber:KH00001).
    """

    at: datetime
    actor: str
    act: str
    subject: str
    detail: Mapping[str, Any]


def append(tx: Tx, *, at: datetime, actor: str, act: str, subject: str, **detail: Any) -> None:  # noqa: ANN401 - any JSON value
    """Add one entry in the acting transaction; the fields are those of `New`."""
    append_all(tx, [New(at=at, actor=actor, act=act, subject=subject, detail=detail)])


_ADD = insert(audit_entry)


def append_all(tx: Tx, entries: Sequence[New]) -> None:
    """Add entries in the acting transaction, in this order."""
    rows = [
        {
            "at": each.at,
            "actor": each.actor,
            "act": each.act,
            "subject": each.subject,
            "detail": canonical(each.detail),
        }
        for each in entries
    ]
    execute_all(tx, _ADD, rows)


def entries(tx: Tx, *, subject: str | None = None) -> list[Entry]:
    """Return the entries in the order of their numbers, all or those of one subject."""
    query = select(audit_entry).order_by(audit_entry.c.id)
    if subject is not None:
        query = query.where(audit_entry.c.subject == subject)
    return [Entry(**row._mapping) for row in tx.execute(query)]


def canonical(value: object) -> str:
    """Return `value` as JSON with sorted keys and no blanks: equal values have equal text."""
    return _CANONICAL.encode(value)


_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
)
