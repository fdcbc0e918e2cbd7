"""After a crash: every serial that was recorded but never finished is revoked.

Nobody can know whether the token signed before the crash. A revoked serial is true in both cases.
"""

from datetime import timedelta

from ca import records, status
from ca.model import Act
from core import audit, serials
from core.clock import Clock
from core.database import Database
from core.reasons import Reason

PATIENCE = timedelta(minutes=10)
"""How long an issuance may stay pending before it counts as lost."""

CLAUSE = "engine:reconcile"
BECAUSE = "The issuance was interrupted after its serial was recorded, so the serial is revoked."


def reconcile(db: Database, clock: Clock, *, patience: timedelta = PATIENCE) -> list[int]:
    """Revoke every serial pending for longer than `patience`; return those serials."""
    now = clock.now()
    given_up = []
    with db.begin() as tx:
        for row in records.pending_since(tx, now - patience):
            lost = records.by_id(tx, row)
            after = status.revoke(lost.standing, Reason.CESSATION_OF_OPERATION, now)
            records.add_event(
                tx,
                certificate_id=row,
                at=now,
                act=Act.REVOKE,
                status=after.status,
                reason=after.reason,
                decision=f"reconcile-{row}",
                clause=CLAUSE,
                because=BECAUSE,
            )
            records.lift_holds(tx, row, lost.standing.sources, now)
            records.set_standing(tx, lost, after)
            records.mark_lost(tx, row)
            audit.append(
                tx,
                at=now,
                actor="engine:reconcile",
                act="certificate.lost",
                subject=f"certificate:{serials.to_hex(lost.serial)}",
                subscriber=lost.subscriber,
            )
            given_up.append(lost.serial)
    return given_up
