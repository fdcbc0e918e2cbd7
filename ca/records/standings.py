"""Where certificates stand: the columns of their row, and the rows of their holds."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update

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
