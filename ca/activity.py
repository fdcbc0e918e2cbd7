"""When a certificate was good: what fees and sheets are counted from. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ca.model import Certificate, Status, StatusEvent

_SECOND = timedelta(seconds=1)


def good_within(
    certificate: Certificate, events: Sequence[StatusEvent], begin: datetime, end: datetime
) -> bool:
    """Whether it was good, and valid, at any instant from `begin` on and before `end`.

    `events` are its history, oldest first. Its validity counts its last second (RFC 5280 4.1.2.5).
    """
    first = max(begin, certificate.not_before)
    last = min(end, certificate.not_after + _SECOND)
    if first >= last:
        return False
    # Of several events at one instant the last one says how it stood then.
    standing = {each.at: each.status for each in events if each.at < last}
    before = max((at for at in standing if at <= first), default=None)
    return any(
        status is Status.GOOD for at, status in standing.items() if at > first or at == before
    )
