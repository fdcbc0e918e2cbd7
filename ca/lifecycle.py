"""Confirm, suspend, extend, restore, revoke: event, standing and audit entry, in one commit.

Every act needs an `Approval` for that act and that serial, names its clause, and is idempotent by
its decision: the same command twice is one act. An expired certificate takes no further act, and
no act lies before an earlier one.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from ca import records, status
from ca.model import (
    Act,
    Approval,
    Certificate,
    Hold,
    HoldSource,
    PlanOutcome,
    Stage,
    Standing,
)
from core import audit, serials
from core.database import Tx
from core.errors import Refused
from core.reasons import Reason


def confirm(tx: Tx, approval: Approval, now: datetime) -> Certificate:
    """Record that the subscriber confirmed what stands in the certificate.

    From this commit on it is published: the rule that a certificate is published only after its
    confirmation, and then within 24 hours, is kept by both being one act (Decree 130/2018 Điều 25).
    """
    before = _open(tx, approval, Act.CONFIRM, now)
    if before is None:
        return _again(tx, approval)
    if before.confirmed_at is not None:
        raise Refused(
            f"The certificate {serials.to_hex(before.serial)} was confirmed at "
            f"{before.confirmed_at.isoformat()} already.",
            code="confirmed_already",
        )
    if before.revoked:
        raise Refused(
            f"The certificate {serials.to_hex(before.serial)} is revoked and is not confirmed.",
            code="revoked_is_final",
        )
    records.set_confirmed(tx, before.id, now)
    confirmed = replace(before, confirmed_at=now)
    return _write(tx, confirmed, before.standing, _Change(approval, now))


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
    if not before.suspendable:
        raise Refused(
            f"Certificates of the profile {before.profile!r} are never put on hold.",
            code="not_suspendable",
        )
    hold = Hold(source=source, clause=approval.clause, placed_at=now, ends_at=ends_at)
    after = status.suspend(before.standing, hold)
    return _write(tx, before, after, _Change(approval, now, source=source, ends_at=ends_at))


def extend(
    tx: Tx, approval: Approval, source: HoldSource, now: datetime, *, ends_at: datetime | None
) -> Certificate:
    """Give the open hold of `source` a later end, or none; it never goes on silently."""
    before = _open(tx, approval, Act.EXTEND, now)
    if before is None:
        return _again(tx, approval)
    after = status.extend(before.standing, source, ends_at, now)
    records.extend_hold(tx, before.id, source, ends_at)
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
    """Revoke for ever with `reason`; `invalidity_date` if the certificate was bad before.

    A key that was compromised is blocked with it: it is never certified again. A revocation that
    was planned for later is overtaken.
    """
    before = _open(tx, approval, Act.REVOKE, now)
    if before is None:
        return _again(tx, approval)
    after = status.revoke(before.standing, reason, now, invalidity_date=invalidity_date)
    if reason is Reason.KEY_COMPROMISE:
        records.block_keys(
            tx,
            [records.key_of(tx, before.id)],
            at=now,
            actor=approval.actor,
            because=f"A certificate of it was revoked: {approval.because}",
        )
    records.close_plan(tx, before.id, PlanOutcome.OVERTAKEN, now)
    return _write(tx, before, after, _Change(approval, now, invalidity_date=invalidity_date))


def approved(tx: Tx, approval: Approval, act: Act) -> Certificate:
    """Return the certificate for which `approval` allows `act`, locked; raises Refused."""
    if approval.act is not act or approval.serial is None:
        raise Refused(
            f"The approval {approval.decision!r} allows {approval.act}, not {act}.",
            code="approval_of_other_act",
        )
    found = records.by_serial(tx, approval.serial, lock=True)
    if found.subscriber != approval.subscriber:
        raise Refused(
            f"The certificate {serials.to_hex(found.serial)} is not one of "
            f"{approval.subscriber!r}, for whom the approval was given.",
            code="approval_of_other_subscriber",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Change:
    approval: Approval
    at: datetime
    source: HoldSource | None = None
    ends_at: datetime | None = None
    invalidity_date: datetime | None = None


def _open(tx: Tx, approval: Approval, act: Act, now: datetime) -> Certificate | None:
    """Return the approved certificate, locked; None when this decision was carried out before."""
    found = approved(tx, approval, act)
    done, last = records.acts_before(tx, found.id, approval.decision)
    if done:
        return None
    _refuse_unfit(found, last, now)
    return found


def require_fit(tx: Tx, approval: Approval, now: datetime) -> None:
    """Raise Refused when the approved certificate could not take the approved act at `now`.

    For who must know before something is done that cannot be undone.
    """
    _open(tx, approval, approval.act, now)


def _refuse_unfit(found: Certificate, last: datetime | None, now: datetime) -> None:
    serial = serials.to_hex(found.serial)
    if found.stage is Stage.PENDING:
        raise Refused(
            f"The certificate {serial} is being issued; act on it when it is.", code="pending"
        )
    if found.expired(now):
        raise Refused(
            f"The certificate {serial} expired at {found.not_after.isoformat()} and takes no "
            "further act.",
            code="expired",
        )
    if last is not None and now < last:
        raise Refused(
            f"The act at {now.isoformat()} lies before the last one at {last.isoformat()}; nothing "
            "is back-dated.",
            code="back_dated",
        )


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
    lifted = before.standing.sources - after.sources
    if lifted:
        records.lift_holds(tx, before.id, lifted, change.at)
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
    return replace(before, standing=after)
