"""What has become due by the clock alone: holds whose time is over, and planned revocations.

Each certificate is one commit, decided under its lock. What the rulebook does not lift by itself
when its time is over (an authority's order) stays on hold, and `overdue` names it.
"""

from dataclasses import replace
from datetime import datetime

from ca import plan
from ca import records as engine
from ca.model import Certificate, HoldSource
from core.database import Tx
from policy import decisions, facts, remedy, rules, silence
from policy.model import Action, Decision, Party, Request, Wanted
from policy.office import Office
from policy.records.decisions import named


def lift_ended(office: Office) -> list[Certificate]:
    """Lift the holds whose time is over, as the law demands (Decree 130/2018 Điều 28(3))."""
    with office.db.read() as tx:
        ended = engine.holds_ended(tx, office.clock.now())
    lifted = []
    for certificate_id, source in ended:
        with office.db.begin() as tx:
            ruling = _ruling(office, tx, certificate_id, source)
            after = decisions.carry_out(tx, ruling, office.actor) if ruling else None
        lifted.extend([after] if after else [])
    return lifted


def overdue(tx: Tx, now: datetime) -> list[tuple[Certificate, HoldSource]]:
    """Return the certificates whose hold goes on after its time, with the hold's source."""
    return [(engine.by_id(tx, each), source) for each, source in engine.holds_ended(tx, now)]


def carry_out_plans(office: Office) -> list[Certificate]:
    """Revoke what was planned for by now; the subscriber is told when it is done."""
    with office.db.read() as tx:
        waiting = plan.due(tx, office.clock.now())
    revoked = []
    for each in waiting:
        with office.db.begin() as tx:
            ((_, known),) = facts.lock(tx, [each.certificate_id])
            now = office.clock.now()  # under the lock: nothing is back-dated
            after = plan.carry_out(tx, each.certificate_id, now)
            promised = named(tx, each.decision)
            if after is not None and isinstance(promised, Decision):
                done = replace(promised, action=Action.REVOKE, at=now, facts=known)
                if not silence.ordered(promised):
                    decisions.tell(tx, each.decision, done)
                remedy.follow(tx, done)
                revoked.append(after)
    return revoked


def _ruling(office: Office, tx: Tx, certificate_id: int, source: HoldSource) -> Decision | None:
    """Return the decision to lift a hold, None when its rulebook leaves that to somebody."""
    ((_, known),) = facts.lock(tx, [certificate_id])
    now = office.clock.now()
    asked = replace(known, request=Request(by=Party.CA, source=source))
    ruling = rules.admit(Wanted.RESTORE, asked, office.rulebook(now, known), now)
    return ruling if isinstance(ruling, Decision) else None
