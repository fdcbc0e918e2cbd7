"""Suspend, restore, revoke: status event, standing and audit entry, in the caller's commit.

Every act needs an `Approval` for that act and that serial, names its clause, and is idempotent by
its decision: the same command twice is one act. An expired certificate takes no further act.
"""

from dataclasses import dataclass
from datetime import datetime

from ca import records, status
from ca.model import Act, Approval, Certificate, Hold, HoldSource, Standing
from core import audit, serials
from core.database import Tx
from core.errors import Refused
from core.reasons import Reason


def suspend(
    tx: Tx,
    approval: Approval,
    source: HoldSource,
    now: datetime,
    *,
    ends_at: datetime | None = None,
) -> Certificate:
    """Put a hold of `source` on the approved certificate, until `ends_at` if that is given."""
    before = _open(tx, approval, Act.SUSPEND, now)
    if before is None:
        return _again(tx, approval)
    hold = Hold(source=source, clause=approval.clause, placed_at=now, ends_at=ends_at)
    after = status.suspend(before.standing, hold)
    return _write(tx, before, after, _Change(approval, now, source=source, ends_at=ends_at))


def restore(tx: Tx, approval: Approval, source: HoldSource, now: datetime) -> Certificate:
    """Lift the hold of `source`; the certificate is good again when no hold is left."""
    before = _open(tx, approval, Act.RESTORE, now)
    if before is None:
        return _again(tx, approval)
    after = status.restore(before.standing, source, now)
    return _write(tx, before, after, _Change(approval, now, source=source))


def revoke(
    tx: Tx,
    approval: Approval,
    reason: Reason,
    now: datetime,
    *,
    invalidity_date: datetime | None = None,
) -> Certificate:
    """Revoke for ever with `reason`; `invalidity_date` if the certificate was bad before."""
    before = _open(tx, approval, Act.REVOKE, now)
    if before is None:
        return _again(tx, approval)
    after = status.revoke(before.standing, reason, now, invalidity_date=invalidity_date)
    return _write(tx, before, after, _Change(approval, now, invalidity_date=invalidity_date))


@dataclass(frozen=True, slots=True)
class _Change:
    approval: Approval
    at: datetime
    source: HoldSource | None = None
    ends_at: datetime | None = None
    invalidity_date: datetime | None = None


def _open(tx: Tx, approval: Approval, act: Act, now: datetime) -> Certificate | None:
    """Return the approved certificate, locked; None when this decision was carried out before."""
    if approval.act is not act or approval.serial is None:
        raise Refused(
            f"The approval {approval.decision!r} allows {approval.act}, not {act}.",
            code="approval_of_other_act",
        )
    found = records.lock(tx, records.by_serial(tx, approval.serial).id)
    if found.subscriber != approval.subscriber:
        raise Refused(
            f"The certificate {serials.to_hex(found.serial)} is not one of "
            f"{approval.subscriber!r}, for whom the approval was given.",
            code="approval_of_other_subscriber",
        )
    if records.event_of_decision(tx, found.id, approval.decision) is not None:
        return None
    if found.expired(now):
        raise Refused(
            f"The certificate {serials.to_hex(found.serial)} expired at "
            f"{found.not_after.isoformat()} and takes no further act.",
            code="expired",
        )
    return found


def _again(tx: Tx, approval: Approval) -> Certificate:
    return records.by_serial(tx, approval.serial or 0)


def _write(tx: Tx, before: Certificate, after: Standing, change: _Change) -> Certificate:
    approval = change.approval
    records.add_event(
        tx,
        certificate_id=before.id,
        at=change.at,
        act=approval.act,
        status=after.status,
        reason=after.reason,
        source=change.source,
        ends_at=change.ends_at,
        invalidity_date=change.invalidity_date,
        decision=approval.decision,
        clause=approval.clause,
        because=approval.because,
    )
    records.lift_holds(tx, before.id, before.standing.sources - after.sources, change.at)
    records.set_standing(tx, before, after)
    audit.append(
        tx,
        at=change.at,
        actor=approval.actor,
        act=f"certificate.{approval.act}",
        subject=f"certificate:{serials.to_hex(before.serial)}",
        subscriber=before.subscriber,
        decision=approval.decision,
        clause=approval.clause,
        before=before.standing.status,
        after=after.status,
        reason=after.reason,
        holds=sorted(after.sources),
    )
    return records.by_id(tx, before.id)
