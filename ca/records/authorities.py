"""The issuers: CA certificates under which we issue, or which we took over."""

from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from ca.model import Issuer
from ca.tables import issuer
from core.database import Tx
from core.errors import Conflict, NotFound


def add_issuer(
    tx: Tx,
    *,
    name: str,
    parent_id: int | None,
    der: bytes,
    not_before: datetime,
    not_after: datetime,
) -> Issuer:
    """Record a CA certificate under its short `name`; raises Conflict when the name is taken."""
    values = {
        "name": name, "parent_id": parent_id, "der": der,
        "not_before": not_before, "not_after": not_after,
    }  # fmt: skip
    try:
        row = tx.execute(insert(issuer).values(**values).returning(issuer.c.id)).scalar_one()
    except IntegrityError as error:
        raise Conflict(f"An issuer named {name!r} exists already; choose another name.") from error
    return Issuer(id=row, **values)  # type: ignore[arg-type] # the dict's values are the fields


def issuers(tx: Tx) -> list[Issuer]:
    """Return every issuer, oldest first."""
    return [Issuer(**row._mapping) for row in tx.execute(select(issuer).order_by(issuer.c.id))]


def issuer_named(tx: Tx, name: str) -> Issuer:
    """Return the issuer with the short `name`; raises NotFound."""
    row = tx.execute(select(issuer).where(issuer.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"There is no issuer named {name!r}; see `antin issuer list`.")
    return Issuer(**row._mapping)


def retire_issuer(tx: Tx, issuer_id: int, at: datetime) -> None:
    """Record that an issuer issues no more certificates; the database lets it be said once."""
    tx.execute(update(issuer).where(issuer.c.id == issuer_id).values(retired_at=at))
