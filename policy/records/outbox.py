"""Notices that wait to be sent to subscribers; never commits."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from core.database import Tx
from core.errors import NotFound
from policy.records.batches import batches
from policy.tables import notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message of the outbox; `values` is JSON text without personal data.

    `due_at` is when it is to be tried next, None when nothing is left to do. `trouble` is the
    sentence that says why no text can be made of it, empty when one can.
    """

    id: int
    subscriber_id: str
    template: str
    values: str
    queued_at: datetime
    due_at: datetime | None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """A message to be queued."""

    subscriber_id: str
    template: str
    values: str
    queued_at: datetime


def add_notice(tx: Tx, subscriber_id: str, template: str, values: str, queued_at: datetime) -> None:
    """Queue a message to a subscriber, to be sent at once."""
    new = New(subscriber_id=subscriber_id, template=template, values=values, queued_at=queued_at)
    add_notices(tx, [new])


def add_notices(tx: Tx, messages: Iterable[New]) -> None:
    """Queue messages, to be sent at once."""
    rows = [{**asdict(each), "due_at": each.queued_at} for each in messages]
    if rows:
        tx.execute(insert(notice), rows)


def due_notices(tx: Tx, now: datetime, most: int) -> list[Notice]:
    """Return up to `most` messages whose time has come, oldest first, locked."""
    query = (
        select(notice)
        .where(notice.c.due_at <= now)
        .order_by(notice.c.due_at, notice.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [Notice(**row._mapping) for row in tx.execute(query)]


def notices(
    tx: Tx, *, subscriber: str | None = None, waiting: bool = False, most: int = 1000
) -> list[Notice]:
    """Return up to `most` messages, oldest first: all, those of one subscriber, those that wait."""
    query = select(notice).order_by(notice.c.id).limit(most)
    if subscriber is not None:
        query = query.where(notice.c.subscriber_id == subscriber)
    if waiting:
        query = query.where(notice.c.due_at.is_not(None))
    return [Notice(**row._mapping) for row in tx.execute(query)]


def notice_named(tx: Tx, notice_id: int, *, lock: bool = False) -> Notice:
    """Return one message; raises NotFound."""
    query = select(notice).where(notice.c.id == notice_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no notice with the number {notice_id}.")
    return Notice(**row._mapping)


def troubled_notices(tx: Tx) -> list[Notice]:
    """Return the messages that no text can be made of, oldest first."""
    query = select(notice).where(notice.c.trouble != "").order_by(notice.c.id)
    return [Notice(**row._mapping) for row in tx.execute(query)]


def schedule(tx: Tx, notices: Iterable[int], due_at: datetime | None, *, trouble: str = "") -> None:
    """Set when these messages are tried next, and what stands in their way."""
    for ids in batches(notices):
        tx.execute(
            update(notice).where(notice.c.id.in_(ids)).values(due_at=due_at, trouble=trouble)
        )
