"""Decides, pure, what is said of a certificate from what the database knows of it."""

from datetime import datetime

from ca.model import Entry, Stage, Status
from core.reasons import Reason
from ocsp.model import CertStatus, Expired, NeverIssued, Pending, Settings, Verdict
from ocsp.response import NEVER_ISSUED_SINCE

_UNKNOWN = Verdict(status=CertStatus.UNKNOWN)
_GOOD = Verdict(status=CertStatus.GOOD)
# RFC 6960 2.2: reason certificateHold, date 1970-01-01, and the extended-revoke extension.
_REVOKED_UNISSUED = Verdict(
    status=CertStatus.REVOKED,
    at=NEVER_ISSUED_SINCE,
    reason=Reason.CERTIFICATE_HOLD,
    never_issued=True,
)


def judge(entry: Entry | None, settings: Settings, now: datetime) -> Verdict | None:
    """Return what is said of `entry` (None: never issued); None when we no longer speak of it."""
    if entry is None or _not_issued_yet(entry, settings):
        if settings.never_issued is NeverIssued.REVOKED:
            return _REVOKED_UNISSUED
        return _UNKNOWN
    if settings.expired is Expired.UNAUTHORIZED and now > entry.not_after:
        return None
    return as_it_stands(entry)


def as_it_stands(entry: Entry) -> Verdict:
    """Return the status of an issued certificate; on hold is revoked since the hold began."""
    if entry.status is Status.GOOD:
        return _GOOD
    return Verdict(status=CertStatus.REVOKED, at=entry.since, reason=entry.reason)


def _not_issued_yet(entry: Entry, settings: Settings) -> bool:
    return entry.stage is Stage.PENDING and settings.pending is Pending.NEVER_ISSUED
