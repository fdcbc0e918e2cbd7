"""Goes on where another CA's CRLs ended: the same issuer name and key, numbers above its last one.

The certificates and their statuses come by the engine's own take-over; the database notes each of
them, so the first CRL lists them all.
"""

from datetime import datetime

import ca.records
from core import audit
from core.database import Database
from core.errors import Refused
from crl import reading
from crl.authority import subject_of
from crl.model import WHOLE
from crl.records import numbers, signed


def continue_after(db: Database, now: datetime, *, issuer: str, last: bytes, actor: str) -> int:
    """Let the issuer's numbers go on above those of `last`, the former CA's newest CRL; return it.

    Raises Invalid when `last` is no CRL with a number, Refused when it is another issuer's or when
    we published a CRL already.
    """
    heading = reading.outline(last).heading
    with db.begin() as tx:
        owner = ca.records.issuer_named(tx, issuer)
        if heading.issuer != subject_of(owner.der):
            raise Refused(
                f"The CRL is not of the issuer {issuer!r}; its issuer field differs.",
                code="crl_of_another_issuer",
            )
        if signed.newest(tx, owner.id, partition=WHOLE) is not None:
            raise Refused(
                f"{issuer} published a CRL here already; a take-over comes before the first one.",
                code="crl_published",
            )
        numbers.raise_to(tx, owner.id, heading.number)
        audit.append(
            tx,
            at=now,
            actor=actor,
            act="crl.take_over",
            subject=f"crl:{issuer}/{heading.number}",
            next_update=heading.next_update,
        )
    return heading.number
