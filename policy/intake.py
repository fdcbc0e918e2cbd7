"""Documents arrive and are judged; a dossier that becomes complete restores in the same commit."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from ca import records as engine
from core import audit
from core.database import Tx
from core.errors import NotFound
from policy import decisions, facts, remedy, rules
from policy.files import Filed
from policy.model import Action, Decision, Document, Verdict
from policy.office import Office
from policy.records import cases, documents, subscribers
from policy.records.documents import Place
from policy.rulebook import Rulebook


def receive(
    office: Office,
    subscriber_id: str,
    papers: Sequence[Document],
    *,
    filed: Filed | None = None,
) -> list[int]:
    """Record papers that came together; they belong to the subscriber's newest case, if any.

    Returns their numbers. A file that was `filed` before belongs to each of them. What the dossier
    now demands (above all restoration) is done in the same commit. Raises NotFound for
    a subscriber whom the register does not have.
    """
    now = office.clock.now()
    with office.db.begin() as tx:
        if not subscribers.kinds_of(tx, [subscriber_id]):
            raise NotFound(f"The register has no subscriber {subscriber_id!r}.")
        own = cases.cases_of(tx, [subscriber_id]).get(subscriber_id, [])
        case_id = own[-1].id if own else None
        numbers = []
        for each in papers:
            judged = None if each.verdict is Verdict.PENDING else now
            number = documents.add_document(tx, subscriber_id, case_id, each, judged)
            if filed is not None:
                documents.add_file(tx, number, asdict(filed), now)
            _audit(tx, office, "document.receive", now, owner=subscriber_id, document=number)
            numbers.append(number)
        _act(office, tx, subscriber_id)
        return numbers


def judge(office: Office, document_id: int, verdict: Verdict, reason: str = "") -> str:
    """Write an officer's verdict on a document and do what the dossier now demands.

    Returns the subscriber's id; raises NotFound.
    """
    now = office.clock.now()
    with office.db.begin() as tx:
        owner = documents.set_verdict(tx, document_id, verdict, reason, now)
        _audit(tx, office, "document.judge", now, owner=owner, document=document_id)
        _act(office, tx, owner)
        return owner


def place(office: Office, document_id: int, where: Place) -> str:
    """Record where a paper lies and in how many copies; return its subscriber's id."""
    now = office.clock.now()
    with office.db.begin() as tx:
        owner = documents.set_place(tx, document_id, where)
        _audit(tx, office, "document.place", now, owner=owner, document=document_id)
        return owner


def reopen(office: Office, subscriber_id: str, because: str) -> None:
    """Judge the subscriber's original dossier by today's rules from now on; raises NotFound.

    Without it, a dossier stays under the rules of the day on which it was opened.
    """
    now = office.clock.now()
    with office.db.begin() as tx:
        subscribers.reopen(tx, subscriber_id, now)
        subject = f"subscriber:{subscriber_id}"
        audit.append(
            tx, at=now, actor=office.actor, act="dossier.reopen", subject=subject, because=because
        )
        _act(office, tx, subscriber_id)


def _act(office: Office, tx: Tx, subscriber_id: str) -> None:
    issued = [each.id for each in engine.of_subscriber(tx, subscriber_id) if each.der]
    locked = facts.lock(tx, issued)
    now = office.clock.now()  # under the lock: an act that was waited for came before this one
    for _, known in locked:
        rulebook = office.rulebook(now, known)
        decision = rules.decide(known, rulebook, now)
        if _at_once(decision, rulebook):
            decisions.carry_out(tx, decision, office.actor)
            remedy.follow(tx, decision)


def _at_once(decision: Decision, rulebook: Rulebook) -> bool:
    """Whether the paper itself demands the act; what a date demands is left to the sweep."""
    suspicion = (rulebook.campaign.contested_ground, rulebook.campaign.forged_ground)
    return decision.action in (Action.LIFT, Action.ACTIVATE) or decision.ground in suspicion


def _audit(tx: Tx, office: Office, act: str, now: datetime, *, owner: str, document: int) -> None:
    subject = f"subscriber:{owner}"
    audit.append(tx, at=now, actor=office.actor, act=act, subject=subject, document=document)
