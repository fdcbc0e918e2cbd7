"""The queries of publication: a transaction in, values out; never commits."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row, Select, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from core import serials
from core.database import Tx
from core.errors import NotFound, Refused
from core.reasons import Reason
from crl.model import WHOLE, Change, Crl, Kind, Waiting
from crl.tables import crl, crl_change, crl_entry, crl_part, crl_publication, crl_sequence

_T = TypeVar("_T")

_CHUNK = 500
_ROWS = 5_000
_URGENT = (Reason.KEY_COMPROMISE, Reason.CA_COMPROMISE)
_PART = 4 * 1024 * 1024


# --- numbers ---------------------------------------------------------------------------------


def reserve(tx: Tx, issuer_id: int, *, partitions: int) -> int:
    """Take the issuer's next CRL number for ever; a number that is not used leaves a gap.

    `partitions` is fixed with the first number.
    """
    _begin_sequence(tx, issuer_id)
    _fix_partitions(tx, issuer_id, partitions)
    query = (
        update(crl_sequence)
        .where(crl_sequence.c.issuer_id == issuer_id)
        .values(last_number=crl_sequence.c.last_number + 1)
        .returning(crl_sequence.c.last_number)
    )
    number: int = tx.execute(query).scalar_one()
    return number


def raise_to(tx: Tx, issuer_id: int, number: int) -> None:
    """Let the next number be above `number`; nothing changes when it is already."""
    _begin_sequence(tx, issuer_id)
    tx.execute(
        update(crl_sequence)
        .where(crl_sequence.c.issuer_id == issuer_id, crl_sequence.c.last_number < number)
        .values(last_number=number)
    )


def lock(tx: Tx, issuer_id: int) -> None:
    """Let nobody else store a CRL of this issuer until the transaction ends."""
    query = select(crl_sequence.c.last_number).where(crl_sequence.c.issuer_id == issuer_id)
    tx.execute(query.with_for_update())


# --- the list as it stands -------------------------------------------------------------------


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
    query = select(
        func.count(),
        func.min(crl_change.c.since),
        func.coalesce(func.max(case((crl_change.c.reason.in_(_URGENT), 1), else_=0)), 0),
    ).where(
        crl_change.c.issuer_id == issuer_id,
        or_(crl_change.c.number.is_(None), crl_change.c.number > told),
    )
    count, oldest, urgent = tx.execute(query).one()
    return Waiting(count=count, oldest=oldest, urgent=bool(urgent))


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


def listed(tx: Tx, issuer_id: int, *, last_regular: datetime | None) -> Iterator[Sequence[bytes]]:
    """Yield the ready entries, sorted by serial, some thousand at a time.

    Those whose certificate ended before `last_regular` have left (see `entries.stays`).
    """
    query = select(crl_entry.c.content).where(crl_entry.c.issuer_id == issuer_id)
    if last_regular is not None:
        query = query.where(crl_entry.c.not_after >= last_regular)
    query = query.order_by(crl_entry.c.serial).execution_options(yield_per=_ROWS)
    yield from tx.execute(query).scalars().partitions(_ROWS)


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


# --- signed CRLs -----------------------------------------------------------------------------


def newest(
    tx: Tx, issuer_id: int, *, partition: int = WHOLE, kind: Kind | None = None
) -> Crl | None:
    """Return the newest CRL of a scope, of one kind or of either, published or not."""
    query = select(crl).where(crl.c.issuer_id == issuer_id, crl.c.partition == partition)
    if kind is not None:
        query = query.where(crl.c.kind == kind)
    row = tx.execute(query.order_by(crl.c.number.desc(), crl.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _crl(row)


def numbered(tx: Tx, issuer_id: int, number: int) -> list[Crl]:
    """Return the CRLs of one number: the whole scope first, full before delta."""
    query = select(crl).where(crl.c.issuer_id == issuer_id, crl.c.number == number)
    query = query.order_by(crl.c.partition, crl.c.kind.desc())
    return [_crl(row) for row in tx.execute(query)]


def has_content(tx: Tx, crl_id: int) -> bool:
    """Whether the CRL's bytes are at hand in the database."""
    known = exists().where(crl_part.c.crl_id == crl_id, crl_part.c.position == 0)
    return bool(tx.execute(select(known)).scalar_one())


def last_regular(
    tx: Tx, issuer_id: int, partition: int, targets: Collection[str]
) -> datetime | None:
    """Return thisUpdate of the newest full CRL of a scope that every one of `targets` has."""
    having = (
        select(crl_publication.c.crl_id)
        .where(crl_publication.c.target.in_(targets))
        .group_by(crl_publication.c.crl_id)
        .having(func.count() == len(set(targets)))
    )
    query = (
        select(crl.c.this_update)
        .where(crl.c.issuer_id == issuer_id, crl.c.partition == partition)
        .where(crl.c.kind == Kind.FULL, crl.c.id.in_(having))
        .order_by(crl.c.number.desc())
        .limit(1)
    )
    return tx.execute(query).scalar_one_or_none()


