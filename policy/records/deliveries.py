"""How notices fared on each channel, and which are published instead; never commits."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from core.database import Tx
from policy.delivery import PUBLISHED, Delivery, State
from policy.records.batches import batches
from policy.records.outbox import Notice
from policy.tables import notice_delivery, notice_publication


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A notice that reached nobody; `serial` is hex, empty when it is about no certificate."""

    notice_id: int
    subscriber_id: str
    serial: str
    template: str
    queued_at: datetime
    published_at: datetime


def deliveries_of(tx: Tx, notices: Iterable[int]) -> dict[int, list[Delivery]]:
    """Return the deliveries of these notices by notice, in the order in which they were begun."""
    wanted = list(notices)
    found: dict[int, list[Delivery]] = {each: [] for each in wanted}
    order = (notice_delivery.c.begun_at, notice_delivery.c.channel)
    for ids in batches(wanted):
        query = select(notice_delivery).where(notice_delivery.c.notice_id.in_(ids))
        for row in tx.execute(query.order_by(*order)):
            values = {**row._mapping, "state": State(row.state)}
            found[row.notice_id].append(Delivery(**values))
    return found


def put_delivery(tx: Tx, delivery: Delivery) -> None:
    """Record how a notice stands on a channel."""
    table, values = notice_delivery, asdict(delivery)
    changed = tx.execute(
        update(table)
        .where(table.c.notice_id == delivery.notice_id, table.c.channel == delivery.channel)
        .values(values)
    )
    if changed.rowcount == 0:
        tx.execute(insert(table).values(values))


def count_states(tx: Tx) -> dict[str, int]:
    """Return how many deliveries are in each state."""
    query = select(notice_delivery.c.state, func.count()).group_by(notice_delivery.c.state)
    return {row[0]: row[1] for row in tx.execute(query)}


def publish(tx: Tx, notice: Notice, serial: str, at: datetime) -> None:
    """Say on the look-up site that a notice could not be delivered."""
    row = Publication(
        notice_id=notice.id,
        subscriber_id=notice.subscriber_id,
        serial=serial,
        template=notice.template,
        queued_at=notice.queued_at,
        published_at=at,
    )
    tx.execute(insert(notice_publication).values(asdict(row)))


def withdraw(tx: Tx, notice_id: int) -> None:
    """Take a notice from the look-up site, if it is there."""
    of_notice = notice_delivery.c.notice_id == notice_id
    tx.execute(delete(notice_delivery).where(of_notice, notice_delivery.c.channel == PUBLISHED))
    tx.execute(delete(notice_publication).where(notice_publication.c.notice_id == notice_id))


def published_of_serial(tx: Tx, serial: str) -> list[Publication]:
    """Return the published notices about a certificate, oldest first."""
    return _publications(tx, notice_publication.c.serial == serial)


def published_of_subscriber(tx: Tx, subscriber: str) -> list[Publication]:
    """Return the published notices to a subscriber, oldest first."""
    return _publications(tx, notice_publication.c.subscriber_id == subscriber)


def _publications(tx: Tx, condition: object) -> list[Publication]:
    query = select(notice_publication).where(condition)  # type: ignore[arg-type] # a column's test
    rows = tx.execute(query.order_by(notice_publication.c.notice_id))
    return [Publication(**row._mapping) for row in rows]
