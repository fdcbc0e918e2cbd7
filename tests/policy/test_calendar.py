"""The civil calendar: working days, swapped days, and the last instant of a term."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.calendar import Calendar, DayKind
from tests.support.dossiers import LOCAL, at

VIETNAM = Calendar(zone=ZoneInfo("Asia/Ho_Chi_Minh"))
days_of_life = st.dates(date(1990, 1, 1), date(2150, 12, 31))


def rolled(start: datetime, days: int = 3) -> datetime:
    """Return the end of the remedy's term: calendar days, rolled forward, first day not counted."""
    return VIETNAM.due(
        start, days, count_first_day=False, day_kind=DayKind.CALENDAR, roll_forward=True
    )


@pytest.mark.parametrize(
    ("received", "last_day"),
    [
        ("2024-04-19 10:00", date(2024, 4, 22)),
        ("2024-04-24 10:00", date(2024, 5, 2)),
        ("2024-05-08 10:00", date(2024, 5, 13)),
        ("2024-05-01 00:00", date(2024, 5, 4)),  # a Saturday that was worked
        ("2024-05-02 00:00", date(2024, 5, 6)),
        ("2024-02-05 09:00", date(2024, 2, 15)),
    ],
)
def test_term_of_three_days_rolls_over_weekends_and_holidays(received: str, last_day: date):
    """A term of three calendar days ends at 24:00 of its last day, or of the next working day."""
    midnight = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), LOCAL)
    assert rolled(at(received)) == midnight


@pytest.mark.parametrize("hour", ["00:00", "12:00", "23:59"])
def test_the_hour_of_receipt_does_not_matter(hour: str):
    """The first day is not counted, so a term is as long for the morning as for the evening."""
    assert rolled(at(f"2024-04-19 {hour}")) == at("2024-04-23 00:00")


def test_days_are_local_days_not_utc_days():
    """What comes at 00:30 in Vietnam belongs to that day, though UTC still has the day before."""
    received = datetime(2024, 4, 18, 17, 30, tzinfo=UTC)
    assert VIETNAM.day(received) == date(2024, 4, 19)
    assert rolled(received) == at("2024-04-23 00:00")


def test_counting_the_first_day_shortens_the_term_by_one():
    """With the first day counted, three days from Monday end on Wednesday."""
    due = VIETNAM.due(
        at("2024-06-03 09:00"),
        3,
        count_first_day=True,
        day_kind=DayKind.CALENDAR,
        roll_forward=False,
    )
    assert due == at("2024-06-06 00:00")


def test_working_days_skip_what_is_not_worked():
    """Three working days from 26 April 2024 pass the holidays and count the worked Saturday."""
    due = VIETNAM.due(
        at("2024-04-26 09:00"),
        3,
        count_first_day=False,
        day_kind=DayKind.WORKING,
        roll_forward=False,
    )
    assert due == at("2024-05-05 00:00")  # 2 and 3 May, then Saturday 4 May, which was worked


def test_without_rolling_a_term_may_end_on_a_sunday():
    """A payment term is not rolled forward: fifteen days from 4 May 2024 end on Sunday 19 May."""
    due = VIETNAM.due(
        at("2024-05-04 08:00"),
        15,
        count_first_day=False,
        day_kind=DayKind.CALENDAR,
        roll_forward=False,
    )
    assert due == at("2024-05-20 00:00")


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        (date(2024, 4, 18), False),  # Hung Kings
        (date(2024, 4, 29), False),  # swapped for 4 May
        (date(2024, 4, 30), False),
        (date(2024, 5, 1), False),
        (date(2024, 5, 2), True),
        (date(2024, 5, 4), True),  # a Saturday, worked for 29 April
        (date(2024, 5, 5), False),
        (date(2024, 2, 8), False),  # the last day of the lunar year
        (date(2024, 2, 14), False),
        (date(2024, 2, 15), True),
        (date(2024, 9, 3), False),  # the second day of the National Day
        (date(2025, 1, 27), False),
        (date(2025, 4, 7), False),  # Hung Kings
        (date(2025, 4, 26), True),  # a Saturday, worked for 2 May
        (date(2025, 5, 2), False),
        (date(2025, 9, 1), False),
        (date(2025, 9, 3), True),
    ],
)
def test_the_state_s_calendar_of_2024_and_2025_is_known(day: date, *, worked: bool):
    """Public holidays, days off in lieu and swapped days of 2024 and 2025 are as they were."""
    assert VIETNAM.is_working_day(day) is worked


def test_the_ca_s_own_days_overrule_the_country_s():
    """A day that the CA closes is off, and one that it opens is worked, whatever the state says."""
    own = Calendar(
        zone=VIETNAM.zone,
        days_off=frozenset({date(2024, 5, 2)}),
        days_worked=frozenset({date(2024, 5, 1)}),
    )
    assert not own.is_working_day(date(2024, 5, 2))
    assert own.is_working_day(date(2024, 5, 1))


@pytest.mark.parametrize("year", [1900, 2036, 2099, 2100, 2150, 9000])
def test_years_without_a_table_still_have_their_fixed_holidays(year: int):
    """Far from the known years nothing fails, and 30 April and 1 May are holidays all the same."""
    assert not VIETNAM.is_working_day(date(year, 4, 30))
    assert not VIETNAM.is_working_day(date(year, 5, 1))
    assert rolled(datetime(year, 6, 3, 9, tzinfo=LOCAL)) > datetime(year, 6, 6, tzinfo=LOCAL)


@given(day=days_of_life, days=st.integers(1, 60), hour=st.integers(0, 23))
def test_a_rolled_term_ends_on_a_working_day_at_midnight(day: date, days: int, hour: int):
    """Rolled forward, a term ends at 24:00 of a working day, never earlier than unrolled."""
    start = datetime(day.year, day.month, day.day, hour, tzinfo=VIETNAM.zone)
    due = rolled(start, days)
    last_day = VIETNAM.day(due) - timedelta(days=1)
    assert VIETNAM.local(due).time() == datetime.min.time()
    assert VIETNAM.is_working_day(last_day)
    assert last_day >= day + timedelta(days=days)


@given(day=days_of_life, days=st.integers(1, 60))
def test_a_later_start_never_gives_an_earlier_end(day: date, days: int):
    """Who receives the token a day later never has an earlier last day."""
    start = datetime(day.year, day.month, day.day, 12, tzinfo=VIETNAM.zone)
    assert rolled(start + timedelta(days=1), days) >= rolled(start, days)


def test_an_instant_without_a_zone_is_refused():
    """A naive datetime is a bug: its day is not known, so it is refused."""
    with pytest.raises(ValueError, match="has no time zone"):
        rolled(datetime(2024, 4, 19, 10))  # noqa: DTZ001 - the point of the test


def test_a_term_of_no_days_is_refused():
    """A term has at least one day."""
    with pytest.raises(ValueError, match="takes at least 1"):
        rolled(at("2024-04-19 10:00"), 0)


def test_a_calendar_without_working_days_does_not_search_for_ever():
    """If nothing is worked for months, the search for a working day ends with a sentence."""
    closed = Calendar(
        zone=VIETNAM.zone,
        days_off=frozenset(date(2024, 6, 1) + timedelta(days=each) for each in range(100)),
    )
    with pytest.raises(ValueError, match="No working day"):
        closed.due(
            at("2024-06-01 09:00"),
            3,
            count_first_day=False,
            day_kind=DayKind.CALENDAR,
            roll_forward=True,
        )
