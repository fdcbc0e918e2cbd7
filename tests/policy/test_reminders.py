"""Waves of notices: each member who still lacks papers hears of each wave once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.model import Act
from policy import reminders, replay, steering, sweep, waves
from policy.model import Action
from policy.records import waves as sent
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, REVOKE_AT, RULES, SECOND, campaign
from tests.support.office import Bureau

DAY = timedelta(days=1)
MINUTES = st.integers(-60 * 24 * 40, 60 * 24 * 40)


@pytest.fixture
def announced(bureau: Bureau) -> Bureau:
    """KH00001 and KH00002 lack papers, KH00003 does not; the spring campaign is announced."""
    for number in (1, 2):
        bureau.enrol(f"KH0000{number}", without=["contract"])
    bureau.enrol("KH00003")
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    return bureau


def _told(bureau: Bureau) -> dict[str, int]:
    with bureau.db.read() as tx:
        return sent.told(tx, "spring")


def test_each_wave_tells_once_who_still_lacks(announced: Bureau) -> None:
    """T-30 to T-1, then after the hold and before the revocation; who is complete hears nothing."""
    told = 0
    for half_days in range(-60, 28):
        now = HOLD_AT + half_days * DAY / 2
        announced.move(now)
        if now == HOLD_AT - 10 * DAY:
            announced.bring("KH00002", "contract")
        if now == HOLD_AT:
            sweep.enforce(announced.office, "spring", Act.SUSPEND)
        told += reminders.send_due(announced.office)
        assert reminders.send_due(announced.office) == 0
    assert _told(announced) == {
        "hold-30:2024-04-20": 2,
        "hold-14:2024-04-20": 2,
        "hold-7:2024-04-20": 1,
        "hold-3:2024-04-20": 1,
        "hold-1:2024-04-20": 1,
        "hold+1:2024-05-02": 1,
        "revoke-7:2024-05-02": 1,
        "revoke-3:2024-05-02": 1,
        "revoke-1:2024-05-02": 1,
    }
    assert told == announced.actions().count(Action.REMIND) - 2 == 11
    with announced.db.read() as tx:
        count, differences = replay.replay(tx, [RULES])
    assert (count > 0, differences) == (True, [])


def test_worker_that_was_away_sends_the_newest_wave_alone(announced: Bureau) -> None:
    """Waves that were missed are not made up for: one notice, not three."""
    announced.move(HOLD_AT - DAY)
    assert reminders.send_due(announced.office) == 2
    assert list(_told(announced)) == ["hold-1:2024-04-20"]


def test_each_certificate_of_a_subscriber_has_its_own_notice(announced: Bureau) -> None:
    """A subscriber with two certificates is told of both."""
    second = announced.issue("KH00001")
    announced.move(HOLD_AT)
    sweep.enforce(announced.office, "spring", Act.SUSPEND)
    announced.move(REVOKE_AT - 7 * DAY)
    assert reminders.send_due(announced.office) == 3
    assert announced.notices()[-1].subscriber_id == second.subscriber


def test_paused_campaign_sends_nothing(announced: Bureau) -> None:
    """While a campaign is paused no wave goes out; when it goes on, the newest does."""
    announced.move(HOLD_AT - 7 * DAY)
    steering.pause(announced.office, "spring", "Strike.")
    assert reminders.send_due(announced.office) == 0
    steering.resume(announced.office, "spring", "Over.")
    assert reminders.send_due(announced.office) == 2


def test_moved_date_has_its_own_waves(announced: Bureau) -> None:
    """After an extension the same number of days before the new date is another wave."""
    announced.move(HOLD_AT - 7 * DAY)
    assert reminders.send_due(announced.office) == 2
    later = HOLD_AT + 7 * DAY
    steering.extend(announced.office, "spring", hold_at=later, because="Flood.")
    steering.approve_extension(announced.director, "spring")
    announced.move(later - 7 * DAY)
    assert reminders.send_due(announced.office) == 2
    assert {"hold-7:2024-04-20", "hold-7:2024-04-27"} == set(_told(announced))


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_crash_between_two_notices(announced: Bureau, at: int, *, persisted: bool) -> None:
    """Wherever a round stops, the next one tells the others, and nobody twice."""
    announced.move(HOLD_AT - 7 * DAY)
    crashing = announced.on(CrashingDatabase(announced.db, at, persisted=persisted)).office
    with pytest.raises(Crash):
        reminders.send_due(crashing)
    reminders.send_due(announced.office)
    assert _told(announced) == {"hold-7:2024-04-20": 2}
    assert announced.actions().count(Action.REMIND) == 4


@given(MINUTES, MINUTES)
def test_newest_wave_only_moves_forward(first: int, second: int) -> None:
    """The later the instant, the later its wave began; none begins in the future."""
    instants = sorted(HOLD_AT + timedelta(minutes=each) for each in (first, second))
    found = [waves.latest(campaign(), RULES, each) for each in instants]
    begun = [each.begins_at for each in found if each is not None]
    assert begun == sorted(begun)
    assert all(
        each is None or each.begins_at <= instant
        for each, instant in zip(found, instants, strict=True)
    )
    assert waves.latest(campaign(), RULES, REVOKE_AT + SECOND) is None
