"""Leases: which process publishes for an issuer, until when."""

from datetime import datetime

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from crl.tables import crl_lease


def take(tx: Tx, issuer_id: int, holder: str, *, now: datetime, until: datetime) -> bool:
    """Take or renew the lease for `holder`; returns whether it holds it until then."""
    query = (
        update(crl_lease)
        .where(crl_lease.c.issuer_id == issuer_id)
        .where(or_(crl_lease.c.holder == holder, crl_lease.c.until <= now))
        .values(holder=holder, until=until)
    )
    if tx.execute(query).rowcount == 1:
        return True
    if holder_of(tx, issuer_id) is not None:
        return False
    try:
        with tx.begin_nested():
            values = {"issuer_id": issuer_id, "holder": holder, "until": until}
            tx.execute(insert(crl_lease).values(**values))
    except IntegrityError:
        return False  # Another process took it in this moment.
    return True


def holder_of(tx: Tx, issuer_id: int) -> str | None:
    """Return who held the lease last, None when nobody ever did."""
    query = select(crl_lease.c.holder).where(crl_lease.c.issuer_id == issuer_id)
    holder: str | None = tx.execute(query).scalar_one_or_none()
    return holder
