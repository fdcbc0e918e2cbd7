"""What time and the dossier demand for one certificate now, pure.

The order of the questions is the safety argument:
  1. a revoked or expired certificate takes no act;
  2. a forged or contested document acts at once, whatever the timetable says;
  3. a complete dossier ends a dossier hold before any date can end the certificate (Điều 28(3));
  4. only then do the dates of the remedy case, or of the campaign, count.
Applied and asked again at the same instant, the answers come to rest: no act is asked for twice.
"""

from datetime import datetime

from ca.model import HoldSource
from policy import waves
from policy.model import (
    Action,
    CampaignFacts,
    CampaignStage,
    CaseFacts,
    CaseState,
    Decision,
    DossierState,
    Facts,
    Judgement,
)
from policy.question import Question, sentences
from policy.rulebook import Rulebook

_IN_EFFECT = frozenset({CampaignStage.ANNOUNCED, CampaignStage.ENFORCING})
_LOST = frozenset({CaseState.DEADLINE_MISSED, CaseState.FORFEITED})
_REPLACED = frozenset({CaseState.TOKEN_REFUSED, CaseState.TOKEN_LOST})


def decide(facts: Facts, rulebook: Rulebook, now: datetime) -> Decision:
    """Return what is to be done now; NOTHING, with the reason, when nothing is."""
    question = Question(facts=facts, rulebook=rulebook, now=now)
    if facts.certificate is None:
        return _payment(question)
    ended = question.ended()
    if ended:
        return question.nothing(ended)
    judgement = question.judgement()
    urgent = _suspicion(question, judgement) or _lift(question, judgement)
    if urgent is not None:
        return urgent
    if facts.case is not None:
        return activation(question, facts.case)
    if facts.campaign is not None:
        return _campaign(question, judgement, facts.campaign)
    return question.nothing(_state(judgement) + " No campaign asks anything of it.")


def activation(question: Question, case: CaseFacts) -> Decision:
    """Return ACTIVATE, FORFEIT, REVOKE (its token is gone) or NOTHING for a case's certificate."""
    if HoldSource.NOT_ACTIVATED not in question.holds:
        return question.nothing("The certificate does not wait for its activation.")
    gone = _token_gone(question, case)
    if gone is not None:
        return gone
    if case.token_received_at is None or case.token_received_at > question.now:
        return question.nothing(
            "The customer has not received the token, so the clock does not run."
        )
    due = case.due_at or question.rulebook.dossier_due(case.token_received_at)
    in_time = question.judgement(due)
    clock = f"The token was received on {question.when(case.token_received_at)}"
    if in_time.complete:
        return _activate(question, case, f"{clock}, and the full dossier by {question.when(due)}.")
    if question.now < due:
        return question.nothing(f"{clock}; the dossier may come until {question.when(due)}.")
    because = f"{clock}, but not the full dossier by {question.when(due)}."
    return _late(question, in_time, because, question.rulebook.forfeits_from(due))


def _late(
    question: Question, in_time: Judgement, because: str, forfeits_from: datetime
) -> Decision:
    """Forfeit, unless what came in time still waits for an officer: the test is receipt."""
    if in_time.state is DossierState.CONTESTED:
        return question.nothing("A document is contested; the case waits for its examination.")
    if in_time.state is DossierState.SUBMITTED and question.rulebook.remedy.pending_waits:
        return question.nothing("All papers came in time and wait for the officer's verdict.")
    if question.now < forfeits_from:
        return question.nothing(f"{because} It is forfeited at {question.when(forfeits_from)}.")
    return _forfeit(question, because, sentences(in_time))


def _token_gone(question: Question, case: CaseFacts) -> Decision | None:
    """Return the end of a certificate whose token is forfeited, or is replaced by another."""
    if case.state in _LOST:
        return _forfeit(question, f"The remedy case {case.id} stands at {case.state}.")
    if case.state not in _REPLACED:
        return None
    terms = question.rulebook.remedy
    lost = case.state is CaseState.TOKEN_LOST
    because = (
        f"The token {case.token} of the remedy case {case.id} was {'lost' if lost else 'refused'}; "
        "a new certificate goes into a new token."
    )
    ground = terms.lost_ground if lost else terms.refused_ground
    return question.on_ground(Action.REVOKE, ground, because)


def _activate(question: Question, case: CaseFacts, because: str) -> Decision:
    rule = question.rulebook.admit.activate
    if case.state not in rule.case_states:
        return question.nothing(f"The remedy case {case.id} stands at {case.state}.")
    return question.decision(Action.ACTIVATE, rule.clause, because, source=HoldSource.NOT_ACTIVATED)


def _forfeit(question: Question, because: str, lacks: tuple[str, ...] = ()) -> Decision:
    ground = question.rulebook.remedy.forfeit_ground
    return question.on_ground(Action.FORFEIT, ground, because, lacks=lacks)


