"""Decisions with their facts in the database; never commits, never changes one."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, insert, select

from core.database import Tx
from policy.tables import decision


def add_decision(tx: Tx, values: Mapping[str, Any]) -> None:
    """Record one decision or refusal with its facts."""
    tx.execute(insert(decision).values(**values))


def decisions(tx: Tx, subscriber_id: str | None = None) -> list[RowMapping]:
    """Return decisions in the order of their instants, all or one subscriber's."""
    query = select(decision).order_by(decision.c.at, decision.c.id)
    if subscriber_id is not None:
        query = query.where(decision.c.subscriber_id == subscriber_id)
    return [row._mapping for row in tx.execute(query)]
