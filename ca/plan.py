"""Planned revocations: approved now, carried out when their date comes.

The date counts as the receipt of the request (ETSI EN 319 411-1 REV-6.2.4-05A). The revocation's
own instant is the one at which it is done: nothing is back-dated.
"""

from datetime import datetime

from ca import lifecycle, records
from ca.model import Act, Approval, Certificate, Plan, PlanOutcome
from core import audit, serials
from core.database import Tx
from core.errors import NotFound, Refused
from core.reasons import FINAL_REASONS, Reason


def plan(
    tx: Tx,
    approval: Approval,
    reason: Reason,
    now: datetime,
    *,
    due_at: datetime,
    invalidity_date: datetime | None = None,
) -> None:
    """Plan the approved revocation for `due_at`; the same decision twice is one plan.

    Raises Refused when the certificate cannot be revoked then, Conflict when one is planned.
    """
    found = lifecycle.approved(tx, approval, Act.REVOKE)
    if records.was_planned(tx, approval.decision):
        return
    if reason not in FINAL_REASONS:
        raise Refused(f"{reason} is not a reason for a revocation.", code="reason_not_final")
    if found.revoked:
        raise Refused("The certificate is revoked, and revoked is final.", code="revoked_is_final")
    if not now < due_at <= found.not_after:
        raise Refused(
            f"A revocation is planned for an instant between now and the certificate's end at "
            f"{found.not_after.isoformat()}, not for {due_at.isoformat()}.",
            code="plan_outside",
        )
    records.add_plan(
        tx,
        Plan(
            certificate_id=found.id,
            due_at=due_at,
            reason=reason,
            invalidity_date=invalidity_date,
            decision=approval.decision,
            actor=approval.actor,
            clause=approval.clause,
            because=approval.because,
            rulebook=approval.rulebook,
        ),
        now,
    )
    _tell(tx, found, "plan", approval.actor, now, due_at=due_at.isoformat(), reason=reason)


def cancel(tx: Tx, serial: int, now: datetime, *, actor: str, because: str) -> None:
    """Cancel the planned revocation of a certificate; raises NotFound when there is none."""
    found = records.lock(tx, records.by_serial(tx, serial).id)
    if records.open_plan(tx, found.id) is None:
        raise NotFound(f"No revocation of {serials.to_hex(serial)} is planned.")
    records.close_plan(tx, found.id, PlanOutcome.CANCELLED, now)
    _tell(tx, found, "cancel_plan", actor, now, because=because)


def due(tx: Tx, now: datetime) -> list[Plan]:
    """Return the plans whose date has come, soonest first."""
    return records.open_plans(tx, due=now)


def carry_out(tx: Tx, certificate_id: int, now: datetime) -> Certificate | None:
    """Revoke a certificate as planned, by the approval that was given when it was planned.

    Returns None when the plan was cancelled or overtaken, by another revocation or by expiry.
    """
    found = records.lock(tx, certificate_id)
    planned = records.open_plan(tx, certificate_id)
    if planned is None or planned.due_at > now:
        return None
    if found.expired(now):
        records.close_plan(tx, certificate_id, PlanOutcome.OVERTAKEN, now)
        return None
    records.close_plan(tx, certificate_id, PlanOutcome.DONE, now)
    return lifecycle.revoke(
        tx,
        _approval(found, planned, now),
        planned.reason,
        now,
        invalidity_date=planned.invalidity_date,
    )


def _approval(found: Certificate, planned: Plan, now: datetime) -> Approval:
    return Approval(
        decision=planned.decision,
        act=Act.REVOKE,
        subscriber=found.subscriber,
        serial=found.serial,
        actor=planned.actor,
        clause=planned.clause,
        because=planned.because,
        rulebook=planned.rulebook,
        at=now,
    )


def _tell(
    tx: Tx, found: Certificate, act: str, actor: str, now: datetime, **detail: object
) -> None:
    audit.append(
        tx,
        at=now,
        actor=actor,
        act=f"certificate.{act}",
        subject=f"certificate:{serials.to_hex(found.serial)}",
        **detail,
    )
