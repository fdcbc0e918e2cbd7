"""Decisions with their facts in the database; never commits, never changes one."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, insert, select

from core.database import Tx
from core.errors import NotFound
from core.executemany import execute_all
from policy.model import Action, Decision, Refusal
from policy.records.batches import batches
from policy.tables import decision

_ADD = insert(decision)


def add_decisions(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record decisions and refusals with their facts; each row names the same columns."""
    execute_all(tx, _ADD, rows)


_MADE = select(decision).where(
    decision.c.id.in_(bindparam("keys", expanding=True)), decision.c.outcome == "decision"
)


def earlier(tx: Tx, keys: Iterable[str]) -> dict[str, Decision]:
    """Return, of the decisions named in advance, those that were made before, by their ids."""
    found: dict[str, Decision] = {}
    for some in batches(keys):
        for row in tx.execute(_MADE, {"keys": some}).all():
            found[row.id] = Decision.from_json(json.loads(row.record))
    return found


def actions_of(tx: Tx, campaign_id: str, keys: Iterable[str]) -> dict[str, Action]:
    """Return the actions of those of these decisions that were made for a campaign."""
    found: dict[str, Action] = {}
    for some in batches(keys):
        query = select(decision.c.id, decision.c.record).where(
            decision.c.id.in_(some), decision.c.outcome == "decision"
        )
        for row in tx.execute(query):
            made = json.loads(row.record)
            campaign = made["facts"]["campaign"]
            if made["wanted"] is None and campaign and campaign["id"] == campaign_id:
                found[row.id] = Action(made["action"])
    return found


def decisions(
    tx: Tx, subscriber_id: str | None = None, *, since: datetime | None = None
) -> list[RowMapping]:
    """Return decisions in the order of their instants, all or one subscriber's, since then."""
    query = select(decision).order_by(decision.c.at, decision.c.id)
    if subscriber_id is not None:
        query = query.where(decision.c.subscriber_id == subscriber_id)
    if since is not None:
        query = query.where(decision.c.at >= since)
    return [row._mapping for row in tx.execute(query)]


def named(tx: Tx, key: str) -> Decision | Refusal:
    """Return the decision or refusal `key` with its facts; raises NotFound."""
    row = tx.execute(select(decision).where(decision.c.id == key)).one_or_none()
    if row is None:
        raise NotFound(f"There is no decision {key!r}.")
    return read(row._mapping)


def kept(tx: Tx, keys: Collection[str]) -> dict[str, Decision | Refusal]:
    """Return those of the decisions and refusals `keys` that are stored here."""
    query = select(decision).where(decision.c.id.in_(keys))
    return {row.id: read(row._mapping) for row in tx.execute(query)} if keys else {}


def read(row: RowMapping) -> Decision | Refusal:
    """Return the decision or refusal that a row keeps."""
    kind = Decision if row["outcome"] == "decision" else Refusal
    return kind.from_json(json.loads(row["record"]))
