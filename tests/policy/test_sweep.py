"""Campaigns through the shell: planned, approved by another, announced, enforced row by row."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ca.model import Act, HoldSource, Status
from core.errors import Conflict, NotFound, Refused
from core.reasons import Reason
from policy import closing, orders, planning, rulebook, sweep
from policy.model import Action, CampaignStage, Decision, Party, Request, Wanted
from policy.records import campaigns
from policy.records.campaigns import Campaign
from policy.sweep import Share
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, REVOKE_AT, TEXT, at
from tests.support.office import Bureau


def _campaign(bureau: Bureau, name: str = "spring") -> Campaign:
    with bureau.db.read() as tx:
        return campaigns.campaign_named(tx, name)


def _plan(bureau: Bureau) -> None:
    planning.plan(bureau.office, "spring", hold_at=HOLD_AT, revoke_at=REVOKE_AT)


@pytest.fixture
def announced(bureau: Bureau) -> Bureau:
    """KH00001 to KH00003 lack papers, KH00004 does not; the spring campaign is announced."""
    for number, without in enumerate((["contract"], ["contract"], ["representative_id"], []), 1):
        bureau.enrol(f"KH0000{number}", without=without)
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    return bureau


def _held(bureau: Bureau) -> list[str]:
    names = [f"KH0000{number}" for number in range(1, 8)]
    return [
        each.subscriber
        for name in names
        for each in bureau.all_of(name)
        if HoldSource.DOSSIER in each.standing.sources
    ]


def test_stages_in_their_order(bureau: Bureau) -> None:
    """Plan, simulate, approve, announce, enforce, close: each stage is stored and audited."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    stages = []
    for act in (
        lambda: _plan(bureau),
        lambda: planning.simulate(bureau.office, "spring"),
        lambda: planning.approve(bureau.director, "spring"),
        lambda: sweep.announce(bureau.office, "spring"),
        lambda: sweep.enforce(bureau.office, "spring", Act.SUSPEND),
        lambda: closing.close(bureau.office, "spring"),
    ):
        act()
        stages.append(_campaign(bureau).stage)
    assert stages == [
        CampaignStage.DRAFT,
        CampaignStage.SIMULATED,
        CampaignStage.APPROVED,
        CampaignStage.ANNOUNCED,
        CampaignStage.ENFORCING,
        CampaignStage.CLOSED,
    ]
    acts = [each.act for each in bureau.trail() if each.subject == "campaign:spring"]
    assert acts == [
        f"campaign.{event}"
        for event in ("plan", "simulate", "approve", "announce", "enforce", "close")
    ]


def test_simulation_names_who_and_why(bureau: Bureau) -> None:
    """A simulation gives the decisions that the dates would bring, and acts on nobody."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.enrol("KH00002")
    bureau.move(ANNOUNCED_AT)
    _plan(bureau)
    found = planning.simulate(bureau.office, "spring")
    assert (found.active, len(found.holds), len(found.revocations)) == (2, 1, 1)
    (hold,) = found.holds
    assert (hold.facts.subscriber, hold.clause) == ("KH00001", "130/2018:28(1)(d)")
    assert "contract" in hold.because
    planned = _campaign(bureau)
    assert (planned.most_holds, planned.most_revocations) == (1, 1)
    assert _held(bureau) == []
    assert bureau.notices() == []
    assert Action.HOLD not in bureau.actions()


@pytest.mark.parametrize("actor", ["operator:lan", " Operator:LAN "])
def test_nobody_approves_their_own_campaign(bureau: Bureau, actor: str) -> None:
    """The author cannot approve, however the name is written; another operator can."""
    _plan(bureau)
    planning.simulate(bureau.office, "spring")
    alias = replace(bureau.office, actor=actor)
    with pytest.raises(Refused, match="another operator must approve") as refused:
        planning.approve(alias, "spring")
    assert refused.value.code == "four_eyes"
    assert _campaign(bureau).approver is None
    planning.approve(bureau.director, "spring")
    assert _campaign(bureau).approver == "operator:mai"


def test_nothing_is_announced_unapproved(bureau: Bureau) -> None:
    """A campaign that nobody approved is neither announced nor enforced."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    _plan(bureau)
    planning.simulate(bureau.office, "spring")
    with pytest.raises(Refused):
        sweep.announce(bureau.office, "spring")
    bureau.move(HOLD_AT)
    with pytest.raises(Refused):
        sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    assert _held(bureau) == []


