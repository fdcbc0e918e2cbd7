"""Rows of a take-over, many at once: certificates of another CA, and how they stand."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from ca.model import Certificate, Standing, Status
from ca.records import certificates, standings
from ca.tables import certificate, hold
from core.database import Tx, chunked


def by_serials(tx: Tx, issuer_id: int, serials: Sequence[int]) -> dict[int, Certificate]:
    """Return those of these serials that one issuer has here."""
    found: dict[int, Certificate] = {}
    for some in chunked(serials):
        query = select(certificate).where(
            certificate.c.issuer_id == issuer_id, certificate.c.serial.in_(some)
        )
        rows = tx.execute(query).all()
        found |= {each.serial: each for each in certificates.with_holds(tx, rows)}
    return found


def add_taken_over(tx: Tx, issuer_id: int, rows: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Add certificates that another CA issued, as good; return the row id of each serial."""
    if not rows:
        return {}
    values = [{"issuer_id": issuer_id, "status": Status.GOOD, **row} for row in rows]
    tx.execute(insert(certificate), values)
    found: dict[int, int] = {}
    for some in chunked(row["serial"] for row in rows):
        query = select(certificate.c.serial, certificate.c.id).where(
            certificate.c.issuer_id == issuer_id, certificate.c.serial.in_(some)
        )
        found |= {row.serial: row.id for row in tx.execute(query)}
    return found


def set_standings(tx: Tx, after: Mapping[int, Standing]) -> None:
    """Write how certificates stand that were good and had no hold, by their rows."""
    rows = [{"row": number, **standings.columns(each)} for number, each in after.items()]
    if rows:
        columns: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "row"}
        tx.execute(
            update(certificate).where(certificate.c.id == bindparam("row")).values(columns), rows
        )
    holds = [
        {
            "certificate_id": number,
            "source": one.source,
            "clause": one.clause,
            "placed_at": one.placed_at,
            "ends_at": one.ends_at,
        }
        for number, each in after.items()
        for one in each.holds
    ]
    if holds:
        tx.execute(insert(hold), holds)
