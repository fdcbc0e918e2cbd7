"""Reminders that a certificate is about to end, once at each stage (Decree 130/2018 Điều 26).

Only the good ones are reminded of: what is revoked, on hold or replaced is not. Each stage goes
forward over the ends of certificates and never back, so that nobody is reminded of it twice.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from ca import records as engine
from ca.model import Certificate
from core import audit, serials
from core.database import Tx
from policy.office import Office
from policy.records import outbox, renewals, subscribers
from policy.records.renewals import LAST, Mark

_BATCH = 500
_BEHIND = timedelta(hours=1)
"""How far a stage's mark may stay behind while nobody is to be reminded: rounds write seldom."""


def remind(office: Office, stages: Sequence[int]) -> int:
    """Remind whoever has come to one of these days before the end; return how many were.

    A stage that is earlier than the rulebook allows renewal is left out. Who is late for several
    stages is reminded once.
    """
    now = office.clock.now()
    most = office.rulebook(now).limits.renewal_days_before_end
    reminded, floor = 0, now
    for stage in sorted({each for each in stages if each <= most}):
        until = now + timedelta(days=stage)
        while (told := _remind_batch(office, stage, floor, until)) is not None:
            reminded += told
        floor = until
    return reminded


def _remind_batch(office: Office, stage: int, floor: datetime, until: datetime) -> int | None:
    """Remind of some that end after `floor` and not after `until`; None when there are no more."""
    with office.db.read() as tx:
        reached = renewals.mark_of(tx, stage)
        if not _ending(tx, reached, floor, until, most=1) and _near(reached, until):
            return None
    with office.db.begin() as tx:
        now = office.clock.now()
        reached = renewals.mark_of(tx, stage, lock=True)
        found = _ending(tx, reached, floor, until, most=_BATCH)
        known = subscribers.kinds_of(tx, {each.subscriber for each in found})
        # Our own responders have certificates too, and no entry in the register.
        told = [each for each in found if each.subscriber in known]
        for each in told:
            _tell(tx, each, now)
        audit.append_all(tx, [_entry(office, each, stage, now) for each in told])
        last = Mark(found[-1].not_after, found[-1].id) if found else Mark(until, LAST)
        if reached is None or last > reached:
            renewals.put_mark(tx, stage, last)
    return len(told) if found else None


def _ending(
    tx: Tx, reached: Mark | None, floor: datetime, until: datetime, *, most: int
) -> list[Certificate]:
    """Return the next that a stage has not come to."""
    after = max(reached or Mark(floor, LAST), Mark(floor, LAST))
    return engine.ending(tx, after.not_after, after.certificate_id, until=until, most=most)


def _near(reached: Mark | None, until: datetime) -> bool:
    return reached is not None and until < reached.not_after + _BEHIND


def _tell(tx: Tx, certificate: Certificate, now: datetime) -> None:
    values = {
        "serial": serials.to_hex(certificate.serial),
        "end": certificate.not_after.isoformat(),
    }
    outbox.add_notice(tx, certificate.subscriber, "renewal", json.dumps(values), now)


def _entry(office: Office, certificate: Certificate, stage: int, now: datetime) -> audit.New:
    return audit.New(
        at=now,
        actor=office.actor,
        act="renewal.remind",
        subject=f"subscriber:{certificate.subscriber}",
        detail={"serial": serials.to_hex(certificate.serial), "days": stage},
    )
