"""What publication follows: the standing of one serial, of all that are not good, and changes."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, func, select, text

from ca.model import Change, Entry, Horizon, Stage, Status
from ca.tables import certificate, status_event
from core.database import Tx
from core.reasons import Reason


def last_event_id(tx: Tx) -> int:
    """Return the number of the newest status event, 0 when there is none."""
    newest: int = tx.execute(select(func.coalesce(func.max(status_event.c.id), 0))).scalar_one()
    return newest


_BATCH = 500
_LAST_OCTET = 0xFF

_ENTRY_COLUMNS = (
    certificate.c.serial, certificate.c.stage, certificate.c.status, certificate.c.reason,
    certificate.c.since, certificate.c.invalidity_date, certificate.c.not_after,
)  # fmt: skip
_ENTRY = select(*_ENTRY_COLUMNS).where(
    certificate.c.issuer_id == bindparam("issuer_id"), certificate.c.serial == bindparam("serial")
)


def entry(tx: Tx, issuer_id: int, serial: int) -> Entry | None:
    """Return what OCSP must know of one serial of one issuer; None when it was never issued."""
    row = tx.execute(_ENTRY, {"issuer_id": issuer_id, "serial": serial}).one_or_none()
    return None if row is None else _entry(row)


def entries_not_good(tx: Tx, issuer_id: int) -> Iterator[Entry]:
    """Yield every held or revoked certificate of one issuer, also expired, by serial bytes."""
    query = (
        select(*_ENTRY_COLUMNS)
        .where(certificate.c.issuer_id == issuer_id, certificate.c.status != Status.GOOD)
        .order_by(certificate.c.serial)
        .execution_options(yield_per=5000)
    )
    for row in tx.execute(query):
        yield _entry(row)


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    return Entry(
        serial=row.serial,
        stage=Stage(row.stage),
        status=Status(row.status),
        reason=None if row.reason is None else Reason(row.reason),
        since=row.since,
        invalidity_date=row.invalidity_date,
        not_after=row.not_after,
    )


def event_numbers(tx: Tx, after: int) -> list[int]:
    """Return the numbers above `after` of the status events that this transaction sees, sorted.

    On PostgreSQL a lower number may become visible after a higher one: numbers are drawn before
    the commit. Who follows the events reads again from below; see `horizon`.
    """
    query = select(status_event.c.id).where(status_event.c.id > after).order_by(status_event.c.id)
    return list(tx.execute(query).scalars())


def changes(tx: Tx, numbers: Sequence[int]) -> list[Change]:
    """Return which certificates these status events are about, sorted by the event."""
    found: list[Change] = []
    for start in range(0, len(numbers), _BATCH):
        query = (
            select(status_event.c.id, certificate.c.issuer_id, certificate.c.serial)
            .join(certificate, certificate.c.id == status_event.c.certificate_id)
            .where(status_event.c.id.in_(numbers[start : start + _BATCH]))
            .order_by(status_event.c.id)
        )
        found += [
            Change(event=row.id, issuer_id=row.issuer_id, serial=row.serial)
            for row in tx.execute(query)
        ]
    return found


def horizon(tx: Tx) -> Horizon | None:
    """Return which transactions this snapshot takes for finished; None where writers queue.

    SQLite has one writer at a time, so numbers become visible in order.
    """
    if tx.dialect.name == "sqlite":
        return None
    row = tx.execute(_SNAPSHOT).one()
    return Horizon(oldest=row.oldest, next=row.next)


_SNAPSHOT = text(
    "SELECT pg_snapshot_xmin(s)::text::bigint AS oldest, pg_snapshot_xmax(s)::text::bigint AS next"
    " FROM pg_current_snapshot() s"
)


def live(tx: Tx, issuer_id: int, octets: range) -> list[Entry]:
    """Return the issued certificates of one issuer whose serial's first octet is in `octets`.

    Serials are drawn at random, so that their first octets part them evenly.
    """
    query = (
        select(*_ENTRY_COLUMNS)
        .where(
            certificate.c.issuer_id == issuer_id,
            certificate.c.stage == Stage.ISSUED,
            # The stored octets compare from the first on: 0x41 <= 0x41.. < 0x42.
            certificate.c.serial >= octets.start,
        )
        .order_by(certificate.c.serial)
    )
    if octets.stop <= _LAST_OCTET:
        query = query.where(certificate.c.serial < octets.stop)
    return [_entry(row) for row in tx.execute(query)]
