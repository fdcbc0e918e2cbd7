"""The changes that the database noted, and the list of entries as it stands."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    case,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from core import serials
from core.database import Tx
from core.reasons import Reason
from crl.entries import Region
from crl.model import Change, Waiting
from crl.tables import crl_change, crl_entry

_T = TypeVar("_T")

_CHUNK = 500
_ROWS = 5_000
# Drawn serials have 16 octets, filled up to 20: the fifth one spreads them over 127 groups.
_SERVER_JOINS_BY: ColumnElement[int] = literal_column("5")
_GROUPS = 16
_URGENT = (Reason.KEY_COMPROMISE, Reason.CA_COMPROMISE)
_WAITING = select(
    func.count(),
    func.min(crl_change.c.since),
    func.coalesce(func.max(case((crl_change.c.reason.in_(_URGENT), 1), else_=0)), 0),
)


def waiting_changes(tx: Tx, issuer_id: int, *, limit: int) -> list[Change]:
    """Return changes that no CRL took in yet, oldest first."""
    query = (
        select(crl_change.c.id, crl_change.c.certificate_id)
        .where(crl_change.c.issuer_id == issuer_id, crl_change.c.number.is_(None))
        .order_by(crl_change.c.id)
        .limit(limit)
    )
    return [Change(**row._mapping) for row in tx.execute(query)]


def waiting(tx: Tx, issuer_id: int, *, told: int) -> Waiting:
    """Return what is known of the changes that CRL number `told` does not tell.

    A change stamped with a higher number was taken in for a CRL that was never stored.
    """
    found = [
        tx.execute(_WAITING.where(crl_change.c.issuer_id == issuer_id, untold)).one()
        for untold in (crl_change.c.number.is_(None), crl_change.c.number > told)
    ]
    return Waiting(
        count=sum(count for count, _oldest, _urgent in found),
        oldest=min((oldest for _count, oldest, _urgent in found if oldest), default=None),
        urgent=any(urgent for _count, _oldest, urgent in found),
    )


def waiting_serials(tx: Tx, issuer_id: int) -> set[int]:
    """Return the serials whose newest change no CRL took in yet."""
    query = select(crl_change.c.serial).where(
        crl_change.c.issuer_id == issuer_id, crl_change.c.number.is_(None)
    )
    return set(tx.execute(query).scalars())


def changed_after(tx: Tx, issuer_id: int, number: int) -> dict[int, datetime | None]:
    """Return the serials that changed after CRL `number`, each with its last change's instant."""
    query = (
        select(crl_change.c.serial, crl_change.c.since)
        .where(crl_change.c.issuer_id == issuer_id, crl_change.c.number > number)
        .order_by(crl_change.c.id)
    )
    return {row.serial: row.since for row in tx.execute(query)}


def stamp(tx: Tx, changes: Sequence[int], number: int) -> int:
    """Stamp waiting changes with the number of the CRL that takes them in; returns how many."""
    stamped = 0
    for chosen in _chunks(changes):
        query = (
            update(crl_change)
            .where(crl_change.c.id.in_(chosen), crl_change.c.number.is_(None))
            .values(number=number)
        )
        stamped += tx.execute(query).rowcount
    return stamped


def drop_entries(tx: Tx, issuer_id: int, gone: Sequence[int]) -> None:
    """Take certificates off the list as it stands."""
    for chosen in _chunks([_key(serial) for serial in gone]):
        tx.execute(
            delete(crl_entry).where(
                crl_entry.c.issuer_id == issuer_id, crl_entry.c.serial.in_(chosen)
            )
        )


def put_entries(tx: Tx, issuer_id: int, lines: Sequence[tuple[int, datetime, bytes]]) -> None:
    """Put certificates onto the list: serial, the certificate's end, the ready entry."""
    if lines:
        rows = [
            {"issuer_id": issuer_id, "serial": _key(serial), "not_after": end, "content": line}
            for serial, end, line in lines
        ]
        tx.execute(insert(crl_entry), rows)


def listed(tx: Tx, issuer_id: int, *, last_regular: datetime | None) -> Iterator[Region]:
    """Yield the ready entries, sorted by serial, some thousand at a time.

    Those whose certificate ended before `last_regular` have left (see `entries.stays`).
    """
    wanted = [crl_entry.c.issuer_id == issuer_id]
    if last_regular is not None:
        wanted.append(crl_entry.c.not_after >= last_regular)
    if tx.dialect.name == "postgresql":
        yield from _joined_by_server(tx, wanted)
        return
    query = select(crl_entry.c.content).where(*wanted).order_by(crl_entry.c.serial)
    rows = tx.execute(query.execution_options(yield_per=_ROWS)).scalars()
    for lines in rows.partitions(_ROWS):
        yield Region(b"".join(lines), len(lines))


def _joined_by_server(tx: Tx, wanted: Sequence[ColumnElement[bool]]) -> Iterator[Region]:
    """Let PostgreSQL join the entries of each first octets: half the time of as many rows."""
    first = func.substring(crl_entry.c.serial, literal_column("1"), _SERVER_JOINS_BY)
    nothing: ColumnElement[bytes] = literal_column("''::bytea")
    in_order = aggregate_order_by(nothing, crl_entry.c.serial)
    joined = func.string_agg(crl_entry.c.content, in_order)
    query = select(joined, func.count()).where(*wanted).group_by(first).order_by(first)
    for content, count in tx.execute(query.execution_options(yield_per=_GROUPS)):
        yield Region(content, count)


def lines_of(
    tx: Tx, issuer_id: int, wanted: Iterable[int], *, last_regular: datetime | None
) -> dict[int, bytes | None]:
    """Return the ready entries of those serials that are on the list, None where it has left."""
    found: dict[int, bytes | None] = {}
    for chosen in _chunks([_key(serial) for serial in wanted]):
        query = select(crl_entry.c.serial, crl_entry.c.not_after, crl_entry.c.content).where(
            crl_entry.c.issuer_id == issuer_id, crl_entry.c.serial.in_(chosen)
        )
        for row in tx.execute(query):
            left = last_regular is not None and row.not_after < last_regular
            found[int.from_bytes(row.serial, "big")] = None if left else row.content
    return found


def _key(serial: int) -> bytes:
    return serial.to_bytes(serials.MOST_BYTES, "big")


def _chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
