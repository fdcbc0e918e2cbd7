"""When a new CRL is due, and making it then."""

from collections.abc import Sequence
from datetime import datetime

import ca.records
from core.database import Database, Tx
from crl import records
from crl.authority import SigningKey
from crl.model import Cause, Kind, Published, Settings
from crl.publish import deliver, publish
from crl.targets import Target


def due(tx: Tx, now: datetime, *, issuer: str, settings: Settings) -> Cause | None:
    """Return why a new CRL is due now, None when the last one will do."""
    owner = ca.records.issuer_named(tx, issuer)
    last, full = records.newest(tx, owner.id), records.newest(tx, owner.id, kind=Kind.FULL)
    if last is None or full is None:
        return Cause.FIRST
    if now >= full.this_update + settings.interval:
        return Cause.INTERVAL
    waiting = records.waiting(tx, owner.id, told=last.number)
    if waiting.urgent:
        return Cause.URGENT
    if waiting.count and now >= last.this_update + settings.settle:
        return Cause.CHANGED
    return None


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