def test_announcement_that_comes_too_late_is_refused(bureau: Bureau) -> None:
    """Fifteen days before the hold is the last chance to announce; a day later it is refused."""
    _plan(bureau)
    planning.simulate(bureau.office, "spring")
    planning.approve(bureau.director, "spring")
    bureau.move("2024-04-05 00:01")
    with pytest.raises(Refused, match="less than 15 days") as refused:
        sweep.announce(bureau.office, "spring")
    assert refused.value.code == "campaign_dates"
    assert _campaign(bureau).stage is CampaignStage.APPROVED


def test_announcement_warns_who_lacks_papers(announced: Bureau) -> None:
    """Everyone alive joins; a notice goes to those whose papers lack, each with a decision."""
    with announced.db.read() as tx:
        scope = campaigns.members(tx, "spring")
    assert [each.subscriber_id for each in scope] == [f"KH0000{n}" for n in (1, 2, 3, 4)]
    assert {each.warned_at for each in scope} == {announced.clock.now()}
    told = [(each.subscriber_id, each.template) for each in announced.notices()]
    assert told == [(f"KH0000{n}", "remind") for n in (1, 2, 3)]
    assert announced.actions().count(Action.REMIND) == 3


def test_second_campaign_warns_anew(announced: Bureau) -> None:
    """Who was warned of an earlier campaign is told of the next one too."""
    announced.move("2024-03-25 09:00")
    closing.close(announced.office, "spring")
    hold_at, revoke_at = at("2024-06-20 00:00"), at("2024-07-02 00:00")
    assert announced.campaign("summer", hold_at=hold_at, revoke_at=revoke_at) == 3
    assert len(announced.notices()) == 6


def test_revoked_and_expired_are_left_out(bureau: Bureau) -> None:
    """A campaign is for the living: revoked and expired certificates do not join."""
    first = bureau.enrol("KH00001", without=["contract"])
    stop = Request(by=Party.SUBSCRIBER, ground="subscriber_request", verified=True)
    orders.ask(bureau.office, first.serial, Wanted.REVOKE, stop)
    second = bureau.enrol("KH00002", without=["contract"])
    bureau.move(second.not_after)
    bureau.tick()
    third = bureau.enrol("KH00003", without=["contract"])
    hold_at = third.not_before + timedelta(days=30)
    assert bureau.campaign(hold_at=hold_at, revoke_at=third.not_after) == 1
    with bureau.db.read() as tx:
        assert [each.certificate_id for each in campaigns.members(tx, "spring")] == [third.id]


def test_enforcement_holds_exactly_the_incomplete(announced: Bureau) -> None:
    """At the date who lacks papers is held, with decision, clause and notice, and nobody else."""
    announced.bring("KH00003", "representative_id")
    announced.move(HOLD_AT)
    acted = sweep.enforce(announced.office, "spring", Act.SUSPEND)
    assert [each.subscriber for each in acted] == _held(announced) == ["KH00001", "KH00002"]
    for each in acted:
        assert (each.standing.status, each.standing.since) == (Status.HOLD, HOLD_AT)
        made = announced.decisions(each.subscriber)[-1]
        assert isinstance(made, Decision)
        assert (made.action, made.ground) == (Action.HOLD, "dossier_missing")
        assert made.contract_clause
    assert [each.template for each in announced.notices()].count("hold") == 2


def test_nobody_is_held_before_the_date(announced: Bureau) -> None:
    """A run a second too early holds nobody; the run at the date holds everyone it should."""
    announced.move("2024-04-19 23:59:59")
    assert sweep.enforce(announced.office, "spring", Act.SUSPEND) == []
    announced.move(HOLD_AT)
    assert len(sweep.enforce(announced.office, "spring", Act.SUSPEND)) == 3


def test_second_run_does_nothing(announced: Bureau) -> None:
    """A run that is repeated acts on nobody, stores nothing and tells nobody twice."""
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    before = (len(announced.decisions()), len(announced.notices()), len(announced.trail()))
    assert sweep.enforce(announced.office, "spring", Act.SUSPEND) == []
    after = (len(announced.decisions()), len(announced.notices()), len(announced.trail()))
    assert after == before


