"""Lists of whose personal data is to be erased, in the database; never commits."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from core.database import Tx
from core.errors import NotFound
from policy.tables import contact_proof, erasure, lookup_code, representation


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One list, and who made it."""

    id: int
    subscribers: tuple[str, ...]
    asked_by: str


def add(tx: Tx, names: Sequence[str], actor: str, at: datetime) -> int:
    """Record a list; return its number."""
    values = {"subscribers": json.dumps(list(names)), "asked_by": actor, "asked_at": at}
    key = tx.execute(insert(erasure).values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def named(tx: Tx, number: int) -> Erasure:
    """Return a list, locked; raises NotFound."""
    row = tx.execute(select(erasure).where(erasure.c.id == number).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"There is no list of erasures number {number}.")
    return Erasure(id=row.id, subscribers=tuple(json.loads(row.subscribers)), asked_by=row.asked_by)


def approve(tx: Tx, number: int, actor: str, at: datetime) -> None:
    """Record who approved a list."""
    values = {"approved_by": actor, "approved_at": at}
    tx.execute(update(erasure).where(erasure.c.id == number).values(**values))


def forget_proofs(tx: Tx, subscriber_id: str) -> None:
    """Remove a subscriber's representations, proofs of contacts and look-up code."""
    for table in (representation, contact_proof, lookup_code):
        tx.execute(delete(table).where(table.c.subscriber_id == subscriber_id))
