"""What time and the dossier demand in a campaign: its dates, exact instants, doubts."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ca.model import HoldSource, Status
from core.reasons import Reason
from policy.model import Action, CampaignStage, Decision, Document, Facts, Verdict
from policy.rulebook import load
from policy.rules import decide
from tests.support.dossiers import (
    ANNOUNCED_AT,
    HOLD_AT,
    ISSUED_AT,
    REVOKE_AT,
    RULES,
    SECOND,
    TEXT,
    at,
    campaign,
    carry_out,
    certificate,
    facts,
    held,
    paper,
    papers,
)

TICK = timedelta.resolution
LACKING = papers(without=["contract"])
DOSSIER = HoldSource.DOSSIER


def late(instant: datetime) -> tuple[Document, ...]:
    """Return a dossier whose contract came at `instant`."""
    return (*LACKING, paper("contract", received=instant))


def decided(given: Facts, now: datetime) -> Decision:
    """Return the decision under the rulebook of 2024."""
    return decide(given, RULES, now)


# ---- The campaign --------------------------------------------------------------------------------


def test_an_incomplete_dossier_is_held_at_the_announced_instant():
    """At 00:00 of 20 April the certificate is held, with clause, contract condition and reason."""
    decision = decided(facts(LACKING), HOLD_AT)
    assert decision.action is Action.HOLD
    assert decision.source is DOSSIER
    assert decision.reason is Reason.CERTIFICATE_HOLD
    assert decision.clause == "130/2018:28(1)(d)"
    assert decision.contract_clause
    assert decision.rulebook == "lcs-2024/1"
    assert decision.because == (
        "The dossier is not complete. The contract is missing. It had to be complete before "
        "2024-04-20 00:00:00+07:00, as the campaign spring announced; the subscriber was told on "
        "2024-03-20 16:00:00+07:00."
    )


def test_nobody_is_held_before_the_announced_instant():
    """A microsecond before 20 April nothing is held yet."""
    assert decided(facts(LACKING), HOLD_AT - TICK).action is not Action.HOLD


@pytest.mark.parametrize("received", [HOLD_AT - TICK, HOLD_AT - SECOND, ANNOUNCED_AT])
def test_papers_before_the_deadline_cancel_the_suspension(received: datetime):
    """Papers that came before 24:00 of 19 April save the certificate, by however little."""
    assert decided(facts(late(received)), HOLD_AT).action is Action.NOTHING


def test_at_the_very_stroke_the_commit_that_came_first_wins():
    """Papers recorded before the hold of the same instant save; recorded after it, they lift it."""
    assert decided(facts(late(HOLD_AT)), HOLD_AT).action is Action.NOTHING
    struck = decided(facts(late(HOLD_AT)[:1]), HOLD_AT)
    assert struck.action is Action.HOLD
    assert decided(facts(late(HOLD_AT), certificate=held(DOSSIER)), HOLD_AT).action is Action.LIFT


def test_papers_five_minutes_late_restore_at_once():
    """Papers accepted at 00:05 lift the hold at 00:05, under Điều 28(3)."""
    five_past = at("2024-04-20 00:05")
    decision = decided(facts(late(five_past), certificate=held(DOSSIER)), five_past)
    assert decision.action is Action.LIFT
    assert decision.source is DOSSIER
    assert decision.clause == "130/2018:28(3)"


def test_a_late_sweep_does_not_hold_what_is_complete_by_then():
    """If the sweep comes at 00:10 and the papers came at 00:05, the commit of the papers wins."""
    given = facts(late(at("2024-04-20 00:05")))
    assert decided(given, at("2024-04-20 00:10")).action is Action.NOTHING


def test_papers_of_the_future_do_not_count():
    """A document counts from the instant at which the office has it."""
    given = facts(late(at("2024-04-21 09:00")))
    assert decided(given, at("2024-04-20 09:00")).action is Action.HOLD


def test_a_complete_dossier_leaves_the_other_holds():
    """The dossier's hold is lifted, and the authority's stays: holds are a set."""
    given = facts(papers(), certificate=held(DOSSIER, HoldSource.AUTHORITY))
    after = carry_out(decided(given, HOLD_AT + SECOND))
    assert after.certificate is not None
    assert after.certificate.holds == (HoldSource.AUTHORITY,)
    assert after.certificate.status is Status.HOLD
    assert decided(after, HOLD_AT + SECOND).action is Action.NOTHING


def test_a_certificate_held_by_an_authority_is_held_for_its_dossier_too():
    """Another hold does not spare the dossier's: each ground has its own."""
    given = facts(LACKING, certificate=held(HoldSource.AUTHORITY))
    assert decided(given, HOLD_AT).action is Action.HOLD


