"""How far each stage of renewal reminders came; never commits."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, select, update

from core.database import Tx
from policy.tables import renewal_mark

LAST = 2**62
"""Greater than every row number."""


class Mark(NamedTuple):
    """A place in the order of certificates by their ends; equal ends are ordered by their rows."""

    not_after: datetime
    certificate_id: int


def mark_of(tx: Tx, stage: int, *, lock: bool = False) -> Mark | None:
    """Return how far a stage came, locked if wished; None before its first reminder."""
    query = select(renewal_mark).where(renewal_mark.c.stage == stage)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else Mark(row.not_after, row.certificate_id)


def put_mark(tx: Tx, stage: int, mark: Mark) -> None:
    """Record how far a stage came."""
    values = mark._asdict()
    changed = tx.execute(update(renewal_mark).where(renewal_mark.c.stage == stage).values(values))
    if changed.rowcount == 0:
        tx.execute(insert(renewal_mark).values(stage=stage, **values))
