"""What somebody asks for: an authority's order, a subscriber's request, an officer's act.

The answer is stored either way; a refusal commits too, and is then raised.
"""

from ca import records as engine
from ca.model import Certificate
from policy import decisions, facts, remedy, rules
from policy.enrol import allowed
from policy.model import Decision, Request, Wanted
from policy.office import Office


def ask(office: Office, serial: int, wanted: Wanted, request: Request) -> Certificate:
    """Put a request for one certificate to the rules and do what they allow, in one commit.

    Returns the certificate after the act. Raises Refused with the reasons, NotFound.
    """
    with office.db.begin() as tx:
        found = engine.lock(tx, engine.by_serial(tx, serial).id)
        now = office.clock.now()  # under the lock: an act that was waited for came before this one
        known = facts.of_certificate(tx, found, request=request)
        ruling = rules.admit(wanted, known, office.rulebook(now, known), now)
        if isinstance(ruling, Decision):
            after = decisions.carry_out(tx, ruling, office.actor)
            remedy.follow(tx, ruling)
            return after or found
        decisions.record(tx, ruling, office.actor)
    allowed(ruling)
    raise AssertionError("A refusal is always raised.")
