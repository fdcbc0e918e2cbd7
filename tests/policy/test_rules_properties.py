"""What holds for all facts: order, rest, warning, replay. Found by searching, not by example."""

import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.model import HoldSource, Status
from core.errors import Invalid
from core.reasons import FINAL_REASONS
from policy.model import (
    Action,
    CampaignStage,
    Decision,
    Facts,
    Party,
    Refusal,
    Request,
    Wanted,
)
from policy.question import Question
from policy.rulebook import load
from policy.rules import admit, decide, repeat
from tests.support.dossiers import (
    HOLD_AT,
    REVOKE_AT,
    RULES,
    TEXT,
    all_facts,
    carry_out,
    facts,
    held,
    instants,
    papers,
)

ENDS = {Action.REVOKE, Action.FORFEIT}
requests = st.builds(
    Request,
    by=st.sampled_from(Party),
    ground=st.sampled_from((*RULES.grounds, "", "unheard_of")),
    source=st.none() | st.sampled_from(HoldSource),
    verified=st.booleans(),
    reference=st.sampled_from(("", "QD-573/2024")),
    ends_at=st.none() | instants,
)


@given(known=all_facts(), now=instants)
@settings(max_examples=400)
def test_decisions_come_to_rest(known: Facts, now: datetime):
    """Carried out and asked again at once, the rules soon want nothing, and no act twice."""
    done: list[Action] = []
    decision = decide(known, RULES, now)
    while decision.action is not Action.NOTHING:
        assert decision.action not in done
        done.append(decision.action)
        decision = decide(carry_out(decision), RULES, now)
    assert len(done) <= 2


@given(known=all_facts(), now=instants, data=st.data())
def test_the_order_of_documents_and_holds_says_nothing(
    known: Facts, now: datetime, data: st.DataObject
):
    """Facts gathered in another order are equal, have equal JSON, and the same decision."""
    shuffled = replace(known, documents=tuple(data.draw(st.permutations(known.documents))))
    if known.certificate is not None:
        holds = tuple(data.draw(st.permutations(known.certificate.holds)))
        shuffled = replace(shuffled, certificate=replace(known.certificate, holds=holds))
    assert shuffled == known
    assert shuffled.to_json() == known.to_json()
    assert decide(shuffled, RULES, now) == decide(known, RULES, now)


@given(known=all_facts(), moments=st.tuples(instants, instants))
def test_time_alone_never_completes_a_dossier(known: Facts, moments: tuple[datetime, datetime]):
    """Without a new document, a dossier that was incomplete stays incomplete."""
    earlier, later = sorted(moments)
    here = tuple(each for each in known.documents if each.received_at < earlier)
    still = replace(known, documents=here)
    if Question(facts=still, rulebook=RULES, now=later).judgement().complete:
        assert Question(facts=still, rulebook=RULES, now=earlier).judgement().complete


@given(known=all_facts(), now=instants)
@settings(max_examples=400)
def test_nobody_is_held_or_revoked_for_missing_papers_unannounced_or_unwarned(
    known: Facts, now: datetime
):
    """It takes an announced campaign, its date reached, and a subscriber told before."""
    decision = decide(known, RULES, now)
    if decision.ground not in {"dossier_missing", "dossier_still_missing"}:
        return
    campaign = known.campaign
    assert campaign is not None
    assert campaign.announced_at is not None
    assert campaign.announced_at <= now
    assert campaign.stage in {CampaignStage.ANNOUNCED, CampaignStage.ENFORCING}
    assert known.warned_at is not None
    assert known.warned_at < now
    date = campaign.hold_at if decision.action is Action.HOLD else campaign.revoke_at
    assert now >= date


@given(known=all_facts(), now=instants)
@settings(max_examples=400)
def test_a_dossier_is_never_lifted_or_activated_while_incomplete(known: Facts, now: datetime):
    """LIFT and ACTIVATE come only from a complete dossier, HOLD and ends never from one.

    But a token that is gone takes its certificate with it, whatever the papers.
    """
    decision = decide(known, RULES, now)
    complete = Question(facts=known, rulebook=RULES, now=now).judgement().complete
    if decision.action in {Action.LIFT, Action.ACTIVATE}:
        assert complete
    gone = decision.ground in {RULES.remedy.lost_ground, RULES.remedy.refused_ground}
    if decision.action in {Action.HOLD, Action.REVOKE, Action.REMIND} and not gone:
        assert not complete


@given(known=all_facts(), now=instants)
def test_only_a_dossier_s_own_holds_are_touched_by_time(known: Facts, now: datetime):
    """No date and no document ever lifts an authority's, a subscriber's or a loss's hold."""
    decision = decide(known, RULES, now)
    if decision.action in {Action.HOLD, Action.LIFT}:
        assert decision.source is HoldSource.DOSSIER
    if decision.action is Action.ACTIVATE:
        assert decision.source is HoldSource.NOT_ACTIVATED


