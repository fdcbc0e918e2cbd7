"""The responder's queries: a transaction in, values out; never commits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ca.model import Entry
from core.database import Tx
from ocsp.tables import ocsp_reserve, ocsp_reserve_part

ALGORITHMS = ("sha1", "sha256")
"""The hashes of CertIDs that answers are signed for beforehand: what clients send."""

PARTS = 32
_LAST_OCTET = 0xFF


def octets_of(part: int) -> range:
    """Return the first octets of the serials in one part of the reserve (0 to 31)."""
    width = (_LAST_OCTET + 1) // PARTS
    # No stored serial begins with 0: they are kept without leading zeros.
    return range(max(1, part * width), (part + 1) * width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """An answer signed beforehand, and the standing that it tells.

    `signer` is the SHA-256 of the responder's certificate, whose octets are not repeated in
    `head`; `issuer_id` the first row of the authority.
    """

    issuer_id: int
    serial: int
    algorithm: str
    status: str
    reason: str | None
    since: datetime | None
    this_update: datetime
    next_update: datetime
    signer: bytes
    head: bytes

    def tells(self, entry: Entry) -> bool:
        """Whether the certificate still stands as it stood when this was signed."""
        return (self.status, self.reason, self.since) == (entry.status, entry.reason, entry.since)


_FIND = select(ocsp_reserve).where(
    ocsp_reserve.c.issuer_id == bindparam("issuer_id"),
    ocsp_reserve.c.serial == bindparam("serial"),
    ocsp_reserve.c.algorithm == bindparam("algorithm"),
)


def find(tx: Tx, issuer_id: int, serial: int, algorithm: str) -> Reserved | None:
    """Return the answer in reserve for one certificate and hash."""
    key = {"issuer_id": issuer_id, "serial": serial, "algorithm": algorithm}
    row = tx.execute(_FIND, key).one_or_none()
    return None if row is None else Reserved(**row._mapping)


def of_serials(tx: Tx, issuer_id: int, serials: Sequence[int]) -> dict[tuple[int, str], Reserved]:
    """Return what is in reserve for these serials, by serial and hash."""
    query = select(ocsp_reserve).where(
        ocsp_reserve.c.issuer_id == issuer_id, ocsp_reserve.c.serial.in_(serials)
    )
    found = (Reserved(**row._mapping) for row in tx.execute(query))
    return {(each.serial, each.algorithm): each for each in found}


def of_part(tx: Tx, issuer_id: int, part: int) -> dict[int, list[Reserved]]:
    """Return what is in one part of the reserve, by serial."""
    octets = octets_of(part)
    query = select(ocsp_reserve).where(
        ocsp_reserve.c.issuer_id == issuer_id, ocsp_reserve.c.serial >= octets.start
    )
    if octets.stop <= _LAST_OCTET:
        query = query.where(ocsp_reserve.c.serial < octets.stop)
    found: dict[int, list[Reserved]] = {}
    for row in tx.execute(query):
        each = Reserved(**row._mapping)
        found.setdefault(each.serial, []).append(each)
    return found


def put(tx: Tx, answers: Iterable[Reserved]) -> None:
    """Keep these answers in place of those that were kept for the same certificate and hash."""
    rows = [
        {column.name: getattr(each, column.name) for column in ocsp_reserve.c} for each in answers
    ]
    if not rows:
        return
    dialect: Any = sqlite if tx.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(ocsp_reserve)
    key = [column.name for column in ocsp_reserve.primary_key]
    changed = {
        column.name: statement.excluded[column.name]
        for column in ocsp_reserve.c
        if not column.primary_key
    }
    tx.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)


def drop_ended(tx: Tx, before: datetime) -> int:
    """Remove the answers whose nextUpdate lies before `before`; return how many there were."""
    return tx.execute(delete(ocsp_reserve).where(ocsp_reserve.c.next_update < before)).rowcount


def count(tx: Tx) -> int:
    """Return how many answers are in reserve."""
    return int(tx.execute(select(func.count()).select_from(ocsp_reserve)).scalar_one())


# --- parts -----------------------------------------------------------------------------------


def add_parts(tx: Tx, issuer_id: int, due_at: datetime) -> None:
    """Divide an issuer's reserve into its parts, all due at `due_at`; once and for all."""
    known = select(func.count()).where(ocsp_reserve_part.c.issuer_id == issuer_id)
    if tx.execute(known).scalar_one() == 0:
        rows = [{"issuer_id": issuer_id, "part": part, "due_at": due_at} for part in range(PARTS)]
        tx.execute(insert(ocsp_reserve_part), rows)


def claim_part(tx: Tx, now: datetime, until: datetime) -> tuple[int, int] | None:
    """Claim the part that has been due for longest; return its issuer row and number.

    Several workers share the parts: what one has claimed the others leave alone until `until`.
    """
    query = (
        select(ocsp_reserve_part.c.issuer_id, ocsp_reserve_part.c.part)
        .where(
            ocsp_reserve_part.c.due_at <= now,
            or_(
                ocsp_reserve_part.c.claimed_until.is_(None),
                ocsp_reserve_part.c.claimed_until <= now,
            ),
        )
        .order_by(
            ocsp_reserve_part.c.due_at,
            ocsp_reserve_part.c.issuer_id,
            ocsp_reserve_part.c.part,
        )
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    _set_part(tx, row.issuer_id, row.part, {"claimed_until": until})
    return row.issuer_id, row.part


def release_part(tx: Tx, issuer_id: int, part: int, due_at: datetime) -> None:
    """Give a claimed part back; it is due again at `due_at`."""
    _set_part(tx, issuer_id, part, {"claimed_until": None, "due_at": due_at})


def oldest_due(tx: Tx) -> datetime | None:
    """Return since when the most overdue part is due, or when the first will be."""
    oldest: datetime | None = tx.execute(select(func.min(ocsp_reserve_part.c.due_at))).scalar_one()
    return oldest


def _set_part(tx: Tx, issuer_id: int, part: int, values: dict[str, object]) -> None:
    here = and_(ocsp_reserve_part.c.issuer_id == issuer_id, ocsp_reserve_part.c.part == part)
    tx.execute(update(ocsp_reserve_part).where(here).values(**values))
