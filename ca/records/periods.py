"""What lived and what happened in a span of time, read piece by piece for sheets and reports."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from sqlalchemy import or_, select

from ca.model import Act, Certificate, Stage, Status, StatusEvent, Succession
from ca.records.acts import event_of
from ca.records.certificates import certificates, with_holds
from ca.tables import certificate, status_event, succession
from core.database import Tx, chunked

_PIECE = 500


def alive(
    tx: Tx, begin: datetime, end: datetime, profiles: Collection[str]
) -> Iterator[list[Certificate]]:
    """Yield, in pieces, the issued certificates of these profiles that were valid in the span.

    `end` is not part of it. Whether they were good is told by their events.
    """
    last = 0
    while True:
        query = certificates().where(
            certificate.c.id > last,
            certificate.c.stage == Stage.ISSUED,
            certificate.c.profile.in_(list(profiles)),
            certificate.c.not_before < end,
            certificate.c.not_after >= begin,
        )
        rows = tx.execute(query.order_by(certificate.c.id).limit(_PIECE)).all()
        if not rows:
            return
        yield with_holds(tx, rows)
        last = rows[-1].id


def events_of(tx: Tx, certificate_ids: Iterable[int]) -> dict[int, list[StatusEvent]]:
    """Return the history of each of these certificates, oldest first."""
    found: dict[int, list[StatusEvent]] = {}
    for some in chunked(certificate_ids):
        query = select(status_event).where(status_event.c.certificate_id.in_(some))
        for row in tx.execute(query.order_by(status_event.c.id)):
            found.setdefault(row.certificate_id, []).append(event_of(row))
    return found


def events_between(
    tx: Tx, begin: datetime, end: datetime, acts: Collection[Act]
) -> Iterator[list[StatusEvent]]:
    """Yield, in pieces and in their order, the events of these acts in the span, without `end`."""
    last = 0
    while True:
        query = select(status_event).where(
            status_event.c.id > last,
            status_event.c.at >= begin,
            status_event.c.at < end,
            status_event.c.act.in_([act.value for act in acts]),
        )
        rows = tx.execute(query.order_by(status_event.c.id).limit(_PIECE)).all()
        if not rows:
            return
        yield [event_of(row) for row in rows]
        last = rows[-1].id


def ending(
    tx: Tx, after: datetime, after_id: int, *, until: datetime, most: int
) -> list[Certificate]:
    """Return up to `most` good certificates that end next, soonest first: `until` at the latest.

    They come after the end `after` and, among equal ends, after the row `after_id`. One that has a
    successor that lives is left out.
    """
    later = certificate.alias()
    replaced = (
        select(succession.c.successor_id)
        .join(later, later.c.id == succession.c.successor_id)
        .where(succession.c.predecessor_id == certificate.c.id, later.c.status != Status.REVOKED)
    )
    query = certificates().where(
        certificate.c.not_after.between(after, until),  # this is what the index is asked for
        or_(certificate.c.not_after > after, certificate.c.id > after_id),
        certificate.c.stage == Stage.ISSUED,
        certificate.c.status == Status.GOOD,
        ~replaced.exists(),
    )
    order = (certificate.c.not_after, certificate.c.id)
    return with_holds(tx, tx.execute(query.order_by(*order).limit(most)).all())


def renewals(tx: Tx, certificate_ids: Iterable[int]) -> set[int]:
    """Return those of these certificates that renew an older one, with the same key and data."""
    found: set[int] = set()
    for some in chunked(certificate_ids):
        query = select(succession.c.successor_id).where(
            succession.c.successor_id.in_(some), succession.c.kind == Succession.RENEWAL
        )
        found.update(tx.execute(query).scalars())
    return found