@given(known=all_facts(), now=instants)
def test_the_end_is_final(known: Facts, now: datetime):
    """A revoked or expired certificate takes no act, whatever the facts."""
    certificate = known.certificate
    if certificate is not None and (
        certificate.status is Status.REVOKED or now > certificate.not_after
    ):
        assert decide(known, RULES, now).action is Action.NOTHING


@given(known=all_facts(), now=instants)
def test_every_act_names_its_clause_and_its_sentence(known: Facts, now: datetime):
    """Each decision has a clause and a full sentence; an end has a final reason and a contract."""
    decision = decide(known, RULES, now)
    assert decision.clause
    assert decision.because.endswith(".")
    assert decision.rulebook == RULES.reference
    if decision.action in ENDS:
        assert decision.reason in FINAL_REASONS
        gone = decision.ground in {RULES.remedy.lost_ground, RULES.remedy.refused_ground}
        assert decision.contract_clause or gone
        assert decision.invalidity_date is None or decision.invalidity_date <= decision.at


@given(known=all_facts(), now=instants)
@settings(max_examples=300)
def test_a_stored_decision_is_made_again_from_its_json(known: Facts, now: datetime):
    """Written to JSON text and read back, a decision is equal, and repeats to the same."""
    decision = decide(known, RULES, now)
    stored = Decision.from_json(json.loads(json.dumps(decision.to_json())))
    assert stored == decision
    assert repeat(stored, RULES) == decision
    assert repeat(stored, RULES).to_json() == decision.to_json()


@given(
    known=all_facts(), now=instants, wanted=st.sampled_from(Wanted), request=st.none() | requests
)
@settings(max_examples=300)
def test_a_stored_answer_to_a_request_is_made_again_from_its_json(
    known: Facts, now: datetime, wanted: Wanted, request: Request | None
):
    """Admissions and refusals repeat identically from their stored JSON too."""
    answer = admit(wanted, replace(known, request=request), RULES, now)
    kind = type(answer)
    stored = kind.from_json(json.loads(json.dumps(answer.to_json())))
    assert stored == answer
    assert repeat(stored, RULES) == answer


@given(known=all_facts(), now=instants, request=requests)
@settings(max_examples=400)
def test_only_an_authority_lifts_an_authority_s_hold(known: Facts, now: datetime, request: Request):
    """Whatever is asked, an authority's hold is lifted for an authority alone."""
    answer = admit(Wanted.RESTORE, replace(known, request=request), RULES, now)
    if isinstance(answer, Decision) and answer.source is HoldSource.AUTHORITY:
        assert request.by is Party.AUTHORITY


@given(known=all_facts(), now=instants, request=requests, wanted=st.sampled_from(Wanted))
def test_whatever_is_admitted_the_status_machine_takes(
    known: Facts, now: datetime, request: Request, wanted: Wanted
):
    """An admitted hold is not open yet, an admitted lift is, and nothing revoked is touched."""
    answer = admit(wanted, replace(known, request=request), RULES, now)
    if isinstance(answer, Refusal) or known.certificate is None or wanted is Wanted.ISSUE:
        return
    assert known.certificate.status is not Status.REVOKED
    if answer.action is Action.HOLD:
        assert answer.source not in known.certificate.holds
    if answer.action in {Action.LIFT, Action.ACTIVATE}:
        assert answer.source in known.certificate.holds


def test_a_new_rulebook_can_be_tried_on_old_facts():
    """A decision repeated under another rulebook shows what that one would have done."""
    decision = decide(facts(papers(without=["contract"])), RULES, HOLD_AT)
    milder = load(
        TEXT.replace('{ document = "contract" },', "").replace("version = 1", "version = 2")
    )
    tried = repeat(decision, milder)
    assert decision.action is Action.HOLD
    assert isinstance(tried, Decision)
    assert tried.action is Action.NOTHING
    assert tried.rulebook == "lcs-2024/2"


@pytest.mark.parametrize(
    ("key", "value"), [("kind", "ghost"), ("documents", [{"kind": "contract"}]), ("subscriber", 7)]
)
def test_stored_facts_that_cannot_be_read_are_refused_by_key(key: str, value: object):
    """Facts that were damaged in storage are refused with the key that cannot be read."""
    stored = {**facts(papers()).to_json(), key: value}
    with pytest.raises(Invalid, match=f"stored facts cannot be read: {key}"):
        Facts.from_json(stored)


def test_a_question_that_nobody_asked_cannot_be_refused():
    """Only a wanted act is refused; the timetable answers with NOTHING instead."""
    question = Question(
        facts=facts(certificate=held(HoldSource.DOSSIER)), rulebook=RULES, now=REVOKE_AT
    )
    with pytest.raises(ValueError, match="Nobody asked"):
        question.refusal("no", "No.")