def _payment(question: Question) -> Decision:
    case = question.facts.case
    if case is None or case.state is not CaseState.PAYMENT_REQUESTED:
        return question.nothing("There is no certificate, and no payment is awaited.")
    if case.payment_requested_at is None or case.paid_at is not None:
        return question.nothing(f"The remedy case {case.id} awaits no payment.")
    due = question.rulebook.payment_due(case.payment_requested_at)
    asked = f"Payment was requested on {question.when(case.payment_requested_at)}"
    if question.now < due:
        return question.nothing(f"{asked}; it may come until {question.when(due)}.")
    clause = question.rulebook.remedy.unpaid_clause
    because = f"{asked} and had not come by {question.when(due)}."
    return question.decision(Action.CLOSE_UNPAID, clause, because)


def _suspicion(question: Question, judgement: Judgement) -> Decision | None:
    terms = question.rulebook.campaign
    because = " ".join(sentences(judgement))
    if judgement.state is DossierState.FORGED:
        waiting = HoldSource.NOT_ACTIVATED in question.holds
        action = Action.FORFEIT if waiting else Action.REVOKE
        return question.on_ground(action, terms.forged_ground, because)
    if judgement.state is DossierState.CONTESTED:
        if HoldSource.DOSSIER in question.holds:
            return question.nothing(f"{because} The certificate is held meanwhile.")
        return question.on_ground(Action.HOLD, terms.contested_ground, because)
    return None


def _lift(question: Question, judgement: Judgement) -> Decision | None:
    if HoldSource.DOSSIER not in question.holds or not judgement.complete:
        return None
    clause = question.rulebook.campaign.lift_clause
    because = _since(question, judgement)
    return question.decision(Action.LIFT, clause, because, source=HoldSource.DOSSIER)


def _campaign(question: Question, judgement: Judgement, campaign: CampaignFacts) -> Decision:
    if judgement.complete:
        return question.nothing(_since(question, judgement))
    announced = campaign.announced_at
    if campaign.stage not in _IN_EFFECT or announced is None or announced > question.now:
        return question.nothing(
            f"{_state(judgement)} The campaign {campaign.id} is {campaign.stage} and asks nothing."
        )
    exempt = question.facts.exempt_until
    if exempt is not None and question.now < exempt:
        return question.nothing(
            f"{_state(judgement)} It is exempt from the campaign {campaign.id} until "
            f"{question.when(exempt)}."
        )
    warned = question.facts.warned_at
    if warned is None or warned > question.now:
        return _remind(question, judgement, f"was not told yet of the campaign {campaign.id}")
    if HoldSource.DOSSIER in question.holds:
        return _revocation(question, judgement, campaign)
    return _hold(question, judgement, campaign, warned)


def _hold(
    question: Question, judgement: Judgement, campaign: CampaignFacts, warned: datetime
) -> Decision:
    terms = question.rulebook.campaign
    if question.now < campaign.hold_at:
        return _wave(question, judgement, campaign, campaign.hold_at)
    if question.now < warned + terms.least_warning:
        return question.nothing(
            f"The subscriber was told on {question.when(warned)}, less than "
            f"{terms.least_warning_days} days ago."
        )
    because = (
        f"{_state(judgement)} It had to be complete before {question.when(campaign.hold_at)}, as "
        f"the campaign {campaign.id} announced; the subscriber was told on {question.when(warned)}."
    )
    lacks = sentences(judgement)
    return question.on_ground(Action.HOLD, terms.hold_ground, because, lacks=lacks)


def _revocation(question: Question, judgement: Judgement, campaign: CampaignFacts) -> Decision:
    terms = question.rulebook.campaign
    if question.now < campaign.revoke_at:
        return _wave(question, judgement, campaign, campaign.revoke_at)
    certificate = question.facts.certificate
    held_at = certificate.dossier_held_at if certificate else None
    if held_at and (question.now <= held_at or question.now < held_at + terms.least_hold):
        return question.nothing(
            f"The certificate is held since {question.when(held_at)}; a hold lasts at least "
            f"{terms.least_hold_days} days before the revocation."
        )
    because = (
        f"{_state(judgement)} The certificate is held for it, and the last day that the campaign "
        f"{campaign.id} set ended at {question.when(campaign.revoke_at)}."
    )
    lacks = sentences(judgement)
    return question.on_ground(Action.REVOKE, terms.revoke_ground, because, lacks=lacks)


def _wave(
    question: Question, judgement: Judgement, campaign: CampaignFacts, date: datetime
) -> Decision:
    """Remind when a wave of notices has begun since the subscriber was last told."""
    wave = waves.latest(campaign, question.rulebook, question.now)
    if wave is None or not waves.untold(question.facts, wave):
        return question.nothing(f"{_state(judgement)} The next date is {question.when(date)}.")
    return _remind(question, judgement, f"is reminded of the date {question.when(date)}")


def _remind(question: Question, judgement: Judgement, why: str) -> Decision:
    clause = question.rulebook.campaign.remind_clause
    because = f"{_state(judgement)} The subscriber {why}."
    return question.decision(Action.REMIND, clause, because, lacks=sentences(judgement))


def _state(judgement: Judgement) -> str:
    if judgement.complete:
        return "The dossier is complete."
    return " ".join(("The dossier is not complete.", *sentences(judgement)))


def _since(question: Question, judgement: Judgement) -> str:
    if judgement.completed_at is None:
        return "The dossier is complete."
    return f"The dossier is complete since {question.when(judgement.completed_at)}."
