"""A campaign under way: paused between rows, extended by two people, a certificate exempted."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ca.model import Act, HoldSource, Status
from core.errors import Invalid, NotFound, Refused
from policy import closing, planning, steering, sweep
from policy.model import Action, CampaignStage
from policy.pace import Pace
from policy.records import campaigns
from policy.sweep import Share
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, REVOKE_AT, SECOND
from tests.support.office import Bureau

LATER = HOLD_AT + timedelta(days=10)


@pytest.fixture
def announced(bureau: Bureau) -> Bureau:
    """KH00001 to KH00003 lack papers; the spring campaign is announced."""
    for number in (1, 2, 3):
        bureau.enrol(f"KH0000{number}", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    return bureau


def _enforce(bureau: Bureau, act: Act = Act.SUSPEND) -> list[str]:
    return [each.subscriber for each in sweep.enforce(bureau.office, "spring", act)]


def test_pause_stops_a_run_at_its_next_row(announced: Bureau) -> None:
    """Another process pauses; the run ends before its next act, and goes on when resumed."""
    announced.move(HOLD_AT)

    def pause(done: int, _of: int) -> None:
        if done == 1:
            steering.pause(announced.director, "spring", "The post is on strike.")

    acted = sweep.enforce(announced.office, "spring", Act.SUSPEND, progress=pause)
    assert [each.subscriber for each in acted] == ["KH00001"]
    with pytest.raises(Refused, match="campaign that is paused"):
        _enforce(announced)
    steering.resume(announced.director, "spring", "The strike is over.")
    assert _enforce(announced) == ["KH00002", "KH00003"]
    trail = [each for each in announced.trail() if each.subject == "campaign:spring"]
    paused = next(each for each in trail if each.act == "campaign.pause")
    assert (paused.actor, "strike" in paused.detail) == ("operator:mai", True)
    assert "campaign.resume" in {each.act for each in trail}


def test_extension_counts_once_another_approves_it(announced: Bureau) -> None:
    """Later dates are asked for with a reason, approved by another, and then hold."""
    announced.tick(days=3)
    steering.extend(announced.office, "spring", hold_at=LATER, revoke_at=None, because="Flood.")
    with pytest.raises(Refused, match="asked for the campaign extension") as refused:
        steering.approve_extension(announced.office, "spring")
    assert refused.value.code == "four_eyes"
    with announced.db.read() as tx:
        assert campaigns.campaign_named(tx, "spring").hold_at == HOLD_AT
    steering.approve_extension(announced.director, "spring")
    with pytest.raises(NotFound, match="No extension"):
        steering.approve_extension(announced.director, "spring")
    announced.move(LATER - SECOND)
    assert _enforce(announced) == []
    announced.move(LATER)
    assert _enforce(announced) == ["KH00001", "KH00002", "KH00003"]
    acts = [each.act for each in announced.trail() if each.subject == "campaign:spring"]
    assert {"campaign.extend", "campaign.approve_extension"} <= set(acts)


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        ({}, "changes no date"),
        ({"hold_at": HOLD_AT - SECOND}, "only gives more time"),
        ({"revoke_at": REVOKE_AT - SECOND}, "only gives more time"),
        ({"hold_at": REVOKE_AT + SECOND}, "extend it too"),
    ],
)
def test_extension_only_gives_more_time(announced: Bureau, dates, why: str) -> None:
    """An earlier date, no change, or a revocation before its hold is refused."""
    with pytest.raises(Refused, match=why):
        steering.extend(announced.office, "spring", **dates, because="Flood.")


def test_date_that_passed_is_not_extended(announced: Bureau) -> None:
    """What was done on a date cannot be put off, but the next date can."""
    announced.move(HOLD_AT)
    _enforce(announced)
    with pytest.raises(Refused, match="it has passed"):
        steering.extend(announced.office, "spring", hold_at=LATER, because="Flood.")
    later = REVOKE_AT + timedelta(days=5)
    steering.extend(announced.office, "spring", revoke_at=later, because="Flood.")
    steering.approve_extension(announced.director, "spring")
    announced.move(REVOKE_AT)
    assert _enforce(announced, Act.REVOKE) == []
    announced.move(later)
    assert len(_enforce(announced, Act.REVOKE)) == 3


def test_exempt_certificate_is_judged_again_after_its_end(announced: Bureau) -> None:
    """Until the end it is left alone, whatever date comes; from the end on it is as the others."""
    (first,) = announced.all_of("KH00001")
    steering.exempt(announced.office, "spring", first.serial, LATER, "Its office burnt down.")
    announced.move(HOLD_AT)
    assert _enforce(announced) == ["KH00002", "KH00003"]
    assert announced.now(first).standing.status is Status.GOOD
    announced.move(LATER - SECOND)
    assert _enforce(announced) == []
    announced.move(LATER)
    assert _enforce(announced) == ["KH00001"]
    exempted = next(each for each in announced.trail() if each.act == "campaign.exempt")
    assert "burnt down" in exempted.detail


def test_exemption_is_from_one_campaign(announced: Bureau) -> None:
    """A campaign that comes after holds whom an earlier one had exempted."""
    (first,) = announced.all_of("KH00001")
    until = REVOKE_AT + timedelta(days=300)
    steering.exempt(announced.office, "spring", first.serial, until, "Fire.")
    closing.close(announced.office, "spring")
    hold_at = HOLD_AT + timedelta(days=30)
    assert announced.campaign("summer", hold_at=hold_at, revoke_at=hold_at) == 3
    announced.move(hold_at)
    assert len(sweep.enforce(announced.office, "summer", Act.SUSPEND)) == 3


def test_exemption_needs_an_end_a_reason_and_a_member(announced: Bureau) -> None:
    """Without an end to come, without a reason, or outside the campaign there is no exemption."""
    (first,) = announced.all_of("KH00001")
    stranger = announced.enrol("KH00009")
    now = announced.clock.now()
    with pytest.raises(Refused, match="not after now"):
        steering.exempt(announced.office, "spring", first.serial, now, "Fire.")
    with pytest.raises(Invalid, match="write 1 to 400"):
        steering.exempt(announced.office, "spring", first.serial, LATER, " ")
    with pytest.raises(NotFound, match="not in the campaign"):
        steering.exempt(announced.office, "spring", stranger.serial, LATER, "Fire.")


def test_drafts_are_not_steered(bureau: Bureau) -> None:
    """Before its announcement a campaign is revised, not paused or extended."""
    bureau.enrol("KH00001", without=["contract"])
    planning.plan(bureau.office, "spring", hold_at=HOLD_AT, revoke_at=REVOKE_AT)
    with pytest.raises(Refused):
        steering.pause(bureau.office, "spring", "Too early.")
    with pytest.raises(Refused, match="campaign spring is draft"):
        steering.extend(bureau.office, "spring", hold_at=LATER, because="Flood.")


def test_two_processes_share_a_run(announced: Bureau) -> None:
    """Slices are disjoint and together the whole; each is decided under its lock all the same."""
    announced.move(HOLD_AT)
    first = sweep.enforce(announced.office, "spring", Act.SUSPEND, share=Share(1, 2))
    other = replace(announced.office, actor="operator:other")
    second = sweep.enforce(other, "spring", Act.SUSPEND, share=Share(2, 2))
    assert {each.id for each in first}.isdisjoint({each.id for each in second})
    held = sorted(each.subscriber for each in (*first, *second))
    assert held == ["KH00001", "KH00002", "KH00003"]
    assert announced.actions().count(Action.HOLD) == 3


def test_row_that_another_process_did_is_left(announced: Bureau) -> None:
    """Two whole runs at once hold each certificate once."""
    announced.move(HOLD_AT)

    def overtaken(done: int, _of: int) -> None:
        if done == 1:
            assert len(_enforce(announced)) == 2

    first = sweep.enforce(announced.office, "spring", Act.SUSPEND, progress=overtaken)
    assert [each.subscriber for each in first] == ["KH00001"]
    assert announced.actions().count(Action.HOLD) == 3
    sources = [each.standing.sources for n in (1, 2, 3) for each in announced.all_of(f"KH0000{n}")]
    assert sources == [{HoldSource.DOSSIER}] * 3


def test_pace_waits_for_each_rows_turn() -> None:
    """Four rows a second: none sooner, and a slow row is not made up for in a rush."""
    at, waited = [0.0], []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        at[0] += seconds

    pace = Pace(4, elapsed=lambda: at[0], wait=wait)
    for _ in range(3):
        pace()
    assert waited == [0.25, 0.25]
    at[0] += 10
    pace()
    pace()
    assert waited == [0.25, 0.25, 0.25]
    Pace(None, wait=wait)()
    assert len(waited) == 3


def test_run_keeps_its_pace(announced: Bureau) -> None:
    """The pace is asked before every row."""
    announced.move(HOLD_AT)
    rows: list[int] = []
    sweep.enforce(announced.office, "spring", Act.SUSPEND, pace=lambda: rows.append(1))
    assert len(rows) == 3
    with announced.db.read() as tx:
        assert campaigns.campaign_named(tx, "spring").stage is CampaignStage.ENFORCING
