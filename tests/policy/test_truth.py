"""The look-up truth: for every state, to both readers, what lacks, until when, what to do next."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.model import HoldSource, Status
from policy.model import CaseState, Facts, Verdict
from policy.truth import DossierSeen, Reader, Truth, truth
from tests.support.dossiers import (
    HOLD_AT,
    REVOKE_AT,
    RULES,
    all_facts,
    at,
    case,
    certificate,
    facts,
    held,
    instants,
    paper,
    papers,
    remedy,
)

LACKING = papers(without=["contract"])
PUBLIC, SUBSCRIBER = Reader.PUBLIC, Reader.SUBSCRIBER
NOON = at("2024-04-10 12:00")


def told(known: Facts, now=NOON, reader=SUBSCRIBER, **more) -> Truth:
    """Return the truth under the rulebook of 2024."""
    return truth(known, RULES, now, reader=reader, **more)


def keys(known: Facts, now=NOON, reader=SUBSCRIBER, **more) -> list[str]:
    """Return the steps that the truth names."""
    return [each.key for each in told(known, now, reader, **more).steps]


def test_good_and_complete_asks_nothing():
    """A good certificate with its full dossier asks nothing, until it may be renewed."""
    known = facts(papers())
    assert keys(known) == ["nothing"]
    assert told(known).until is None
    end = certificate().not_after
    soon = told(known, end - timedelta(days=30))
    assert ([each.key for each in soon.steps], soon.until) == (["renew"], end)


def test_missing_paper_is_due_before_the_hold():
    """Before the hold, papers are due by the last instant of the day before: 19 April, 24:00."""
    found = told(facts(LACKING))
    assert (found.until, found.lacking) == (HOLD_AT, 1)
    (step,) = found.steps
    assert step.key == "send_or_hold"
    assert "trước 24:00 19/04/2024" in step.vi
    assert "before 24:00 19/04/2024" in step.en


def test_held_for_papers_is_told_the_date_of_revocation():
    """While held, papers restore until the revocation; past its date, they are asked at once."""
    known = facts(LACKING, certificate=held(HoldSource.DOSSIER))
    found = told(known, at("2024-04-25 09:00"))
    assert ([each.key for each in found.steps], found.until) == (["send_or_lose"], REVOKE_AT)
    assert keys(known, REVOKE_AT) == ["send_at_once"]


def test_no_campaign_sets_no_date():
    """Without a campaign in effect papers are asked for, but no date is made up."""
    found = told(facts(LACKING, campaign=None))
    assert ([each.key for each in found.steps], found.until) == (["send"], None)


def test_contested_dossier_is_examined_to_both_readers():
    """A suspicion is told as an examination: nobody reads of forgery on a public page."""
    for verdict in (Verdict.CONTESTED, Verdict.FORGED, Verdict.PENDING):
        known = facts((*LACKING, paper("contract", verdict=verdict)))
        for reader in Reader:
            found = told(known, reader=reader)
            assert found.dossier is DossierSeen.EXAMINED
            assert [each.key for each in found.steps] == ["wait"]


def test_authority_goes_before_papers():
    """With an authority's hold open, papers restore nothing, and that is said first."""
    known = facts(LACKING, certificate=held(HoldSource.DOSSIER, HoldSource.AUTHORITY))
    assert keys(known) == ["authority", "send_or_lose"]
    assert keys(facts(papers(), certificate=held(HoldSource.AUTHORITY))) == ["authority"]


def test_every_hold_has_its_step():
    """Loss and the subscriber's own pause each say how they end; the pause's end is told."""
    end = at("2024-06-01 00:00")
    known = facts(papers(), certificate=held(HoldSource.LOSS, HoldSource.SUBSCRIBER))
    assert keys(known) == ["loss", "pause"]
    ends = replace(held(HoldSource.SUBSCRIBER), hold_ends=((HoldSource.SUBSCRIBER, end),))
    assert told(facts(papers(), certificate=ends)).until == end


def test_revoked_is_final_and_leads_to_a_new_certificate():
    """Papers that come after the revocation lead to a new certificate, never back."""
    gone = facts(papers(), certificate=certificate(status=Status.REVOKED))
    assert keys(gone) == keys(gone, reader=PUBLIC) == ["revoked"]
    new = case(CaseState.PHOTOS_RECEIVED)
    assert keys(gone, next_case=new) == ["case_photos_received"]
    assert keys(gone, next_case=replace(new, state=CaseState.UNPAID)) == ["revoked"]
    assert keys(facts(papers()), certificate().not_after + timedelta(seconds=1)) == ["expired"]


@pytest.mark.parametrize("state", CaseState)
def test_every_state_of_a_case_has_its_step_for_the_subscriber_alone(state: CaseState):
    """Each state of the remedy says what to do; the public is told to ask, and no date."""
    known = remedy((), received=NOON, state=state)
    assert known.case
    requested = NOON if state is CaseState.PAYMENT_REQUESTED else None
    known = replace(known, case=replace(known.case, payment_requested_at=requested))
    (step,) = told(known).steps
    assert step.key == f"case_{state}"
    public = told(known, reader=PUBLIC)
    assert ([each.key for each in public.steps], public.until) == (["ask"], None)


def test_remedy_clock_is_told():
    """Received on Friday 19 April 2024, due on Monday 22 April at 24:00."""
    found = told(remedy((), received=at("2024-04-19 10:00")), at("2024-04-20 10:00"))
    assert found.until == at("2024-04-23 00:00")
    assert "24:00 22/04/2024" in found.steps[0].vi


@given(all_facts(), instants, st.sampled_from(Reader))
def test_there_is_always_something_to_say(known: Facts, now, reader: Reader):
    """There is a step in both languages for all facts; the public reads no paper's name."""
    found = told(known, now, reader)
    assert found.steps
    assert all(each.vi and each.en and "{" not in each.vi + each.en for each in found.steps)
    if reader is PUBLIC:
        assert found.documents == ()
        assert not any(each.key.startswith("case_") for each in found.steps)