def test_still_incomplete_at_the_last_date_is_revoked_for_ever():
    """At 00:00 of 2 May what is still held for its dossier is revoked, on the contract's clause."""
    decision = decided(facts(LACKING, certificate=held(DOSSIER)), REVOKE_AT)
    assert decision.action is Action.REVOKE
    assert decision.reason is Reason.PRIVILEGE_WITHDRAWN
    assert decision.clause == "130/2018:29(1)(d)"
    assert decision.contract_clause
    assert decision.lacks == ("The contract is missing.",)


def test_nobody_is_revoked_before_the_last_date():
    """A microsecond before 2 May nothing is revoked yet."""
    given = facts(LACKING, certificate=held(DOSSIER))
    assert decided(given, REVOKE_AT - TICK).action is not Action.REVOKE


@pytest.mark.parametrize("received", [REVOKE_AT - SECOND, REVOKE_AT])
def test_papers_by_the_last_date_lift_instead_of_revoking(received: datetime):
    """The complete dossier is looked at before the date is: it lifts, even at the very instant."""
    given = facts(late(received), certificate=held(DOSSIER))
    assert decided(given, REVOKE_AT).action is Action.LIFT


def test_papers_after_the_revocation_restore_nothing():
    """Revoked is final: a dossier completed later leads to a new certificate, not to this one."""
    given = facts(papers(), certificate=certificate(status=Status.REVOKED))
    decision = decided(given, REVOKE_AT + SECOND)
    assert decision.action is Action.NOTHING
    assert "revoked is final" in decision.because


@pytest.mark.parametrize("holds", [(), (DOSSIER,)])
def test_an_expired_certificate_takes_no_act(holds: tuple[HoldSource, ...]):
    """An expired certificate is neither held nor revoked nor restored; its last second still is."""
    end = HOLD_AT - timedelta(days=1)
    given = facts(LACKING, certificate=replace(held(*holds), not_after=end))
    assert "expired" in decided(given, REVOKE_AT).because
    assert decided(given, REVOKE_AT).action is Action.NOTHING
    completed = replace(given, documents=papers(), certificate=held(DOSSIER, not_after=HOLD_AT))
    assert decided(completed, HOLD_AT).action is Action.LIFT
    assert decided(completed, HOLD_AT + TICK).action is Action.NOTHING


def test_a_sweep_that_comes_too_late_does_not_hold_and_revoke_in_one_breath():
    """Who is first held after the last date keeps the least time of a hold before the end."""
    first = decided(facts(LACKING), REVOKE_AT + SECOND)
    assert first.action is Action.HOLD
    assert decided(carry_out(first), REVOKE_AT + SECOND).action is Action.NOTHING
    a_day_later = REVOKE_AT + SECOND + RULES.campaign.least_hold
    assert decided(carry_out(first), a_day_later - TICK).action is Action.NOTHING
    assert decided(carry_out(first), a_day_later).action is Action.REVOKE


def test_a_rulebook_may_let_the_suspension_last_no_time_yet_never_in_the_same_instant():
    """With a least hold of zero days, hold and revocation are still two instants."""
    rulebook = load(TEXT.replace("least_hold_days = 1", "least_hold_days = 0"))
    first = decide(facts(LACKING), rulebook, REVOKE_AT)
    assert decide(carry_out(first), rulebook, REVOKE_AT).action is Action.NOTHING
    assert decide(carry_out(first), rulebook, REVOKE_AT + TICK).action is Action.REVOKE


def test_who_was_not_told_is_told_first():
    """Nobody is held unwarned: the sweep tells them, and they have their days from then on."""
    unwarned = facts(LACKING, warned_at=None)
    told = decided(unwarned, HOLD_AT)
    assert told.action is Action.REMIND
    after = carry_out(told)
    assert decided(after, HOLD_AT).action is Action.NOTHING
    assert decided(after, HOLD_AT + RULES.campaign.least_warning - TICK).action is Action.NOTHING
    assert decided(after, HOLD_AT + RULES.campaign.least_warning).action is Action.HOLD


@pytest.mark.parametrize(
    "stage",
    sorted(set(CampaignStage) - {CampaignStage.ANNOUNCED, CampaignStage.ENFORCING}),
)
@pytest.mark.parametrize("now", [HOLD_AT, REVOKE_AT])
def test_a_campaign_that_is_not_in_effect_asks_nothing(stage: CampaignStage, now: datetime):
    """Drafts, approved plans, paused and closed campaigns neither hold nor revoke."""
    given = facts(LACKING, certificate=held(DOSSIER), campaign=campaign(stage=stage))
    assert decided(given, now).action is Action.NOTHING