def test_revocation_ends_what_is_still_held(announced: Bureau) -> None:
    """At the second date those still held are revoked for ever; the restored ones are not."""
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    announced.move("2024-04-25 10:00")
    announced.bring("KH00002", "contract")
    announced.move(REVOKE_AT)
    revoked = sweep.enforce(announced.office, "spring", Act.REVOKE)
    assert [each.subscriber for each in revoked] == ["KH00001", "KH00003"]
    assert {each.standing.reason for each in revoked} == {Reason.PRIVILEGE_WITHDRAWN}
    (restored,) = announced.all_of("KH00002")
    assert restored.standing.status is Status.GOOD
    assert announced.events(revoked[0])[-1].clause.startswith("130/2018:29(1)(d); ")


def test_run_that_was_stopped_is_taken_up(announced: Bureau) -> None:
    """Stopped after the first row, a run leaves the others; the next one does only those."""
    announced.move(HOLD_AT)

    def stop(done: int, of: int) -> None:
        assert of == 3
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep.enforce(announced.office, "spring", Act.SUSPEND, progress=stop)
    assert _held(announced) == ["KH00001"]
    announced.tick(minutes=5)
    acted = sweep.enforce(announced.office, "spring", Act.SUSPEND)
    assert [each.subscriber for each in acted] == ["KH00002", "KH00003"]


def test_paper_accepted_during_the_run_saves(announced: Bureau) -> None:
    """A paper accepted after the list was made and before its row is reached saves it."""
    announced.move(HOLD_AT)

    def accept(done: int, of: int) -> None:
        if done == 1:
            announced.tick(seconds=2)
            announced.bring("KH00002", "contract")

    acted = sweep.enforce(announced.office, "spring", Act.SUSPEND, progress=accept)
    assert [each.subscriber for each in acted] == ["KH00001", "KH00003"]
    (saved,) = announced.all_of("KH00002")
    assert saved.standing.status is Status.GOOD


def test_acts_of_a_long_run_bear_their_own_instant(announced: Bureau) -> None:
    """Each hold of a run begins when it is placed, not when the run began."""
    announced.move(HOLD_AT)

    def last(_done: int, _of: int) -> None:
        announced.tick(seconds=30)

    sweep.enforce(announced.office, "spring", Act.SUSPEND, progress=last)
    since = [announced.all_of(f"KH0000{n}")[0].standing.since for n in (1, 2, 3)]
    assert since == [HOLD_AT + timedelta(seconds=30 * n) for n in range(3)]


def test_certificate_issued_after_the_announcement_is_held_too(announced: Bureau) -> None:
    """Whose papers follow until the date is in the campaign, and its approved counts grow."""
    announced.move("2024-03-25 09:00")
    announced.enrol("KH00005", without=["contract"])
    announced.enrol("KH00006")
    announced.move(HOLD_AT)
    acted = sweep.enforce(announced.office, "spring", Act.SUSPEND)
    assert [each.subscriber for each in acted] == ["KH00001", "KH00002", "KH00003", "KH00005"]
    after = _campaign(announced)
    assert (after.most_holds, after.most_revocations) == (4, 4)
    assert announced.facts(acted[-1]).warned_at == after.announced_at


def test_certificate_issued_on_the_date_is_not_held(announced: Bureau) -> None:
    """Who is enrolled after the hold date was never announced to, and is left alone."""
    announced.move(HOLD_AT)
    announced.enrol("KH00005", without=["contract"])
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    assert "KH00005" not in _held(announced)


def test_remedy_certificates_follow_their_own_clock(announced: Bureau) -> None:
    """A certificate that waits for activation is not held for the campaign's dossier."""
    announced.enter("KH00005")
    announced.shipped_case("KH00005")
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    assert "KH00005" not in _held(announced)


