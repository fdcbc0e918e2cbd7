"""The one place that reads the clock.

Pure code takes `now` as an argument; shells hold a `Clock`. Only the demo and the replay are
given a `SetClock`; no production command can set the time.
"""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the present as an aware UTC datetime."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock, kept synchronised to UTC (ETSI EN 319 411-1 REV-6.2.4-07)."""

    def now(self) -> datetime:
        """Return the machine's present instant, aware, in UTC."""
        return datetime.now(UTC)


class SetClock:
    """A clock that stands where it was set and only moves forward: for replays of the past."""

    def __init__(self, start: datetime) -> None:
        """Start at `start`, an aware datetime."""
        self._now = _aware(start)

    def now(self) -> datetime:
        """Return the instant that the clock was last moved to."""
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Move forward to `instant`; raises ValueError when that lies in the clock's past."""
        target = _aware(instant)
        if target < self._now:
            raise ValueError(
                f"The clock stands at {self._now.isoformat()} and cannot go back to "
                f"{target.isoformat()}."
            )
        self._now = target


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"The instant {instant.isoformat()} has no time zone; give an aware one.")
    return instant.astimezone(UTC)
