"""Planned revocations: entered once, closed once."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from ca.model import Plan, PlanOutcome
from ca.tables import planned_revocation
from core.database import Tx
from core.errors import Conflict
from core.reasons import Reason


def add_plan(tx: Tx, plan: Plan, now: datetime) -> None:
    """Enter a plan; raises Conflict when the certificate has an open one."""
    try:
        tx.execute(insert(planned_revocation).values(**asdict(plan), planned_at=now))
    except IntegrityError as error:
        raise Conflict(
            "A revocation of this certificate is planned already; cancel that one first."
        ) from error


def was_planned(tx: Tx, decision: str) -> bool:
    """Whether the decision planned a revocation before, open or closed."""
    query = select(planned_revocation.c.id).where(planned_revocation.c.decision == decision)
    return tx.execute(query).first() is not None


def open_plans(tx: Tx, *, due: datetime | None = None) -> list[Plan]:
    """Return the open plans, all or those due by `due`, soonest first."""
    query = _OPEN if due is None else _OPEN.where(planned_revocation.c.due_at <= due)
    query = query.order_by(planned_revocation.c.due_at, planned_revocation.c.id)
    return [_plan(row) for row in tx.execute(query)]


def open_plan(tx: Tx, certificate_id: int) -> Plan | None:
    """Return the open plan of a certificate, None when there is none."""
    query = _OPEN.where(planned_revocation.c.certificate_id == certificate_id)
    row = tx.execute(query).one_or_none()
    return None if row is None else _plan(row)


def close_plan(tx: Tx, certificate_id: int, outcome: PlanOutcome, now: datetime) -> None:
    """Close the open plan of a certificate."""
    tx.execute(
        update(planned_revocation)
        .where(
            planned_revocation.c.certificate_id == certificate_id,
            planned_revocation.c.closed_at.is_(None),
        )
        .values(closed_at=now, outcome=outcome)
    )


_OPEN = select(planned_revocation).where(planned_revocation.c.closed_at.is_(None))


def _plan(row: Row[Any]) -> Plan:
    return Plan(
        certificate_id=row.certificate_id,
        due_at=row.due_at,
        reason=Reason(row.reason),
        invalidity_date=row.invalidity_date,
        decision=row.decision,
        actor=row.actor,
        clause=row.clause,
        because=row.because,
        rulebook=row.rulebook,
    )