def test_run_larger_than_approved_is_stopped(announced: Bureau) -> None:
    """More acts than were approved stop the run before the first one."""
    with announced.db.begin() as tx:
        campaigns.update_campaign(tx, "spring", most_holds=2)
    announced.move(HOLD_AT)
    with pytest.raises(Refused, match="would do 3 acts, but the approved plan names 2") as refused:
        sweep.enforce(announced.office, "spring", Act.SUSPEND)
    assert refused.value.code == "mass_guard"
    assert _held(announced) == []


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [("most_acts = 2", "allows 2"), ("most_share = 0.5", "allows a share of 0.5")],
)
def test_rulebook_limits_every_run(announced: Bureau, limit: str, sentence: str) -> None:
    """The rulebook's own limits stop a run too, and even its simulation."""
    word = limit.split(maxsplit=1)[0]
    lines = [limit if line.startswith(word) else line for line in TEXT.splitlines()]
    strict = replace(announced.office, rulebooks=(rulebook.load("\n".join(lines)),))
    planning.plan(strict, "summer", hold_at=HOLD_AT, revoke_at=REVOKE_AT)
    with pytest.raises(Refused, match=sentence):
        planning.simulate(strict, "summer")
    announced.move(HOLD_AT)
    with pytest.raises(Refused, match=sentence):
        sweep.enforce(strict, "spring", Act.SUSPEND)
    assert _held(announced) == []


def test_closed_campaign_enforces_nothing(announced: Bureau) -> None:
    """A campaign that was called off holds nobody, and what it held stays held."""
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    closing.close(announced.office, "spring")
    announced.move(REVOKE_AT)
    with pytest.raises(Refused, match="campaign that is closed"):
        sweep.enforce(announced.office, "spring", Act.REVOKE)
    assert _held(announced) == ["KH00001", "KH00002", "KH00003"]


def test_names_are_given_once(bureau: Bureau) -> None:
    """A campaign's name is taken once; an unknown one is said to be missing."""
    _plan(bureau)
    with pytest.raises(Conflict, match="a campaign 'spring' already"):
        _plan(bureau)
    with pytest.raises(NotFound, match="no campaign 'autumn'"):
        planning.simulate(bureau.office, "autumn")


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_between_two_rows(announced: Bureau, *, persisted: bool) -> None:
    """A crash at the second row's commit leaves whole rows, and the next run does the rest."""
    announced.move(HOLD_AT)
    crashing = announced.on(CrashingDatabase(announced.db, 3, persisted=persisted)).office
    with pytest.raises(Crash):
        sweep.enforce(crashing, "spring", Act.SUSPEND)
    done = 1 + persisted
    assert len(_held(announced)) == announced.actions().count(Action.HOLD) == done
    assert [each.template for each in announced.notices()].count("hold") == done
    assert len(sweep.enforce(announced.office, "spring", Act.SUSPEND)) == 3 - done
    assert announced.actions().count(Action.HOLD) == 3


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_announcing(bureau: Bureau, *, persisted: bool) -> None:
    """Stage, members, warnings and notices of an announcement are one commit."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    _plan(bureau)
    planning.simulate(bureau.office, "spring")
    planning.approve(bureau.director, "spring")
    crashing = bureau.on(CrashingDatabase(bureau.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        sweep.announce(crashing, "spring")
    stage = CampaignStage.ANNOUNCED if persisted else CampaignStage.APPROVED
    assert _campaign(bureau).stage is stage
    assert len(bureau.notices()) == persisted
    if not persisted:
        assert sweep.announce(bureau.office, "spring") == 1


def test_paper_that_completes_before_the_date_is_no_news(announced: Bureau) -> None:
    """Papers that complete a dossier before its date cancel the hold without any act."""
    announced.move("2024-04-19 23:59:59")
    announced.bring("KH00001", "contract")
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    assert announced.actions("KH00001") == [Action.ISSUE, Action.REMIND]


@pytest.mark.parametrize("of", [1, 2, 3, 7])
@pytest.mark.parametrize("step", [1, 2, 3, 10, 64, 1000])
def test_slices_part_what_there_is_evenly(of: int, step: int) -> None:
    """Each certificate is in one slice, and the slices are alike even of every tenth number."""
    numbers = range(5, 5 + step * 10_000, step)
    slices = [{each for each in numbers if Share(one, of).takes(each)} for one in range(1, of + 1)]
    assert sorted(each for some in slices for each in some) == list(numbers)
    assert max(map(len, slices)) - min(map(len, slices)) <= 10_000 * 0.02
