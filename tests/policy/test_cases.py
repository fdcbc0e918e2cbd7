"""The remedy case: the straight way, every branch, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from policy.cases import FINAL, CaseEvent, advance
from policy.model import CaseState

STRAIGHT = [
    (CaseEvent.PHOTOS_UPLOADED, CaseState.PHOTOS_RECEIVED),
    (CaseEvent.VIDEO_VERIFIED, CaseState.VIDEO_VERIFIED),
    (CaseEvent.PAYMENT_REQUESTED, CaseState.PAYMENT_REQUESTED),
    (CaseEvent.PAYMENT_RECEIVED, CaseState.PAID),
    (CaseEvent.TOKEN_SHIPPED, CaseState.TOKEN_SHIPPED),
    (CaseEvent.TOKEN_RECEIVED, CaseState.TOKEN_RECEIVED),
    (CaseEvent.DOSSIER_RECEIVED, CaseState.DOSSIER_RECEIVED),
    (CaseEvent.ACTIVATED, CaseState.ACTIVATED),
]


def after(*events: CaseEvent, state: CaseState = CaseState.OPENED) -> CaseState:
    """Return the state after `events`."""
    for event in events:
        state = advance(state, event)
    return state


def test_the_straight_way_leads_to_the_activated_token():
    """Photos, video call, payment, token, dossier: each step follows the one before it."""
    state = CaseState.OPENED
    for event, following in STRAIGHT:
        state = advance(state, event)
        assert state is following


@pytest.mark.parametrize("skipped", range(len(STRAIGHT) - 1))
def test_no_step_is_skipped(skipped: int):
    """Whichever step is left out, the next one is refused: no token before the payment."""
    state = after(*(event for event, _ in STRAIGHT[:skipped]))
    with pytest.raises(Refused) as refusal:
        advance(state, STRAIGHT[skipped + 1][0])
    assert refusal.value.code == "case_event"


@pytest.mark.parametrize("state", [CaseState.OPENED, CaseState.PHOTOS_RECEIVED])
def test_a_representative_of_several_companies_leaves_the_self_service(state: CaseState):
    """The case waits until an officer takes it up for one company; then it goes straight on."""
    waiting = advance(state, CaseEvent.SEVERAL_COMPANIES)
    assert waiting is CaseState.MULTI_COMPANY
    with pytest.raises(Refused):
        advance(waiting, CaseEvent.VIDEO_VERIFIED)
    assert advance(waiting, CaseEvent.TAKEN_UP) is CaseState.PHOTOS_RECEIVED


def test_a_failed_video_call_may_be_repeated_and_stops_all_else():
    """Without a successful video call no payment is requested; it may be tried again."""
    failed = after(CaseEvent.PHOTOS_UPLOADED, CaseEvent.VIDEO_FAILED)
    assert failed is CaseState.VIDEO_FAILED
    with pytest.raises(Refused):
        advance(failed, CaseEvent.PAYMENT_REQUESTED)
    assert after(CaseEvent.VIDEO_FAILED, CaseEvent.VIDEO_VERIFIED, state=failed) is (
        CaseState.VIDEO_VERIFIED
    )


def test_a_payment_after_the_term_does_not_reopen_the_case():
    """An unpaid case is closed for good; a late payment is refused with a sentence."""
    unpaid = advance(CaseState.PAYMENT_REQUESTED, CaseEvent.PAYMENT_MISSED)
    assert unpaid is CaseState.UNPAID
    with pytest.raises(Refused, match="stands at unpaid does not take payment_received"):
        advance(unpaid, CaseEvent.PAYMENT_RECEIVED)


def test_a_token_that_the_courier_lost_is_sent_again():
    """A failed courier stops the case before the clock starts; a new parcel goes on."""
    failed = advance(CaseState.TOKEN_SHIPPED, CaseEvent.COURIER_FAILED)
    with pytest.raises(Refused):
        advance(failed, CaseEvent.TOKEN_RECEIVED)
    assert advance(failed, CaseEvent.TOKEN_SHIPPED) is CaseState.TOKEN_SHIPPED


def test_rejected_papers_may_be_sent_again_while_the_clock_runs():
    """A rejected dossier goes back to the customer, who keeps the token and the clock."""
    received = after(CaseEvent.DOSSIER_RECEIVED, state=CaseState.TOKEN_RECEIVED)
    assert advance(received, CaseEvent.DOSSIER_REJECTED) is CaseState.TOKEN_RECEIVED


@pytest.mark.parametrize("state", [CaseState.TOKEN_RECEIVED, CaseState.DOSSIER_RECEIVED])
def test_a_missed_date_is_forfeited_in_two_steps(state: CaseState):
    """The date is missed, then (certificate revoked, token locked) the case is forfeited."""
    missed = advance(state, CaseEvent.DEADLINE_MISSED)
    assert missed is CaseState.DEADLINE_MISSED
    with pytest.raises(Refused):
        advance(missed, CaseEvent.ACTIVATED)
    assert advance(missed, CaseEvent.FORFEITED) is CaseState.FORFEITED


@pytest.mark.parametrize("state", sorted(CaseState))
def test_the_clock_cannot_run_out_before_the_token_came(state: CaseState):
    """Only a customer who has the token can miss the date."""
    if state in {CaseState.TOKEN_RECEIVED, CaseState.DOSSIER_RECEIVED}:
        return
    with pytest.raises(Refused):
        advance(state, CaseEvent.DEADLINE_MISSED)


def test_a_certificate_revoked_on_another_ground_ends_the_case():
    """Forged papers or a lost key end the case whose certificate they revoke."""
    ended = advance(CaseState.TOKEN_RECEIVED, CaseEvent.CERTIFICATE_REVOKED)
    assert ended is CaseState.FORFEITED


@given(st.lists(st.sampled_from(CaseEvent), max_size=30))
def test_a_case_never_leaves_a_final_state_and_is_activated_only_when_paid(
    events: list[CaseEvent],
):
    """Whatever happens in whatever order, the end is the end, and no step can be bought out."""
    state, passed = CaseState.OPENED, {CaseState.OPENED}
    for event in events:
        try:
            following = advance(state, event)
        except Refused:
            continue
        assert state not in FINAL
        state = following
        passed.add(state)
    if state is CaseState.ACTIVATED:
        assert passed >= {CaseState.VIDEO_VERIFIED, CaseState.PAID, CaseState.DOSSIER_RECEIVED}


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.parametrize("event", sorted(CaseEvent))
def test_final_states_take_nothing_more(state: CaseState, event: CaseEvent):
    """Activated, unpaid and forfeited cases take no further event, and say so."""
    with pytest.raises(Refused, match="takes nothing more"):
        advance(state, event)
