"""What time and the dossier demand in a remedy case: the clock, the payment, exact instants."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ca.model import HoldSource
from core.reasons import Reason
from policy.model import Action, CaseFacts, CaseState, Decision, Document, Facts, Verdict
from policy.rulebook import load
from policy.rules import decide
from tests.support.dossiers import (
    RULES,
    SECOND,
    TEXT,
    at,
    campaign,
    carry_out,
    case,
    facts,
    paper,
    papers,
    remedy,
)

TICK = timedelta.resolution
LACKING = papers(without=["contract"])


def late(instant: datetime) -> tuple[Document, ...]:
    """Return a dossier whose contract came at `instant`."""
    return (*LACKING, paper("contract", received=instant))


def decided(given: Facts, now: datetime) -> Decision:
    """Return the decision under the rulebook of 2024."""
    return decide(given, RULES, now)


RECEIVED = at("2024-04-24 10:00")
DUE = at("2024-05-03 00:00")  # 24:00 of Thursday 2 May: three days, rolled over the holidays


@pytest.mark.parametrize("arrived", [RECEIVED, DUE - TICK, DUE])
def test_a_remedy_dossier_in_time_activates_the_token(arrived: datetime):
    """Received no later than 24:00 of the last day, that instant included, it activates."""
    given = remedy(papers(received=arrived), received=RECEIVED)
    decision = decided(given, arrived)
    assert decision.action is Action.ACTIVATE
    assert decision.source is HoldSource.NOT_ACTIVATED
    assert decided(carry_out(decision), arrived).action is Action.NOTHING


def test_a_remedy_dossier_an_instant_late_forfeits():
    """A microsecond after 24:00 is late: the certificate is revoked and the token locked."""
    given = remedy(papers(received=DUE + TICK), received=RECEIVED)
    decision = decided(given, DUE + TICK)
    assert decision.action is Action.FORFEIT
    assert decision.reason is Reason.PRIVILEGE_WITHDRAWN
    assert decision.clause == "130/2018:29(1)(d)"
    assert decision.contract_clause


def test_the_clock_forfeits_at_its_last_instant_not_before():
    """With a paper missing nothing happens until 24:00 of the last day; then it is forfeited."""
    given = remedy(LACKING, received=RECEIVED)
    assert decided(given, DUE - TICK).action is Action.NOTHING
    decision = decided(given, DUE)
    assert decision.action is Action.FORFEIT
    assert decision.lacks == ("The contract is missing.",)


@pytest.mark.parametrize("state", [CaseState.TOKEN_SHIPPED, CaseState.COURIER_FAILED])
def test_while_the_receipt_of_the_token_is_unknown_the_clock_stands(state: CaseState):
    """A parcel that was refused or lost starts no clock, however long it takes."""
    given = remedy((), received=None, state=state)
    assert decided(given, at("2024-12-31 00:00")).action is Action.NOTHING


def test_papers_that_came_before_the_token_count():
    """A dossier that was complete before the token arrived activates it on arrival."""
    given = remedy(papers(received=at("2024-05-06 09:00")), received=at("2024-05-08 10:00"))
    assert decided(given, at("2024-05-08 10:00")).action is Action.ACTIVATE


PATIENT = load(TEXT.replace("pending_waits = false", "pending_waits = true"))


def test_a_rulebook_may_let_receipt_count_rather_than_examination():
    """With pending_waits, papers received in time and accepted later still activate."""
    assert PATIENT.remedy.pending_waits
    pending = paper("contract", received=DUE - SECOND, verdict=Verdict.PENDING)
    given = remedy((*LACKING, pending), received=RECEIVED)
    examined = DUE + timedelta(days=2)
    assert decide(given, PATIENT, examined).action is Action.NOTHING
    accepted = replace(given, documents=late(DUE - SECOND))
    assert decide(accepted, PATIENT, examined).action is Action.ACTIVATE
    rejected = replace(given, documents=(*LACKING, replace(pending, verdict=Verdict.REJECTED)))
    assert decide(rejected, PATIENT, examined).action is Action.FORFEIT


def test_in_2024_papers_that_nobody_examined_by_the_last_instant_forfeit():
    """The rulebook of 2024 counts accepted papers only: pending ones do not stop the clock."""
    pending = paper("contract", received=DUE - SECOND, verdict=Verdict.PENDING)
    given = remedy((*LACKING, pending), received=RECEIVED)
    assert decided(given, DUE).action is Action.FORFEIT


def test_a_contested_remedy_dossier_waits_for_its_examination():
    """A doubt neither activates nor forfeits while it lasts, also after the last day."""
    contested = paper("contract", received=RECEIVED, verdict=Verdict.CONTESTED)
    given = remedy((*LACKING, contested), received=RECEIVED)
    held_too = carry_out(decided(given, DUE + SECOND))
    assert decided(held_too, DUE + SECOND).action is Action.NOTHING


def test_a_promised_date_is_kept():
    """The last instant that was promised when the clock started is kept, not computed anew."""
    given = remedy(LACKING, received=RECEIVED)
    promised = DUE + timedelta(days=3)
    assert given.case is not None
    given = replace(given, case=replace(given.case, due_at=promised))
    assert decided(given, promised - TICK).action is Action.NOTHING
    assert decided(given, promised).action is Action.FORFEIT


def test_a_missed_case_is_never_activated_by_papers_in_the_same_breath():
    """Once the date is recorded as missed, the case can only be forfeited, until that is done."""
    given = remedy(papers(received=RECEIVED), received=RECEIVED, state=CaseState.DEADLINE_MISSED)
    assert decided(given, DUE + SECOND).action is Action.FORFEIT


def test_the_campaign_does_not_judge_a_remedy_certificate():
    """The new certificate follows its own clock, not the campaign that ended the old one."""
    given = replace(remedy((), received=RECEIVED), campaign=campaign())
    assert decided(given, RECEIVED + SECOND).action is Action.NOTHING


REQUESTED = at("2024-05-03 08:20")
PAYABLE = at("2024-05-19 00:00")


def test_an_unpaid_case_closes_after_its_term():
    """Fifteen days after the payment request, not counting its day, the case closes unpaid."""
    asked = case(CaseState.PAYMENT_REQUESTED, payment_requested_at=REQUESTED)
    given = facts(certificate=None, campaign=None, case=asked)
    assert decided(given, PAYABLE - TICK).action is Action.NOTHING
    closed = decided(given, PAYABLE)
    assert closed.action is Action.CLOSE_UNPAID
    assert decided(carry_out(closed), PAYABLE).action is Action.NOTHING


@pytest.mark.parametrize(
    "paid",
    [
        case(CaseState.PAID, payment_requested_at=REQUESTED, paid_at=REQUESTED + SECOND),
        case(CaseState.PAYMENT_REQUESTED, payment_requested_at=REQUESTED, paid_at=PAYABLE),
        case(CaseState.VIDEO_VERIFIED),
    ],
)
def test_a_case_that_is_paid_or_not_yet_asked_does_not_close(paid: CaseFacts):
    """A paid case, and one that was never asked to pay, is not closed as unpaid."""
    given = replace(facts(certificate=None, campaign=None), case=paid)
    assert decided(given, PAYABLE).action is Action.NOTHING


def test_a_forged_remedy_dossier_forfeits_the_token_too():
    """A remedy certificate that waits for activation is revoked and its token locked."""
    received = at("2024-05-08 10:00")
    forged = remedy(
        (*papers(received=received), paper("contract", verdict=Verdict.FORGED)), received=received
    )
    assert decided(forged, received).action is Action.FORFEIT
