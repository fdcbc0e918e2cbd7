"""What a remedy case may need beside its straight road: a new token, a later date, its contract.

A token that is refused or lost takes its certificate with it, in one commit; the case is paid and a
new token is sent. A later date needs evidence and a second person, before the irreversible step.
"""

import json
from datetime import datetime, timedelta

from core.errors import Conflict, Invalid, Refused
from policy import decisions, facts, remedy, rules
from policy.cases import CaseEvent, advance
from policy.model import Action, CaseState, Verdict
from policy.office import Office
from policy.records import cases, documents, outbox
from policy.records.cases import Case, Extension
from policy.rulebook_parts import Joint

_RUNNING = frozenset({CaseState.TOKEN_RECEIVED, CaseState.DOSSIER_RECEIVED})


def replace_token(office: Office, case_id: str, event: CaseEvent) -> Case:
    """Record that the case's token was refused or lost; revoke its certificate, order the lock.

    The case is paid again and `remedy.ship` sends a new certificate, on hold, in a new token. What
    the clock demands by now is done before anything else. Raises Refused (case_event).
    """
    if event not in (CaseEvent.TOKEN_REFUSED, CaseEvent.TOKEN_LOST):
        raise ValueError(f"A token is not replaced because of {event}.")
    with office.db.begin() as tx:
        case = remedy.lock(tx, case_id)
        now = office.clock.now()
        if remedy.settle(office, tx, case, now):
            return cases.case_named(tx, case_id)
        state = advance(case.state, event)
        if case.certificate_id is None:
            raise ValueError(f"The case {case_id} was sent a token without a certificate.")
        cases.update_case(tx, case_id, state=state)
        ((_, known),) = facts.lock(tx, [case.certificate_id])
        decision = rules.decide(known, office.rulebook(now, known), now)
        if decision.action is not Action.REVOKE:
            raise Refused(decision.because, code="token_not_replaced")
        decisions.carry_out(tx, decision, office.actor)
        remedy.note(tx, office, now, case, event, token=case.token or "")
        remedy.follow(tx, decision)
        return cases.case_named(tx, case_id)


def ask_extension(
    office: Office, case_id: str, until: datetime, *, evidence: int, because: str
) -> int:
    """Ask for a later date, for force majeure; return the number that another person approves.

    `evidence` is the number of a document of the case. Raises Refused or Invalid with the reason.
    """
    if not because.strip():
        raise Invalid("A later date is given for a reason; say it.")
    with office.db.begin() as tx:
        case = remedy.lock(tx, case_id)
        now = office.clock.now()
        due = _due(case)
        most = office.rulebook(now).remedy.extension_days
        if not due < until <= due + timedelta(days=most):
            raise Refused(
                f"The case {case_id} is due by {due.isoformat()}; a later date may lie up to "
                f"{most} days after that, and {until.isoformat()} does not.",
                code="extension_outside",
            )
        owner, of_case = documents.owner_of(tx, evidence)
        if (owner, of_case) != (case.subscriber_id, case_id):
            raise Refused(
                f"The document {evidence} is not among the papers of the case {case_id}.",
                code="foreign_evidence",
            )
        number = cases.add_extension(
            tx,
            case_id=case_id,
            until=until,
            evidence=evidence,
            because=because,
            asked_by=office.actor,
            asked_at=now,
        )
        told = {"extension": number, "until": until.isoformat(), "evidence": evidence}
        remedy.note(tx, office, now, case, CaseEvent.EXTENSION_ASKED, **told)
        return number


def approve_extension(office: Office, number: int) -> Case:
    """Give a case the later date that another person asked for; its evidence must be accepted.

    Raises Refused: to whoever asked (four_eyes), or once the certificate is revoked (case_event).
    """
    with office.db.begin() as tx:
        asked = cases.extension_named(tx, number)
        case = remedy.lock(tx, asked.case_id)
        now = office.clock.now()
        _check_approval(office, asked, now)
        if documents.verdict_of(tx, asked.evidence) is not Verdict.ACCEPTED:
            raise Refused(
                f"The document {asked.evidence} is the evidence and is not accepted.",
                code="evidence_not_accepted",
            )
        if asked.until <= _due(case):
            raise Refused(
                f"The case {case.id} is due later than {asked.until.isoformat()} already.",
                code="extension_outside",
            )
        cases.approve_extension(tx, number, office.actor, now)
        cases.update_case(tx, case.id, due_at=asked.until)
        values = {"case": case.id, "due": asked.until.isoformat()}
        outbox.add_notice(tx, case.subscriber_id, "extended", json.dumps(values), now)
        told = {"extension": number, "until": asked.until.isoformat()}
        remedy.note(tx, office, now, case, CaseEvent.EXTENDED, **told)
        return cases.case_named(tx, case.id)


def return_contract(office: Office, case_id: str, parcel: str) -> Case:
    """Record that one copy of the contract went back, with the parcel's number, once activated."""
    if not parcel.strip():
        raise Invalid("The contract goes back in a parcel; name its number.")
    with office.db.begin() as tx:
        case = cases.case_named(tx, case_id, lock=True)
        now = office.clock.now()
        if case.state is not CaseState.ACTIVATED:
            raise Refused(
                f"The case {case_id} stands at {case.state}; the contract goes back when it is "
                "activated.",
                code="case_event",
            )
        if case.contract_returned_at is not None:
            raise Conflict(f"The contract of {case_id} went back in {case.contract_parcel!r}.")
        cases.update_case(tx, case_id, contract_returned_at=now, contract_parcel=parcel)
        remedy.note(tx, office, now, case, CaseEvent.CONTRACT_RETURNED, parcel=parcel)
        return cases.case_named(tx, case_id)


def _due(case: Case) -> datetime:
    if case.state not in _RUNNING or case.due_at is None:
        raise Refused(
            f"The case {case.id} stands at {case.state}; only a date that runs is extended, before "
            "the certificate is revoked.",
            code="case_event",
        )
    return case.due_at


def _check_approval(office: Office, asked: Extension, now: datetime) -> None:
    if asked.approved_at is not None:
        raise Conflict(f"The extension {asked.id} was approved by {asked.approved_by}.")
    four_eyes = office.rulebook(now).four_eyes
    four_eyes.check(Joint.CASE_EXTENSION, asked.asked_by, office.actor)
