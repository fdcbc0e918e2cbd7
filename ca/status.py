"""The status machine, pure: a standing and an act in, the next standing out.

    GOOD <-> HOLD -> REVOKED (final)

Holds are a set: the certificate is good again only when the set is empty. Nothing is back-dated:
an act lies at or after the last change. Revoked never changes (ETSI EN 319 411-1 REV-6.3.9-04).
"""

from dataclasses import replace
from datetime import datetime

from ca.model import Hold, HoldSource, Standing, Status
from core.errors import Refused
from core.reasons import FINAL_REASONS, Reason


def on_hold_from_birth(hold: Hold) -> Standing:
    """Return the standing of a certificate that is issued on hold (not yet activated)."""
    return Standing(
        status=Status.HOLD, reason=Reason.CERTIFICATE_HOLD, since=hold.placed_at, holds=(hold,)
    )


def suspend(standing: Standing, hold: Hold) -> Standing:
    """Add `hold`; raises Refused when revoked, back-dated, or held by the same source already."""
    _refuse_if_final(standing)
    _refuse_if_back_dated(standing, hold.placed_at)
    if hold.source in standing.sources:
        raise Refused(
            f"A hold from {hold.source} is open already; extend or lift that one.",
            code="hold_open",
        )
    if hold.ends_at is not None and hold.ends_at <= hold.placed_at:
        raise Refused(
            f"The hold's end {hold.ends_at.isoformat()} is not after its start "
            f"{hold.placed_at.isoformat()}.",
            code="hold_ends_before_start",
        )
    holds = tuple(sorted((*standing.holds, hold), key=lambda each: each.source))
    if standing.status is Status.HOLD:
        return replace(standing, holds=holds)
    return replace(on_hold_from_birth(hold), holds=holds)


def extend(
    standing: Standing, source: HoldSource, ends_at: datetime | None, at: datetime
) -> Standing:
    """Give the open hold of `source` a later end, or none; the status does not change.

    Raises Refused when there is no such hold, or when the end is not later than it was: a hold is
    shortened by lifting it.
    """
    _refuse_if_final(standing)
    _refuse_if_back_dated(standing, at)
    held = next((hold for hold in standing.holds if hold.source is source), None)
    if held is None:
        raise Refused(f"No hold from {source} is open, so none is extended.", code="no_such_hold")
    if ends_at is not None and (ends_at <= at or (held.ends_at and ends_at <= held.ends_at)):
        raise Refused(
            f"The hold from {source} would end at {ends_at.isoformat()}, which is not later than "
            "now and than its present end; to end it sooner, lift it.",
            code="not_extended",
        )
    if held.ends_at is None and ends_at is not None:
        raise Refused(
            f"The hold from {source} has no end yet, so {ends_at.isoformat()} would shorten it.",
            code="not_extended",
        )
    longer = replace(held, ends_at=ends_at)
    holds = tuple(longer if hold is held else hold for hold in standing.holds)
    return replace(standing, holds=holds)


def restore(standing: Standing, source: HoldSource, at: datetime) -> Standing:
    """Lift the hold of `source`; the certificate is good again if it was the last one."""
    _refuse_if_final(standing)
    _refuse_if_back_dated(standing, at)
    if source not in standing.sources:
        raise Refused(f"No hold from {source} is open, so none can be lifted.", code="no_such_hold")
    left = tuple(hold for hold in standing.holds if hold.source != source)
    if left:
        return replace(standing, holds=left)
    return Standing(status=Status.GOOD, since=at)


def revoke(
    standing: Standing, reason: Reason, at: datetime, *, invalidity_date: datetime | None = None
) -> Standing:
    """Revoke for ever; open holds end with it (their history stays in the events).

    `invalidity_date` says since when the certificate was bad, at or before `at` (RFC 5280 5.3.2);
    the revocation itself is never back-dated.
    """
    _refuse_if_final(standing)
    _refuse_if_back_dated(standing, at)
    if reason not in FINAL_REASONS:
        raise Refused(
            f"{reason} is not a reason for a revocation; it belongs to holds and delta CRLs.",
            code="reason_not_final",
        )
    if invalidity_date is not None and invalidity_date > at:
        raise Refused(
            f"The invalidity date {invalidity_date.isoformat()} lies after the revocation at "
            f"{at.isoformat()}.",
            code="invalidity_in_future",
        )
    return Standing(status=Status.REVOKED, reason=reason, since=at, invalidity_date=invalidity_date)


def _refuse_if_final(standing: Standing) -> None:
    if standing.status is Status.REVOKED:
        raise Refused("The certificate is revoked, and revoked is final.", code="revoked_is_final")


def _refuse_if_back_dated(standing: Standing, at: datetime) -> None:
    latest = max(
        (
            instant
            for instant in (standing.since, *(h.placed_at for h in standing.holds))
            if instant
        ),
        default=None,
    )
    if latest is not None and at < latest:
        raise Refused(
            f"The act at {at.isoformat()} lies before the last change at {latest.isoformat()}; "
            "nothing is back-dated.",
            code="back_dated",
        )
