"""The queries of publication: a transaction in, values out; never commits."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from core.errors import NotFound
from crl.model import WHOLE, Crl, Kind
from crl.tables import crl, crl_part, crl_publication, crl_sequence

_PART = 4 * 1024 * 1024


def reserve(tx: Tx, issuer_id: int) -> int:
    """Take the issuer's next CRL number for ever; a number that is not used leaves a gap."""
    _begin_sequence(tx, issuer_id)
    query = (
        update(crl_sequence)
        .where(crl_sequence.c.issuer_id == issuer_id)
        .values(last_number=crl_sequence.c.last_number + 1)
        .returning(crl_sequence.c.last_number)
    )
    number: int = tx.execute(query).scalar_one()
    return number


def lock(tx: Tx, issuer_id: int) -> None:
    """Let nobody else store a CRL of this issuer until the transaction ends."""
    query = select(crl_sequence.c.last_number).where(crl_sequence.c.issuer_id == issuer_id)
    tx.execute(query.with_for_update())


def newest(
    tx: Tx, issuer_id: int, *, partition: int = WHOLE, kind: Kind | None = None
) -> Crl | None:
    """Return the newest CRL of a scope, of one kind or of either, published or not."""
    query = select(crl).where(crl.c.issuer_id == issuer_id, crl.c.partition == partition)
    if kind is not None:
        query = query.where(crl.c.kind == kind)
    row = tx.execute(query.order_by(crl.c.number.desc(), crl.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _crl(row)


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
    """Forget the bytes of CRLs that every target has, but for the newest of each scope and kind."""
    kept = (
        select(func.max(crl.c.id))
        .where(crl.c.issuer_id == issuer_id)
        .group_by(crl.c.partition, crl.c.kind)
    )
    delivered = (
        select(crl_publication.c.crl_id)
        .where(crl_publication.c.target.in_(targets))
        .group_by(crl_publication.c.crl_id)
        .having(func.count() == len(set(targets)))
    )
    query = _with_content(issuer_id).where(crl.c.id.in_(delivered), crl.c.id.not_in(kept))
    done = [row.id for row in tx.execute(query)]
    if done:
        tx.execute(delete(crl_part).where(crl_part.c.crl_id.in_(done)))


def history(tx: Tx, issuer_id: int, *, limit: int = 100) -> list[Crl]:
    """Return the CRLs of an issuer, newest first."""
    query = select(crl).where(crl.c.issuer_id == issuer_id)
    query = query.order_by(crl.c.number.desc(), crl.c.id.desc()).limit(limit)
    return [_crl(row) for row in tx.execute(query)]


def _begin_sequence(tx: Tx, issuer_id: int) -> None:
    known = select(crl_sequence.c.issuer_id).where(crl_sequence.c.issuer_id == issuer_id)
    if tx.execute(known).one_or_none() is None:
        try:
            with tx.begin_nested():
                values = {"issuer_id": issuer_id, "last_number": 0, "partitions": 0}
                tx.execute(insert(crl_sequence).values(values))
        except IntegrityError:
            pass  # Another publisher began it in this moment; the update below waits for it.


def _with_content(issuer_id: int) -> Select[Any]:
    first_part = exists().where(crl_part.c.crl_id == crl.c.id, crl_part.c.position == 0)
    return select(crl).where(crl.c.issuer_id == issuer_id, first_part)


def _crl(row: Row[Any]) -> Crl:
    values = dict(row._mapping)
    values["kind"] = Kind(row.kind)
    return Crl(**values)
