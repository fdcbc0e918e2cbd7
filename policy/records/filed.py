"""What rows of files had done, in the database; never commits."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text

from core.database import Tx
from policy.tables import filed_request


def done_at(tx: Tx, key: str) -> datetime | None:
    """Return when the row `key` was done, None when it was not."""
    query = select(filed_request.c.at).where(filed_request.c.key == key)
    found: datetime | None = tx.execute(query).scalar_one_or_none()
    return found


def add(tx: Tx, **values: Any) -> None:  # noqa: ANN401 - columns
    """Record that a row was done."""
    tx.execute(insert(filed_request).values(**values))


def take_turns(tx: Tx, reseller: str) -> None:
    """Let one transaction at a time count and add for a reseller, until it ends.

    The lock is on the name: a reseller that only subscribers name has no row that could be locked.
    On SQLite every writing transaction is alone anyway.
    """
    if tx.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended('reseller:' || :name, 0))")
        tx.execute(lock, {"name": reseller})


def count_since(tx: Tx, reseller: str, begin: datetime) -> int:
    """Return how many rows of a reseller's files were done since `begin`."""
    query = select(func.count()).where(
        filed_request.c.reseller == reseller, filed_request.c.at >= begin
    )
    return tx.execute(query).scalar_one()
