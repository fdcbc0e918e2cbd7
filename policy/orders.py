"""What somebody asks for: an authority's order, a subscriber's request, an officer's act.

The answer is stored either way; a refusal commits too, and is then raised.
"""

from datetime import datetime

from ca import records as engine
from ca.model import Certificate
from core.database import Tx
from policy import decisions, facts, remedy, rules
from policy.enrol import allowed
from policy.model import Decision, Refusal, Request, Wanted
from policy.office import Office


def ask(office: Office, serial: int, wanted: Wanted, request: Request) -> Certificate:
    """Put a request for one certificate to the rules and do what they allow, in one commit.

    Returns the certificate after the act. Raises Refused with the reasons, NotFound.
    """
    with office.db.begin() as tx:
        found = engine.lock(tx, engine.by_serial(tx, serial).id)
        # Under the lock: an act that was waited for came before this one.
        ruling = rule(office, tx, found, wanted, request, now=office.clock.now())
        if isinstance(ruling, Decision):
            return follow(office, tx, ruling) or found
        decisions.record(tx, ruling, office.actor)
    allowed(ruling)
    raise AssertionError("A refusal is always raised.")


def rule(
    office: Office, tx: Tx, found: Certificate, wanted: Wanted, request: Request, *, now: datetime
) -> Decision | Refusal:
    """Return what the rules answer to a request for one certificate; nothing is done."""
    known = facts.of_certificate(tx, found, request=request)
    return rules.admit(wanted, known, office.rulebook(now, known), now)


def follow(office: Office, tx: Tx, ruling: Decision) -> Certificate | None:
    """Do what a decision allows, also in the remedy case; return the certificate after it."""
    after = decisions.carry_out(tx, ruling, office.actor)
    remedy.follow(tx, ruling)
    return after
