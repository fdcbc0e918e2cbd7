"""One certificate follows another: the link at the order, the older one's end at the issue.

A successor never inherits anything but its place: it has its own serial, and its own history.
"""

from datetime import datetime

from ca import lifecycle, records
from ca.model import Approval, Certificate
from ca.order import Order, Replacement, check_replacement
from core import serials
from core.database import Tx
from core.errors import Refused


def find(tx: Tx, order: Order, replaces: Replacement, now: datetime) -> Certificate:
    """Return the certificate that `order` replaces, locked; raises Refused when it cannot be."""
    old = records.lock(tx, records.by_serial(tx, replaces.serial).id)
    check_replacement(order, replaces, old, records.key_of(tx, old.id), now)
    if records.successors(tx, old.id):
        raise Refused(
            f"The certificate {serials.to_hex(old.serial)} has a successor already; revoke that "
            "one first if it is wrong.",
            code="replaced_already",
        )
    if replaces.retire is not None:
        lifecycle.require_fit(tx, replaces.retire, now)
    return old


def retire(tx: Tx, approval: Approval, now: datetime) -> Certificate:
    """Revoke a certificate that was replaced, for the reason that was given when it was.

    Raises Refused when no issued successor is there to take its place.
    """
    old = records.by_serial(tx, approval.serial or 0)
    for successor_id, _, reason in records.successors(tx, old.id):
        if records.by_id(tx, successor_id).der is not None:
            return lifecycle.revoke(tx, approval, reason, now)
    raise Refused(
        f"The certificate {serials.to_hex(old.serial)} has no issued successor; revoke it for a "
        "reason of its own.",
        code="not_replaced",
    )


def retire_with(tx: Tx, replaces: Replacement, now: datetime) -> None:
    """Revoke what an order replaces, in the commit that issues the new one.

    Nothing happens when the order leaves that for later, or when the older one has ended meanwhile.
    """
    if replaces.retire is None:
        return
    old = records.lock(tx, records.by_serial(tx, replaces.serial).id)
    if not old.revoked and not old.expired(now):
        lifecycle.revoke(tx, replaces.retire, replaces.reason, now)
