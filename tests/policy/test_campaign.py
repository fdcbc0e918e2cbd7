"""The campaign: its stages, four eyes, fair dates, the mass guard, and the simulation."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid, Refused
from policy.campaign import (
    CampaignEvent,
    advance,
    check_dates,
    check_mass,
    foretell,
)
from policy.model import Action, CampaignStage
from policy.rulebook import load
from policy.rulebook_parts import Joint
from policy.rules import decide
from tests.support.dossiers import (
    ANNOUNCED_AT,
    HOLD_AT,
    REVOKE_AT,
    RULES,
    SECOND,
    TEXT,
    campaign,
    carry_out,
    facts,
    papers,
)

STRAIGHT = [
    (CampaignEvent.SIMULATE, CampaignStage.SIMULATED),
    (CampaignEvent.APPROVE, CampaignStage.APPROVED),
    (CampaignEvent.ANNOUNCE, CampaignStage.ANNOUNCED),
    (CampaignEvent.ENFORCE, CampaignStage.ENFORCING),
    (CampaignEvent.CLOSE, CampaignStage.CLOSED),
]
HALF = load(TEXT.replace("most_share = 1.0", "most_share = 0.5"))


def test_a_campaign_goes_from_draft_to_its_close():
    """Simulated, approved, announced, enforced, closed: each stage follows the one before it."""
    stage = CampaignStage.DRAFT
    for event, following in STRAIGHT:
        stage = advance(stage, event)
        assert stage is following


@pytest.mark.parametrize("skipped", range(len(STRAIGHT) - 2))
def test_no_stage_is_skipped(skipped: int):
    """Nothing is approved unsimulated, announced unapproved, or enforced unannounced."""
    stage = CampaignStage.DRAFT if skipped == 0 else STRAIGHT[skipped - 1][1]
    with pytest.raises(Refused) as refusal:
        advance(stage, STRAIGHT[skipped + 1][0])
    assert refusal.value.code == "campaign_event"


@pytest.mark.parametrize("stage", [CampaignStage.ANNOUNCED, CampaignStage.ENFORCING])
def test_a_campaign_is_paused_and_resumed(stage: CampaignStage):
    """A campaign can be stopped at any time after its announcement, and go on."""
    paused = advance(stage, CampaignEvent.PAUSE)
    assert paused is CampaignStage.PAUSED
    assert advance(paused, CampaignEvent.RESUME) is CampaignStage.ENFORCING


@pytest.mark.parametrize(
    "stage", [CampaignStage.DRAFT, CampaignStage.SIMULATED, CampaignStage.APPROVED]
)
def test_a_revised_campaign_starts_again_as_a_draft(stage: CampaignStage):
    """Whoever changes a campaign loses its simulation and its approval."""
    assert advance(stage, CampaignEvent.REVISE) is CampaignStage.DRAFT


@pytest.mark.parametrize("event", sorted(CampaignEvent))
def test_a_closed_campaign_takes_nothing_more(event: CampaignEvent):
    """Closed is final."""
    with pytest.raises(Refused, match="takes nothing more"):
        advance(CampaignStage.CLOSED, event)


@given(st.lists(st.sampled_from(CampaignEvent), max_size=20))
def test_nothing_takes_effect_without_approval(events: list[CampaignEvent]):
    """Whatever is done in whatever order, what is announced was simulated and approved since."""
    stage, since = CampaignStage.DRAFT, [CampaignStage.DRAFT]
    for event in events:
        try:
            stage = advance(stage, event)
        except Refused:
            continue
        since = [stage] if stage is CampaignStage.DRAFT else [*since, stage]
    if {CampaignStage.ANNOUNCED, CampaignStage.ENFORCING} & set(since):
        assert CampaignStage.SIMULATED in since
        assert CampaignStage.APPROVED in since


@pytest.mark.parametrize("approver", ["lan", "LAN", " lan "])
def test_nobody_approves_their_own_campaign(approver: str):
    """The author cannot be the approver, however the name is written."""
    with pytest.raises(Refused) as refusal:
        RULES.four_eyes.check(Joint.CAMPAIGN, "lan", approver)
    assert refusal.value.code == "four_eyes"


def test_another_operator_may_approve():
    """A second operator approves."""
    RULES.four_eyes.check(Joint.CAMPAIGN, "lan", "minh")


def test_the_rulebook_says_what_takes_two_people():
    """Where an act is not named one person is enough; a campaign always takes two."""
    named = 'acts = ["campaign", "campaign_extension", "case_extension", "erasure"]'
    alone = load(TEXT.replace(named, 'acts = ["campaign"]')).four_eyes
    alone.check(Joint.CASE_EXTENSION, "lan", "lan")
    with pytest.raises(Refused, match="lan asked for the campaign; another operator"):
        alone.check(Joint.CAMPAIGN, "lan", "lan")
    with pytest.raises(Invalid, match=r"four_eyes\.acts .* a mass act takes two people"):
        load(TEXT.replace(named, 'acts = ["erasure"]'))


def test_the_dates_of_the_spring_are_fair():
    """A month from announcement to hold, and twelve days to the revocation, are enough."""
    check_dates(ANNOUNCED_AT, HOLD_AT, REVOKE_AT, RULES)


def test_a_hold_announced_too_late_is_refused():
    """Less than the rulebook's days between announcement and hold are refused, by a second too."""
    least = timedelta(days=RULES.campaign.least_notice_days)
    check_dates(HOLD_AT - least, HOLD_AT, REVOKE_AT, RULES)
    with pytest.raises(Refused, match="less than 15 days after"):
        check_dates(HOLD_AT - least + SECOND, HOLD_AT, REVOKE_AT, RULES)


