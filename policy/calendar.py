"""The civil calendar of Vietnam, pure: which days are worked, and when a term of days ends.

Civil Code 2015, Điều 147 and 148: the first day is not counted, a term ends at 24:00 of its last
day, and if that day is a weekend or a holiday, at 24:00 of the next working day. Each of these is
a parameter of the rulebook's term. 24:00 is written as the next local midnight.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

_SATURDAY = 5
_LONGEST_CLOSURE = 60
# Holidays on a fixed civil day (Labour Code 2019, Điều 112); the lunar ones come from the library,
# which knows the years 1901 to 2099 only.
_FIXED_HOLIDAYS = ((1, 1), (4, 30), (5, 1), (9, 2))


class DayKind(StrEnum):
    """Which days a term counts."""

    CALENDAR = "calendar"
    WORKING = "working"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The days of one zone; `days_off` and `days_worked` overrule the country's table."""

    zone: ZoneInfo
    days_off: frozenset[date] = frozenset()
    days_worked: frozenset[date] = frozenset()

    def day(self, instant: datetime) -> date:
        """Return the local civil day of `instant`; raises ValueError when it has no zone."""
        return self.local(instant).date()

    def local(self, instant: datetime) -> datetime:
        """Return `instant` in local time; raises ValueError when it has no zone."""
        if instant.tzinfo is None:
            raise ValueError(f"The instant {instant.isoformat()} has no time zone.")
        return instant.astimezone(self.zone)

    def midnight(self, day: date) -> datetime:
        """Return the instant at which `day` begins."""
        return datetime.combine(day, time.min, self.zone)

    def end_of(self, day: date) -> datetime:
        """Return 24:00 of `day`: the midnight at which the next day begins."""
        return self.midnight(day + timedelta(days=1))

    def is_working_day(self, day: date) -> bool:
        """Whether offices work on `day`: no weekend, no holiday, swapped days considered."""
        if day in self.days_worked:
            return True
        if day in self.days_off:
            return False
        off, worked = _year(day.year)
        return day in worked or (day.weekday() < _SATURDAY and day not in off)

    def due(
        self,
        start: datetime,
        days: int,
        *,
        count_first_day: bool,
        day_kind: DayKind,
        roll_forward: bool,
    ) -> datetime:
        """Return 24:00 of the last day of a term of `days` (at least 1) that `start` sets off."""
        if days < 1:
            raise ValueError(f"A term of {days} days has no last day; it takes at least 1.")
        day = self.day(start) - timedelta(days=1 if count_first_day else 0)
        if day_kind is DayKind.CALENDAR:
            day += timedelta(days=days)
        else:
            for _ in range(days):
                day = self._next_working_day(day + timedelta(days=1))
        return self.end_of(self._next_working_day(day) if roll_forward else day)

    def next_morning(self, instant: datetime, hour: int) -> datetime:
        """Return the first `hour` o'clock of a working day that is not before `instant`."""
        day = self.day(instant)
        if self.midnight(day) + timedelta(hours=hour) < self.local(instant):
            day += timedelta(days=1)
        return self.midnight(self._next_working_day(day)) + timedelta(hours=hour)

    def _next_working_day(self, day: date) -> date:
        for distance in range(_LONGEST_CLOSURE):
            if self.is_working_day(day + timedelta(days=distance)):
                return day + timedelta(days=distance)
        raise ValueError(f"No working day lies within {_LONGEST_CLOSURE} days of {day}.")


@lru_cache(maxsize=400)
def _year(year: int) -> tuple[frozenset[date], frozenset[date]]:
    """Return the holidays of `year` and the weekend days worked in exchange for one of them."""
    table = holidays.country_holidays("VN", years=year)
    fixed = {date(year, month, day) for month, day in _FIXED_HOLIDAYS}
    return frozenset(table) | fixed, frozenset(table.weekend_workdays)
