"""When a new CRL is due, and making it then, by one process at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import ca.records
from core.database import Database, Tx
from crl import paths
from crl.authority import SigningKey
from crl.model import Cause, Kind, Published, Settings
from crl.publish import deliver, publish
from crl.records import leases, lists, numbers, signed
from crl.targets import Target

LEASE = timedelta(seconds=30)
"""How long a process leads after its last call."""
RETRY = timedelta(minutes=5)
"""How long after a refusal by the gate the next attempt comes: a person has to look meanwhile."""


def due(tx: Tx, now: datetime, *, issuer: str, settings: Settings) -> Cause | None:
    """Return why a new CRL is due now, None when the last one will do.

    After the gate held one back, nothing is due for the time of `RETRY`.
    """
    owner = ca.records.issuer_named(tx, issuer)
    refusal = numbers.refusal(tx, owner.id)
    if refusal is not None and now < refusal.at + RETRY:
        return None
    last, full = signed.newest(tx, owner.id), signed.newest(tx, owner.id, kind=Kind.FULL)
    if last is None or full is None:
        return Cause.FIRST
    if now >= full.this_update + settings.interval:
        return Cause.INTERVAL
    waiting = lists.waiting(tx, owner.id, told=last.number)
    if waiting.urgent:
        return Cause.URGENT
    if waiting.count and now >= last.this_update + settings.settle:
        return Cause.CHANGED
    return None


def tick(
    db: Database,
    now: datetime,
    *,
    holder: str,
    issuer: str,
    key: SigningKey,
    settings: Settings,
    targets: Sequence[Target],
) -> Published | None:
    """Publish if due, as the one process that holds the issuer's lease; call it every few seconds.

    `holder` names the process. Another one takes over `LEASE` after the last call. The lease saves
    work; that two publishers do no harm is seen to when a CRL is stored.
    """
    with db.begin() as tx:
        owner = ca.records.issuer_named(tx, issuer)
        if not leases.take(tx, owner.id, holder, now=now, until=now + LEASE):
            return None
    made = publish_if_due(db, now, issuer=issuer, key=key, settings=settings, targets=targets)
    retain(db, now, issuer=issuer, settings=settings, targets=targets)
    return made


def retain(
    db: Database, now: datetime, *, issuer: str, settings: Settings, targets: Sequence[Target]
) -> None:
    """Remove from the targets' history what is older than the settings keep."""
    if settings.retention is None:
        return
    for target in targets:
        with db.read() as tx:
            owner = ca.records.issuer_named(tx, issuer)
            old = signed.expired_history(tx, owner.id, target.name, now - settings.retention)
        for crl in old:
            target.forget(paths.history(owner.name, crl.partition, crl.kind, crl.number))
            with db.begin() as tx:
                signed.withdraw(tx, crl.id, target.name)


def publish_if_due(
    db: Database,
    now: datetime,
    *,
    issuer: str,
    key: SigningKey,
    settings: Settings,
    targets: Sequence[Target],
) -> Published | None:
    """Bring out what an earlier run left behind, then publish if a new CRL is due."""
    deliver(db, now, issuer=issuer, targets=targets)
    with db.read() as tx:
        cause = due(tx, now, issuer=issuer, settings=settings)
    if cause is None:
        return None
    kind = settings.on_change if cause is Cause.CHANGED else Kind.FULL
    return publish(db, now, issuer=issuer, key=key, settings=settings, targets=targets, kind=kind)
