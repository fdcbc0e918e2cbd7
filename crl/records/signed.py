"""Signed CRLs, their bytes, and the targets that have them."""

import contextlib
import io
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, exists, insert, select
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from core.errors import NotFound
from crl.model import WHOLE, Crl, Kind
from crl.tables import crl, crl_part, crl_publication

_PART = 4 * 1024 * 1024
_PAGE = 20


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
    below: int | None = None
    while fulls := _fulls(tx, issuer_id, partition, below=below):
        everywhere = _everywhere(tx, [each.id for each in fulls], targets)
        for each in fulls:
            if each.id in everywhere:
                return each.this_update
        below = fulls[-1].number
    return None


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
    query = query.order_by(crl_part.c.position).execution_options(yield_per=1)
    joined = io.BytesIO()  # gives its content without another copy
    for part in tx.execute(query).scalars():
        joined.write(part)
    found = joined.getvalue()
    if not found:
        raise NotFound(
            f"The bytes of the CRL in row {crl_id} were handed to the targets and are no longer in "
            "the database; read them from a target's history."
        )
    return found


def undelivered(tx: Tx, issuer_id: int, target: str) -> list[Crl]:
    """Return the CRLs that `target` lacks and whose bytes are at hand, oldest first."""
    has = exists().where(crl_publication.c.crl_id == crl.c.id, crl_publication.c.target == target)
    query = _with_content(issuer_id).where(~has)
    return [_crl(row) for row in tx.execute(query)]


def deliver(tx: Tx, crl_id: int, target: str, at: datetime) -> None:
    """Record that `target` has the CRL; nothing changes when that is recorded already."""
    known = exists().where(crl_publication.c.crl_id == crl_id, crl_publication.c.target == target)
    if tx.execute(select(known)).scalar_one():
        return
    values = {"crl_id": crl_id, "target": target, "published_at": at}
    # Another publisher may record the same delivery in this moment.
    with contextlib.suppress(IntegrityError), tx.begin_nested():
        tx.execute(insert(crl_publication).values(values))


def drop_contents(tx: Tx, issuer_id: int, targets: Collection[str]) -> None:
    """Forget the bytes of CRLs that every target has.

    The newest of each scope and kind stay, and the full CRLs that the newest delta adds to.
    """
    held = [_crl(row) for row in tx.execute(_with_content(issuer_id))]
    newest_ids = {(each.partition, each.kind): each.id for each in held}.values()
    bases = {each.base_number for each in held if each.id in newest_ids}
    everywhere = _everywhere(tx, [each.id for each in held], targets)
    done = [
        each.id
        for each in held
        if each.id in everywhere
        and each.id not in newest_ids
        and not (each.kind is Kind.FULL and each.number in bases)
    ]
    if done:
        tx.execute(delete(crl_part).where(crl_part.c.crl_id.in_(done)))


def history(tx: Tx, issuer_id: int, *, limit: int = 100) -> list[Crl]:
    """Return the CRLs of an issuer, newest first."""
    query = select(crl).where(crl.c.issuer_id == issuer_id)
    query = query.order_by(crl.c.number.desc(), crl.c.id.desc()).limit(limit)
    return [_crl(row) for row in tx.execute(query)]


def expired_history(
    tx: Tx, issuer_id: int, target: str, before: datetime, *, limit: int = 500
) -> list[Crl]:
    """Return CRLs that `target` has since before an instant, but for those still needed."""
    query = (
        select(crl)
        .join(crl_publication, crl_publication.c.crl_id == crl.c.id)
        .where(crl_publication.c.target == target, crl_publication.c.published_at < before)
        .where(crl.c.issuer_id == issuer_id)
        .where(~exists().where(crl_part.c.crl_id == crl.c.id))
        .order_by(crl_publication.c.published_at)
        .limit(limit)
    )
    return [_crl(row) for row in tx.execute(query)]


def shown(tx: Tx, issuer_id: int) -> list[Crl]:
    """Return the newest CRL of each scope and kind; their bytes are always at hand."""
    held = [_crl(row) for row in tx.execute(_with_content(issuer_id))]
    return list({(each.partition, each.kind): each for each in held}.values())


def withdraw(tx: Tx, crl_id: int, target: str) -> None:
    """Record that `target` no longer keeps the CRL."""
    tx.execute(
        delete(crl_publication).where(
            crl_publication.c.crl_id == crl_id, crl_publication.c.target == target
        )
    )


def _fulls(tx: Tx, issuer_id: int, partition: int, *, below: int | None) -> list[Crl]:
    """Return a page of full CRLs of a scope, newest first, of numbers below the given one."""
    query = select(crl).where(
        crl.c.issuer_id == issuer_id, crl.c.partition == partition, crl.c.kind == Kind.FULL
    )
    if below is not None:
        query = query.where(crl.c.number < below)
    return [_crl(row) for row in tx.execute(query.order_by(crl.c.number.desc()).limit(_PAGE))]


def _everywhere(tx: Tx, crl_ids: Collection[int], targets: Collection[str]) -> set[int]:
    """Return which of these CRLs every one of `targets` has."""
    wanted = set(targets)
    query = select(crl_publication.c.crl_id, crl_publication.c.target).where(
        crl_publication.c.crl_id.in_(crl_ids), crl_publication.c.target.in_(wanted)
    )
    having: dict[int, set[str]] = {each: set() for each in crl_ids}
    for crl_id, target in tx.execute(query):
        having[crl_id].add(target)
    return {crl_id for crl_id, names in having.items() if names == wanted}


def _with_content(issuer_id: int) -> Select[Any]:
    """The CRLs whose bytes are at hand, oldest first: few, however many were ever signed."""
    held = select(crl_part.c.crl_id).where(crl_part.c.position == 0)
    query = select(crl).where(crl.c.id.in_(held), crl.c.issuer_id == issuer_id)
    return query.order_by(crl.c.number, crl.c.id)


def _crl(row: Row[Any]) -> Crl:
    values = dict(row._mapping)
    values["kind"] = Kind(row.kind)
    return Crl(**values)