def test_nobody_is_revoked_before_they_are_held():
    """The revocation may come with the hold, but not before it."""
    check_dates(ANNOUNCED_AT, HOLD_AT, HOLD_AT, RULES)
    with pytest.raises(Refused, match="comes before the hold"):
        check_dates(ANNOUNCED_AT, HOLD_AT, HOLD_AT - SECOND, RULES)


@pytest.mark.parametrize(
    ("count", "approved", "active", "sentence"),
    [
        (120, 119, 300, "the approved plan names 119"),
        (50_001, 60_000, 200_000, "allows 50000"),
        (50_001, None, 200_000, "allows 50000"),
        (151, 151, 300, "allows a share of 0.5"),
        (1, 1, 1, "allows a share of 0.5"),
    ],
)
def test_the_mass_guard_stops_a_run_that_is_too_large(
    count: int, approved: int | None, active: int, sentence: str
):
    """More than approved, more than the limit, or more than the share: each stops the run."""
    with pytest.raises(Refused, match=sentence) as refusal:
        check_mass(count, active=active, rulebook=HALF, approved=approved)
    assert refusal.value.code == "mass_guard"


@given(
    count=st.integers(0, 100_000),
    approved=st.none() | st.integers(0, 100_000),
    active=st.integers(0, 1_000_000),
)
def test_what_the_guard_lets_through_is_within_all_three_limits(
    count: int, approved: int | None, active: int
):
    """No run that passes exceeds the plan, the number or the share."""
    try:
        check_mass(count, active=active, rulebook=HALF, approved=approved)
    except Refused:
        return
    assert approved is None or count <= approved
    assert count <= HALF.campaign.mass.most_acts
    assert count <= HALF.campaign.mass.most_share * active


def test_a_simulation_foretells_what_the_campaign_will_do():
    """A draft asks nothing; foretold, it says who would be held, and then revoked."""
    draft = campaign(stage=CampaignStage.DRAFT, announced_at=None)
    lacking = facts(papers(without=["contract"]), campaign=draft, warned_at=None)
    assert decide(lacking, RULES, HOLD_AT).action is Action.NOTHING
    told = foretell(lacking, draft, ANNOUNCED_AT)
    held = decide(told, RULES, HOLD_AT)
    assert held.action is Action.HOLD
    assert decide(carry_out(held), RULES, REVOKE_AT).action is Action.REVOKE
    whole = foretell(facts(papers(), campaign=draft, warned_at=None), draft, ANNOUNCED_AT)
    assert decide(whole, RULES, HOLD_AT).action is Action.NOTHING


def test_a_warning_that_was_given_is_not_foretold_away():
    """Who was told earlier, or later, keeps that instant in the simulation."""
    later = ANNOUNCED_AT + timedelta(days=20)
    assert foretell(facts(warned_at=later), campaign(), ANNOUNCED_AT).warned_at == later