def add(tx: Tx, content: bytes, **values: Any) -> Crl:  # noqa: ANN401 - the columns of crl
    """Record a signed and examined CRL together with its bytes."""
    crl_id: int = tx.execute(insert(crl).values(**values).returning(crl.c.id)).scalar_one()
    tx.execute(
        insert(crl_part),
        [
            {"crl_id": crl_id, "position": at // _PART, "content": content[at : at + _PART]}
            for at in range(0, len(content), _PART)
        ],
    )
    return Crl(id=crl_id, **values)


def content(tx: Tx, crl_id: int) -> bytes:
    """Return the bytes of a CRL; raises NotFound when only the targets' history has them."""
    query = select(crl_part.c.content).where(crl_part.c.crl_id == crl_id)
    found = b"".join(tx.execute(query.order_by(crl_part.c.position)).scalars())
    if not found:
        raise NotFound(
            f"The bytes of the CRL in row {crl_id} were handed to the targets and are no longer in "
            "the database; read them from a target's history."
        )
    return found


def undelivered(tx: Tx, issuer_id: int, target: str) -> list[Crl]:
    """Return the CRLs that `target` lacks and whose bytes are at hand, oldest first."""
    has = exists().where(crl_publication.c.crl_id == crl.c.id, crl_publication.c.target == target)
    query = _with_content(issuer_id).where(~has).order_by(crl.c.number, crl.c.id)
    return [_crl(row) for row in tx.execute(query)]


def deliver(tx: Tx, crl_id: int, target: str, at: datetime) -> None:
    """Record that `target` has the CRL; nothing changes when that is recorded already."""
    known = exists().where(crl_publication.c.crl_id == crl_id, crl_publication.c.target == target)
    if not tx.execute(select(known)).scalar_one():
        values = {"crl_id": crl_id, "target": target, "published_at": at}
        tx.execute(insert(crl_publication).values(values))


def drop_contents(tx: Tx, issuer_id: int, targets: Collection[str]) -> None:
    """Forget the bytes of CRLs that every target has.

    The newest of each scope and kind stay, and the full CRLs that the newest delta adds to.
    """
    kept = _newest_ids(issuer_id)
    base = select(func.max(crl.c.base_number)).where(crl.c.issuer_id == issuer_id)
    delivered = (
        select(crl_publication.c.crl_id)
        .where(crl_publication.c.target.in_(targets))
        .group_by(crl_publication.c.crl_id)
        .having(func.count() == len(set(targets)))
    )
    query = _with_content(issuer_id).where(crl.c.id.in_(delivered), crl.c.id.not_in(kept))
    query = query.where(
        or_(crl.c.kind == Kind.DELTA, crl.c.number != func.coalesce(base.scalar_subquery(), 0))
    )
    done = [row.id for row in tx.execute(query)]
    if done:
        tx.execute(delete(crl_part).where(crl_part.c.crl_id.in_(done)))


def history(tx: Tx, issuer_id: int, *, limit: int = 100) -> list[Crl]:
    """Return the CRLs of an issuer, newest first."""
    query = select(crl).where(crl.c.issuer_id == issuer_id)
    query = query.order_by(crl.c.number.desc(), crl.c.id.desc()).limit(limit)
    return [_crl(row) for row in tx.execute(query)]


def expired_history(tx: Tx, issuer_id: int, target: str, before: datetime) -> list[Crl]:
    """Return the CRLs in `target` made before an instant, but for those that are still needed."""
    query = (
        select(crl)
        .join(crl_publication, crl_publication.c.crl_id == crl.c.id)
        .where(crl.c.issuer_id == issuer_id, crl_publication.c.target == target)
        .where(crl.c.this_update < before, crl.c.id.not_in(_newest_ids(issuer_id)))
        .where(~exists().where(crl_part.c.crl_id == crl.c.id))
        .order_by(crl.c.number)
    )
    return [_crl(row) for row in tx.execute(query)]


def withdraw(tx: Tx, crl_id: int, target: str) -> None:
    """Record that `target` no longer keeps the CRL."""
    tx.execute(
        delete(crl_publication).where(
            crl_publication.c.crl_id == crl_id, crl_publication.c.target == target
        )
    )


def _newest_ids(issuer_id: int) -> Select[tuple[int]]:
    return (
        select(func.max(crl.c.id))
        .where(crl.c.issuer_id == issuer_id)
        .group_by(crl.c.partition, crl.c.kind)
    )


def _key(serial: int) -> bytes:
    return serial.to_bytes(serials.MOST_BYTES, "big")


def _chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def _begin_sequence(tx: Tx, issuer_id: int) -> None:
    known = select(crl_sequence.c.issuer_id).where(crl_sequence.c.issuer_id == issuer_id)
    if tx.execute(known).one_or_none() is None:
        try:
            with tx.begin_nested():
                tx.execute(insert(crl_sequence).values(issuer_id=issuer_id, last_number=0))
        except IntegrityError:
            pass  # Another publisher began it in this moment; the next statement waits for it.


def _fix_partitions(tx: Tx, issuer_id: int, partitions: int) -> None:
    """Fix the count of partitions if none is fixed; raises Refused when it is another one."""
    this = crl_sequence.c.issuer_id == issuer_id
    tx.execute(
        update(crl_sequence)
        .where(this, crl_sequence.c.partitions.is_(None))
        .values(partitions=partitions)
    )
    fixed = tx.execute(select(crl_sequence.c.partitions).where(this)).scalar_one()
    if fixed != partitions:
        raise Refused(
            f"The issuer's certificates are spread over {fixed} partitions, not {partitions}; the "
            "count is fixed, because certificates name their partition. Set it back.",
            code="partitions_fixed",
        )


def _with_content(issuer_id: int) -> Select[Any]:
    first_part = exists().where(crl_part.c.crl_id == crl.c.id, crl_part.c.position == 0)
    return select(crl).where(crl.c.issuer_id == issuer_id, first_part)


def _crl(row: Row[Any]) -> Crl:
    values = dict(row._mapping)
    values["kind"] = Kind(row.kind)
    return Crl(**values)
