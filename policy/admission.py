"""What may be asked for, pure: a wanted act and facts in, a decision or a refusal out.

A refusal is an answer, not an error: it names its code, its clause and all reasons, and is stored
like a decision.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ca.model import HoldSource, Status
from policy import timetable
from policy.model import (
    Action,
    CertificateFacts,
    Decision,
    DossierState,
    Facts,
    Judgement,
    Party,
    Refusal,
    Request,
    Wanted,
)
from policy.question import Question, sentences
from policy.rulebook import Rulebook
from policy.rulebook_parts import AdmitRestore, Ground

_SUSPECT = frozenset({DossierState.CONTESTED, DossierState.FORGED})


def admit(wanted: Wanted, facts: Facts, rulebook: Rulebook, now: datetime) -> Decision | Refusal:
    """Return the decision that allows the wanted act, or the refusal that says why it is not."""
    question = Question(facts=facts, rulebook=rulebook, now=now, wanted=wanted)
    return _ANSWERS[wanted](question)


def _issue(question: Question) -> Decision | Refusal:
    rule = question.rulebook.admit.issue
    judgement = question.judgement()
    if judgement.state in _SUSPECT:
        return _suspect(question, judgement)
    if judgement.complete:
        return question.decision(Action.ISSUE, rule.clause, "The dossier is complete.")
    until = rule.papers_to_follow_until
    if rule.papers_to_follow and (until is None or question.now < until):
        because = "The dossier is not complete; its papers may follow the certificate."
        return replace(
            question.decision(Action.ISSUE, rule.clause, because), lacks=sentences(judgement)
        )
    return _incomplete(question, judgement, "so no certificate is issued")


def _issue_on_hold(question: Question) -> Decision | Refusal:
    rule = question.rulebook.admit.issue_on_hold
    case = question.facts.case
    if case is None:
        return question.refusal(
            "no_case", "A certificate is issued on hold only in a remedy case.", clause=rule.clause
        )
    if question.facts.certificate is not None:
        return question.refusal(
            "certificate_exists",
            f"The remedy case {case.id} has its certificate {question.facts.certificate.serial}.",
            clause=rule.clause,
        )
    if case.state not in rule.case_states:
        return question.refusal(
            "case_not_paid",
            f"The remedy case {case.id} stands at {case.state}; its certificate is issued at "
            f"{' or '.join(rule.case_states)}.",
            clause=rule.clause,
        )
    judgement = question.judgement()
    if judgement.state in _SUSPECT:
        return _suspect(question, judgement)
    because = f"The remedy case {case.id} stands at {case.state}; its dossier is still to come."
    held = question.on_ground(Action.ISSUE_ON_HOLD, rule.ground, because)
    return replace(held, lacks=sentences(judgement))


def _activate(question: Question) -> Decision | Refusal:
    clause = question.rulebook.admit.activate.clause
    ended = _ended(question)
    if ended is not None:
        return ended
    case = question.facts.case
    if case is None:
        return question.refusal(
            "no_case", "Only the certificate of a remedy case is activated.", clause=clause
        )
    judgement = question.judgement()
    if judgement.state in _SUSPECT:
        return _suspect(question, judgement)
    answer = timetable.activation(question, case)
    if answer.action is Action.ACTIVATE:
        return answer
    return question.refusal(
        "not_activatable", answer.because, clause=clause, reasons=sentences(judgement)
    )


def _suspend(question: Question) -> Decision | Refusal:
    asked = _asked(question, question.rulebook.admit.suspend.grounds)
    if isinstance(asked, Refusal):
        return asked
    request, ground = asked
    if ground.source in question.holds:
        return question.refusal(
            "hold_open",
            f"A hold from {ground.source} is open already; extend or lift that one.",
            clause=ground.clause,
        )
    if request.ends_at is not None and request.ends_at <= question.now:
        return question.refusal(
            "ends_in_past",
            f"The suspension would end at {question.when(request.ends_at)}, which has passed.",
            clause=ground.clause,
        )
    held = question.on_ground(Action.HOLD, request.ground, _because(request))
    return replace(held, ends_at=request.ends_at)


def _extend(question: Question) -> Decision | Refusal:
    """Whoever may suspend on a ground may also ask that its hold lasts longer."""
    asked = _asked(question, question.rulebook.admit.suspend.grounds)
    if isinstance(asked, Refusal):
        return asked
    request, ground = asked
    if ground.source not in question.holds:
        return question.refusal(
            "no_such_hold",
            f"No hold from {ground.source} is open, so none is extended.",
            clause=ground.clause,
        )
    ends = _ends(question).get(ground.source)
    if ends is None or (request.ends_at is not None and request.ends_at <= max(ends, question.now)):
        return question.refusal(
            "not_extended",
            f"The hold from {ground.source} ends {question.when(ends) if ends else 'at no time'}; "
            "a later end or none may be asked for, and none that has passed.",
            clause=ground.clause,
        )
    longer = question.on_ground(Action.EXTEND, request.ground, _because(request))
    return replace(longer, ends_at=request.ends_at)


def _confirm(question: Question) -> Decision | Refusal:
    ended = _ended(question)
    if ended is not None:
        return ended
    request, rule = question.facts.request, question.rulebook.admit.confirm
    if request is None or rule is None:
        return question.refusal(
            "not_confirmable", f"No confirmation is taken under {question.rulebook.reference}."
        )
    wrong = _wrong_party(question, request, rule.by, verified=rule.verified, clause=rule.clause)
    because = f"The {request.by} confirmed what stands in the certificate. {_because(request)}"
    return wrong or question.decision(Action.CONFIRM, rule.clause, because)


def _revoke(question: Question) -> Decision | Refusal:
    asked = _asked(question, question.rulebook.admit.revoke.grounds)
    if isinstance(asked, Refusal):
        return asked
    request, ground = asked
    bad_since, certificate = request.invalidity_date, question.facts.certificate
    if bad_since is not None and bad_since > question.now:
        return question.refusal(
            "invalidity_in_future",
            f"The certificate would be bad from {question.when(bad_since)} on, which lies ahead.",
            clause=ground.clause,
        )
    if request.due_at is None:
        made = question.on_ground(Action.REVOKE, request.ground, _because(request))
    elif certificate and question.now < request.due_at <= certificate.not_after:
        because = f"It is to be revoked at {question.when(request.due_at)}. {_because(request)}"
        made = question.on_ground(Action.PLAN, request.ground, because)
    else:
        return question.refusal(
            "plan_outside",
            f"The revocation is planned for {question.when(request.due_at)}, which does not lie "
            "between now and the certificate's end.",
            clause=ground.clause,
        )
    return replace(made, invalidity_date=bad_since or made.invalidity_date)


def _restore(question: Question) -> Decision | Refusal:
    ended = _ended(question)
    if ended is not None:
        return ended
    request = question.facts.request
    if request is None or request.source is None:
        return question.refusal("no_source", "The request does not name the hold to lift.")
    if request.source not in question.holds:
        return question.refusal(
            "no_such_hold", f"No hold from {request.source} is open, so none can be lifted."
        )
    rule = question.rulebook.admit.restore.get(request.source)
    if rule is None:
        return question.refusal(
            "not_restorable",
            f"A hold from {request.source} is not lifted on request under "
            f"{question.rulebook.reference}.",
        )
    return _unmet(question, request, rule) or _lifted(question, request, rule)


def _unmet(question: Question, request: Request, rule: AdmitRestore) -> Refusal | None:
    """Return why the hold's ground is not gone, or None when it is."""
    if rule.when_time_is_over and _time_is_over(question, request.source):
        return None
    party = _wrong_party(question, request, rule.by, verified=rule.verified, clause=rule.clause)
    if party is not None:
        return party
    judgement = question.judgement()
    if rule.complete_dossier and not judgement.complete:
        return _incomplete(question, judgement, "so its hold stays")
    return None


