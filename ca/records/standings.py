"""Where certificates stand: the columns of their row, and the rows of their holds."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from ca.model import Certificate, Hold, HoldSource, Standing
from ca.tables import certificate, hold
from core.database import Tx


def set_standing(tx: Tx, before: Certificate, after: Standing) -> None:
    """Write a certificate's new standing: its row, new holds, lifted holds."""
    row_id = before.id
    tx.execute(update(certificate).where(certificate.c.id == row_id).values(**columns(after)))
    for each in after.holds:
        if each.source not in before.standing.sources:
            insert_hold(tx, row_id, each)


def extend_hold(tx: Tx, certificate_id: int, source: HoldSource, ends_at: datetime | None) -> None:
    """Give the open hold of `source` another end."""
    tx.execute(
        update(hold)
        .where(
            hold.c.certificate_id == certificate_id,
            hold.c.source == source,
            hold.c.lifted_at.is_(None),
        )
        .values(ends_at=ends_at)
    )


def holds_ended(tx: Tx, now: datetime) -> list[tuple[int, HoldSource]]:
    """Return certificate and source of the open holds whose end has come, soonest first.

    Certificates that expired meanwhile are left out: they take no further act.
    """
    query = (
        select(hold.c.certificate_id, hold.c.source)
        .join(certificate, certificate.c.id == hold.c.certificate_id)
        .where(hold.c.lifted_at.is_(None), hold.c.ends_at <= now, certificate.c.not_after >= now)
        .order_by(hold.c.ends_at, hold.c.id)
    )
    return [(row.certificate_id, HoldSource(row.source)) for row in tx.execute(query)]


def held_by(tx: Tx, source: HoldSource) -> list[int]:
    """Return the certificates that a hold of this source keeps open, longest first."""
    query = select(hold.c.certificate_id).where(hold.c.source == source, hold.c.lifted_at.is_(None))
    return list(tx.execute(query.order_by(hold.c.placed_at, hold.c.id)).scalars())


def set_confirmed(tx: Tx, certificate_id: int, at: datetime) -> None:
    """Record when the subscriber confirmed a certificate; the database lets it be said once."""
    tx.execute(
        update(certificate).where(certificate.c.id == certificate_id).values(confirmed_at=at)
    )


def lift_holds(tx: Tx, certificate_id: int, sources: Iterable[HoldSource], at: datetime) -> None:
    """Close the open holds of these sources at `at`; the rows stay as history."""
    tx.execute(
        update(hold)
        .where(
            hold.c.certificate_id == certificate_id,
            hold.c.source.in_([source.value for source in sources]),
            hold.c.lifted_at.is_(None),
        )
        .values(lifted_at=at)
    )


def insert_hold(tx: Tx, certificate_id: int, each: Hold) -> None:
    """Add the row of a hold that opens."""
    tx.execute(
        insert(hold).values(
            certificate_id=certificate_id,
            source=each.source,
            clause=each.clause,
            placed_at=each.placed_at,
            ends_at=each.ends_at,
        )
    )


def columns(standing: Standing) -> dict[str, Any]:
    """Return what the certificate's row says of its standing."""
    return {
        "status": standing.status,
        "reason": standing.reason,
        "since": standing.since,
        "invalidity_date": standing.invalidity_date,
    }
