"""Messages that wait to be written to subscribers; never commits."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update

from core.database import Tx
from policy.records.batches import batches
from policy.tables import notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message of the outbox; `values` is JSON text without personal data."""

    id: int
    subscriber_id: str
    template: str
    values: str
    queued_at: datetime
    written_at: datetime | None


def add_notice(tx: Tx, subscriber_id: str, template: str, values: str, queued_at: datetime) -> None:
    """Queue a message to a subscriber."""
    tx.execute(
        insert(notice).values(
            subscriber_id=subscriber_id, template=template, values=values, queued_at=queued_at
        )
    )


def unwritten_notices(tx: Tx, most: int) -> list[Notice]:
    """Return up to `most` messages that are not written yet, oldest first, locked."""
    query = (
        select(notice)
        .where(notice.c.written_at.is_(None))
        .order_by(notice.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [Notice(**row._mapping) for row in tx.execute(query)]


def mark_written(tx: Tx, notices: Iterable[int], at: datetime) -> None:
    """Record that these messages were written."""
    for ids in batches(notices):
        tx.execute(update(notice).where(notice.c.id.in_(ids)).values(written_at=at))


def last_told(tx: Tx, subscribers: Iterable[str]) -> dict[str, datetime]:
    """Return when each of these subscribers was last sent a message, if ever."""
    found: dict[str, datetime] = {}
    for names in batches(subscribers):
        query = (
            select(notice.c.subscriber_id, func.max(notice.c.queued_at))
            .where(notice.c.subscriber_id.in_(names))
            .group_by(notice.c.subscriber_id)
        )
        found.update((row[0], row[1]) for row in tx.execute(query))
    return found
