"""Generations of issuers: a new one issues, the old one goes on telling status until its end.

A generation has a name, a key and a certificate of its own, so its CRL and its OCSP answers have
their own addresses. Retiring one is final; its certificates stay what they are.
"""

from ca import records
from ca.model import Issuer
from core import audit
from core.clock import Clock
from core.database import Database
from core.errors import Conflict


def retire(db: Database, clock: Clock, name: str, *, successor: str, actor: str) -> Issuer:
    """Let the issuer `name` issue no more, now that `successor` does; return it as it is then.

    Raises NotFound for an issuer that there is not, Conflict when one of them is retired already
    or the successor would end no later.
    """
    now = clock.now()
    with db.begin() as tx:
        old, new = records.issuer_named(tx, name), records.issuer_named(tx, successor)
        for each in (old, new):
            if each.retired_at is not None:
                raise Conflict(
                    f"The issuer {each.name!r} was retired at {each.retired_at.isoformat()}."
                )
        if old.id == new.id or new.not_after <= old.not_after:
            raise Conflict(
                f"The issuer {successor!r} ends no later than {name!r}; it is no successor."
            )
        records.retire_issuer(tx, old.id, now)
        audit.append(
            tx,
            at=now,
            actor=actor,
            act="issuer.retire",
            subject=f"issuer:{name}",
            successor=successor,
        )
        return records.issuer_named(tx, name)