def test_an_announcement_of_the_future_is_none():
    """A campaign whose announcement is still to come asks nothing, whatever its other dates say."""
    later = campaign(announced_at=HOLD_AT + SECOND)
    assert decided(facts(LACKING, campaign=later), HOLD_AT).action is Action.NOTHING


def test_a_warning_of_the_future_is_none():
    """Who will be told later was not told yet, so they are told first."""
    given = facts(LACKING, warned_at=HOLD_AT + SECOND)
    assert decided(given, HOLD_AT).action is Action.REMIND


def test_a_complete_dossier_is_restored_whatever_the_campaign_does():
    """A paused or closed campaign, or none, does not keep anybody on hold (Điều 28(3): a must)."""
    given = facts(papers(), certificate=held(DOSSIER))
    for each in (None, campaign(stage=CampaignStage.PAUSED), campaign(stage=CampaignStage.CLOSED)):
        assert decided(replace(given, campaign=each), REVOKE_AT).action is Action.LIFT


def test_without_a_campaign_a_lack_alone_does_nothing():
    """Papers may follow: without an announced campaign nothing happens to the certificate."""
    given = facts(LACKING, campaign=None)
    assert decided(given, REVOKE_AT).action is Action.NOTHING


def test_reminders_come_in_waves_and_once_each():
    """On each of the rulebook's days before the hold, who still lacks papers is reminded once."""
    given, reminded = facts(LACKING), []
    now = ANNOUNCED_AT
    while now < HOLD_AT:
        decision = decided(given, now)
        given = carry_out(decision)
        if decision.action is Action.REMIND:
            reminded.append((HOLD_AT - now).days)
        now += timedelta(hours=8)
    assert reminded == list(RULES.campaign.notice.days_before_hold)


def test_reminders_go_on_while_the_certificate_is_held():
    """Between hold and revocation the subscriber is reminded in waves too."""
    given = facts(LACKING, certificate=held(DOSSIER), reminded_at=HOLD_AT)
    decision = decided(given, REVOKE_AT - timedelta(days=3))
    assert decision.action is Action.REMIND
    assert decided(carry_out(decision), REVOKE_AT - timedelta(days=2)).action is Action.NOTHING


def test_a_complete_dossier_is_not_reminded():
    """Who has delivered is left in peace."""
    assert decided(facts(papers()), HOLD_AT - timedelta(days=1)).action is Action.NOTHING


# ---- Doubts about a document ---------------------------------------------------------------------


def test_a_contested_document_holds_at_once_without_any_campaign():
    """A doubt about a document holds the certificate at once, on Điều 28(1)(b)."""
    contested = facts(
        (*papers(), paper("contract", verdict=Verdict.CONTESTED)), campaign=None, warned_at=None
    )
    decision = decided(contested, HOLD_AT)
    assert decision.action is Action.HOLD
    assert decision.clause == "130/2018:28(1)(b)"
    assert decided(carry_out(decision), HOLD_AT).action is Action.NOTHING


def test_no_timetable_revokes_while_a_document_is_examined():
    """At the campaign's last date a contested dossier stays on hold: its examination decides."""
    contested = (*LACKING, paper("contract", verdict=Verdict.CONTESTED))
    given = facts(contested, certificate=held(DOSSIER))
    assert decided(given, REVOKE_AT).action is Action.NOTHING


def test_a_doubt_that_is_resolved_restores_the_certificate():
    """When the document proves true, the dossier is complete again and the hold is lifted."""
    given = facts(papers(), certificate=held(DOSSIER), campaign=None)
    assert decided(given, HOLD_AT).action is Action.LIFT


def test_a_forged_document_revokes_with_the_time_of_issue_as_invalidity_date():
    """Forged: revoked now, never back-dated; the invalidity date says it was bad from its issue."""
    forged = facts((*papers(), paper("contract", verdict=Verdict.FORGED)), campaign=None)
    decision = decided(forged, HOLD_AT)
    assert decision.action is Action.REVOKE
    assert decision.reason is Reason.PRIVILEGE_WITHDRAWN
    assert decision.invalidity_date == ISSUED_AT
    assert decision.at == HOLD_AT
    assert decision.clause == "130/2018:29(1)(d)"
    assert decision.contract_clause
