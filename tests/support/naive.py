"""A naive model of a certificate's life, to be held beside the engine, and a clock for both."""

from dataclasses import dataclass, field
from datetime import datetime

from ca.history import Validity
from ca.model import HoldSource, Status
from core.reasons import Reason
from tests.conftest import START


class Wound:
    """A clock that is put forward, and back a bit."""

    def __init__(self) -> None:
        """Start with the tests' day."""
        self.instant = START

    def now(self) -> datetime:
        """Return where it stands."""
        return self.instant


@dataclass
class Naive:
    """What the test expects of one certificate: every step written down, nothing computed.

    `steps` are the instants with the status after them; `holds` the open sources with their ends.
    """

    steps: list[tuple[datetime, Status, Reason | None]]
    not_before: datetime
    not_after: datetime
    holds: dict[HoldSource, datetime | None] = field(default_factory=dict)
    confirmed: bool = False
    planned: datetime | None = None
    last: datetime = START

    @property
    def status(self) -> Status:
        """How it stands now."""
        return self.steps[-1][1]

    def write(self, at: datetime) -> None:
        """Write down how it stands after an act on its holds."""
        self.last = at
        status = Status.HOLD if self.holds else Status.GOOD
        if status is not self.status:
            reason = Reason.CERTIFICATE_HOLD if self.holds else None
            self.steps.append((at, status, reason))

    def end(self, at: datetime, reason: Reason) -> None:
        """Write down its revocation."""
        self.holds.clear()
        self.planned, self.last = None, at
        self.steps.append((at, Status.REVOKED, reason))

    def at(self, instant: datetime) -> Validity:
        """Tell how it stood at an instant."""
        past = [status for when, status, _ in self.steps if when <= instant]
        if not past or instant < self.not_before:
            return Validity.NOT_YET_VALID
        if past[-1] is Status.REVOKED:
            return Validity.REVOKED
        return Validity.EXPIRED if instant > self.not_after else Validity(past[-1].value)
