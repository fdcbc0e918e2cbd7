"""Decisions are stored with their facts, then carried out, in one commit.

The stored decision's id is the engine's `Approval`: the engine acts on nothing else. A refusal is
stored in the same way, so that the whole history can be replayed.
"""

import json
import uuid
from collections.abc import Iterable, Mapping

from ca import lifecycle, plan
from ca.model import Act, Approval, Certificate, HoldSource
from core import audit, serials
from core.database import Tx
from core.reasons import Reason
from policy import silence
from policy.model import Action, Decision, Refusal
from policy.records import decisions, outbox

TOLD = frozenset({Action.HOLD, Action.LIFT, Action.REVOKE, Action.ACTIVATE, Action.FORFEIT,
                  Action.REMIND, Action.CLOSE_UNPAID})  # fmt: skip
"""The actions of which the subscriber is told at once (Decree 130/2018 Điều 28(2), 29(2))."""


def record(tx: Tx, ruling: Decision | Refusal, actor: str) -> str:
    """Store a decision or refusal with its facts; return its id."""
    key = new_key()
    record_all(tx, {key: ruling}, actor)
    return key


def record_all(tx: Tx, rulings: Mapping[str, Decision | Refusal], actor: str) -> None:
    """Store decisions and refusals with their facts, each under its id, in this order."""
    decisions.add_decisions(tx, [_row(key, each, actor) for key, each in rulings.items()])
    audit.append_all(tx, [_entry(key, each, actor) for key, each in rulings.items()])


def new_key() -> str:
    """Return an id for a decision that nobody named in advance."""
    return uuid.uuid4().hex


def _row(key: str, ruling: Decision | Refusal, actor: str) -> dict[str, object]:
    made = isinstance(ruling, Decision)
    return {
        "id": key,
        "at": ruling.at,
        "actor": actor,
        "subscriber_id": ruling.facts.subscriber,
        "serial": _serial(ruling),
        "outcome": "decision" if made else "refusal",
        "clause": clause(ruling) if isinstance(ruling, Decision) else ruling.clause,
        "because": ruling.because if isinstance(ruling, Decision) else ruling.sentence,
        "rulebook": ruling.rulebook,
        "record": audit.canonical(ruling.to_json()),
    }


def _entry(key: str, ruling: Decision | Refusal, actor: str) -> audit.New:
    act = ruling.action if isinstance(ruling, Decision) else "refuse"
    return audit.New(
        at=ruling.at,
        actor=actor,
        act=f"decision.{act}",
        subject=f"subscriber:{ruling.facts.subscriber}",
        detail={"decision": key, "serial": _serial(ruling)},
    )


def _serial(ruling: Decision | Refusal) -> str | None:
    return ruling.facts.certificate.serial if ruling.facts.certificate else None


def approval(key: str, decision: Decision, act: Act, actor: str) -> Approval:
    """Return the approval that a stored decision gives to the engine."""
    certificate = decision.facts.certificate
    return Approval(
        decision=key,
        act=act,
        subscriber=decision.facts.subscriber,
        serial=serials.parse(certificate.serial) if certificate else None,
        actor=actor,
        clause=clause(decision),
        because=decision.because,
        rulebook=decision.rulebook,
        at=decision.at,
    )


def clause(decision: Decision) -> str:
    """Return the legal ground, with the condition of the contract that it rests on."""
    parts = [decision.clause, decision.contract_clause]
    return "; ".join(part for part in parts if part)


def carry_out(tx: Tx, decision: Decision, actor: str) -> Certificate | None:
    """Store `decision`, do its act in the engine, tell the subscriber; all in the caller's commit.

    Returns the certificate after the act, or None for an action that touches no certificate. What
    belongs to remedy cases beside it (case, token) is done by `remedy`.
    """
    key = record(tx, decision, actor)
    if decision.action in TOLD and not silence.ordered(decision):
        tell(tx, key, decision)
    now = decision.at
    match decision.action:
        case Action.HOLD:
            return lifecycle.suspend(
                tx,
                approval(key, decision, Act.SUSPEND, actor),
                _source(decision),
                now,
                ends_at=decision.ends_at,
            )
        case Action.EXTEND:
            allowed = approval(key, decision, Act.EXTEND, actor)
            return lifecycle.extend(tx, allowed, _source(decision), now, ends_at=decision.ends_at)
        case Action.CONFIRM:
            return lifecycle.confirm(tx, approval(key, decision, Act.CONFIRM, actor), now)
        case Action.LIFT | Action.ACTIVATE:
            allowed = approval(key, decision, Act.RESTORE, actor)
            return lifecycle.restore(tx, allowed, _source(decision), now)
        case Action.REVOKE | Action.FORFEIT:
            return lifecycle.revoke(
                tx,
                approval(key, decision, Act.REVOKE, actor),
                decision.reason or Reason.UNSPECIFIED,
                now,
                invalidity_date=decision.invalidity_date,
            )
        case Action.PLAN:
            _plan(tx, key, decision, actor)
    return None


def remind_all(tx: Tx, reminders: Iterable[Decision], actor: str) -> None:
    """Store many reminders and tell their subscribers, as `carry_out` does with one."""
    made = {new_key(): each for each in reminders}
    record_all(tx, made, actor)
    told = [_notice(key, each) for key, each in made.items() if not silence.ordered(each)]
    outbox.add_notices(tx, told)


def _plan(tx: Tx, key: str, decision: Decision, actor: str) -> None:
    request = decision.facts.request
    if request is None or request.due_at is None:
        raise ValueError("The decision to plan a revocation names no date.")
    plan.plan(
        tx,
        approval(key, decision, Act.REVOKE, actor),
        decision.reason or Reason.UNSPECIFIED,
        decision.at,
        due_at=request.due_at,
        invalidity_date=decision.invalidity_date,
    )


def _source(decision: Decision) -> HoldSource:
    if decision.source is None:
        raise ValueError(f"The decision to {decision.action} names no hold source.")
    return decision.source


def tell(tx: Tx, key: str, decision: Decision) -> None:
    """Queue the notice of what was decided, and done at the decision's instant."""
    outbox.add_notices(tx, [_notice(key, decision)])


def _notice(key: str, decision: Decision) -> outbox.New:
    certificate = decision.facts.certificate
    values = {
        "decision": key,
        "serial": certificate.serial if certificate else "",
        "at": decision.at.isoformat(),
        "clause": clause(decision),
    }
    return outbox.New(
        subscriber_id=decision.facts.subscriber,
        template=decision.action,
        values=json.dumps(values, ensure_ascii=False),
        queued_at=decision.at,
    )