def _lifted(question: Question, request: Request, rule: AdmitRestore) -> Decision:
    gone = f"The ground of the hold from {request.source} is gone."
    if _time_is_over(question, request.source):
        gone = f"The time of the hold from {request.source} is over."
    because = f"{gone} {_because(request)}"
    return replace(question.decision(Action.LIFT, rule.clause, because), source=request.source)


def _time_is_over(question: Question, source: HoldSource | None) -> bool:
    ends = _ends(question)
    return source in ends and ends[source] <= question.now


def _ends(question: Question) -> dict[HoldSource | None, datetime]:
    certificate = question.facts.certificate
    return dict(certificate.hold_ends) if certificate else {}


def _asked(question: Question, grounds: tuple[str, ...]) -> tuple[Request, Ground] | Refusal:
    """Return the request with its ground when it may be made at all."""
    ended = _ended(question)
    if ended is not None:
        return ended
    request = question.facts.request
    if request is None or request.ground not in grounds:
        named = repr(request.ground) if request else "none"
        return question.refusal(
            "unknown_ground",
            f"The request names the ground {named}; {question.rulebook.reference} takes "
            f"{', '.join(grounds)}.",
        )
    ground = question.rulebook.grounds[request.ground]
    wrong = _wrong_party(
        question, request, ground.by, verified=ground.verified, clause=ground.clause
    )
    return wrong or (request, ground)


def _wrong_party(
    question: Question, request: Request, by: tuple[Party, ...], *, verified: bool, clause: str
) -> Refusal | None:
    if request.by not in by:
        return question.refusal(
            "wrong_party",
            f"The request came from the {request.by}; only the {' or the '.join(by)} may make it.",
            clause=clause,
        )
    if request.silent and (request.by is not Party.AUTHORITY or not request.reference):
        return question.refusal(
            "not_silent",
            "Only an authority's order, named by its number, is kept from the subscriber.",
            clause=clause,
        )
    if verified and not request.verified:
        return question.refusal(
            "not_verified",
            f"The request was not verified to be the {request.by}'s own.",
            clause=clause,
        )
    return None


def _ended(question: Question) -> Refusal | None:
    certificate: CertificateFacts | None = question.facts.certificate
    if certificate is None:
        return question.refusal("no_certificate", question.ended())
    if certificate.status is Status.REVOKED:
        return question.refusal("revoked_is_final", question.ended())
    if certificate.expired(question.now):
        return question.refusal("expired", question.ended())
    return None


def _suspect(question: Question, judgement: Judgement) -> Refusal:
    return question.refusal(
        f"dossier_{judgement.state}",
        f"The dossier is {judgement.state}.",
        reasons=sentences(judgement),
    )


def _incomplete(question: Question, judgement: Judgement, so: str) -> Refusal:
    return question.refusal(
        "dossier_incomplete",
        f"The dossier is not complete, {so}.",
        reasons=sentences(judgement),
    )


def _because(request: Request) -> str:
    how = ", verified" if request.verified else ""
    reference = f" ({request.reference})" if request.reference else ""
    return f"The {request.by} asked for it{how}{reference}."


_ANSWERS: dict[Wanted, Callable[[Question], Decision | Refusal]] = {
    Wanted.ISSUE: _issue,
    Wanted.ISSUE_ON_HOLD: _issue_on_hold,
    Wanted.ACTIVATE: _activate,
    Wanted.CONFIRM: _confirm,
    Wanted.SUSPEND: _suspend,
    Wanted.EXTEND: _extend,
    Wanted.RESTORE: _restore,
    Wanted.REVOKE: _revoke,
}
