"""The tables of a rulebook: what each key means and which values it takes.

The rulebook itself, its loading and the search for contradictions are in policy.rulebook.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from ca.model import Act, HoldSource
from core.errors import Refused
from core.reasons import Reason
from policy.calendar import Calendar, DayKind
from policy.model import CaseState, Party, SubscriberKind

Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
# A range of articles (23/2025:39-44) stands for a clause that nobody has read yet.
Clause = Annotated[str, Field(pattern=r"^\d+/\d{4}:\d+(-\d+|\(\d+\)(\([a-zđ]\))?)?$")]
Sentence = Annotated[str, Field(min_length=1, max_length=400)]
Days = Annotated[int, Field(ge=1, le=3660)]


class Part(BaseModel):
    """A table of the rulebook: no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Form(Part):
    """A form in which a document may come."""

    paper: bool
    vi: Sentence
    en: Sentence


class Named(Part):
    """A kind of document, by its names."""

    vi: Sentence
    en: Sentence


class Requirement(Part):
    """A document that a dossier needs; one of `alternatives` serves as well.

    With `when`, it is needed only if the facts name that condition.
    """

    document: Word
    alternatives: tuple[Word, ...] = Field(default=(), alias="or")
    when: Word | None = None

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The documents any one of which satisfies it."""
        return (self.document, *self.alternatives)


class Dossiers(Part):
    """How dossiers are judged."""

    clause: Clause
    expired_document: Literal["warn", "lack"]


class IdKind(Part):
    """A kind of ID: none of its kind is valid after `void_after`, a civil day.

    With `must_be_valid`, one that had expired on the day on which the office had it does not count;
    without, that is left to the officer and to `dossier.expired_document`.
    """

    vi: Sentence
    en: Sentence
    void_after: date | None = None
    must_be_valid: bool = False


class IdExtension(Part):
    """IDs of these kinds that expire within these days (inclusive) stay valid to `valid_until`."""

    ids: tuple[Word, ...] = Field(min_length=1)
    expiring_from: date
    expiring_until: date
    valid_until: date


class Ids(Part):
    """Which IDs serve: `documents` are the documents of a dossier that are IDs.

    Without any, every ID is left to the officer's verdict.
    """

    documents: frozenset[Word] = frozenset()
    kinds: dict[Word, IdKind] = Field(default_factory=dict)
    extensions: tuple[IdExtension, ...] = ()


class Ground(Part):
    """Why a certificate is suspended or revoked: its clause, its reason code, who may invoke it.

    An empty `by` means that nobody may ask for it: only the rules themselves invoke it.
    """

    act: Literal[Act.SUSPEND, Act.REVOKE]
    clause: Clause
    contract_clause: Annotated[str, Field(max_length=200)] = ""
    source: HoldSource | None = None
    reason: Reason
    by: tuple[Party, ...] = ()
    verified: bool = False
    bad_since_issue: bool = False
    vi: Sentence


class AdmitIssue(Part):
    """When a certificate may be issued: `papers_to_follow` allows an incomplete dossier."""

    clause: Clause
    papers_to_follow: bool
    papers_to_follow_until: AwareDatetime | None = None


class AdmitIssueOnHold(Part):
    """When a remedy case's certificate may be issued on hold."""

    clause: Clause
    ground: Word
    case_states: tuple[CaseState, ...] = Field(min_length=1)


class AdmitActivate(Part):
    """When a remedy case's certificate may be activated."""

    clause: Clause
    case_states: tuple[CaseState, ...] = Field(min_length=1)


class AdmitConfirm(Part):
    """Who may confirm what stands in a certificate."""

    clause: Clause
    by: tuple[Party, ...] = Field(min_length=1)
    verified: bool = False


class AdmitOn(Part):
    """The grounds on which an act may be asked for."""

    grounds: tuple[Word, ...]


class AdmitRestore(Part):
    """Who may ask to lift a hold, and when."""

    clause: Clause
    by: tuple[Party, ...] = Field(min_length=1)
    verified: bool = False
    complete_dossier: bool = False
    when_time_is_over: bool = False


class Admit(Part):
    """What may be asked for; a hold source without a `restore` table cannot be restored.

    Without a `confirm` table no confirmation is taken.
    """

    issue: AdmitIssue
    issue_on_hold: AdmitIssueOnHold
    activate: AdmitActivate
    confirm: AdmitConfirm | None = None
    suspend: AdmitOn
    revoke: AdmitOn
    restore: dict[HoldSource, AdmitRestore]


class Term(Part):
    """A term of days; its last instant is 24:00 of its last day (Civil Code, Điều 147-148)."""

    days: Days
    count_first_day: bool
    day_kind: DayKind
    roll_forward: bool

    def due(self, start: datetime, calendar: Calendar) -> datetime:
        """Return the term's last instant (inclusive) when `start` sets it off."""
        return calendar.due(
            start,
            self.days,
            count_first_day=self.count_first_day,
            day_kind=self.day_kind,
            roll_forward=self.roll_forward,
        )


class Notices(Part):
    """The waves of notices: on which days before and after a date subscribers are reminded."""

    days_before_hold: tuple[Days, ...]
    days_after_hold: tuple[Days, ...] = ()
    days_before_revocation: tuple[Days, ...]


class Mass(Part):
    """How many acts one run may do: a number, a share of the active certificates, a pace."""

    most_acts: int = Field(ge=1)
    most_share: float = Field(gt=0, le=1)
    most_per_second: float | None = Field(default=None, gt=0)


class Campaigns(Part):
    """The grounds, notices and limits of a campaign for complete dossiers."""

    hold_ground: Word
    revoke_ground: Word
    contested_ground: Word
    forged_ground: Word
    lift_clause: Clause
    remind_clause: Clause
    least_notice_days: int = Field(ge=0)
    least_warning_days: Days
    least_hold_days: int = Field(ge=0)
    notice: Notices
    mass: Mass

    @property
    def least_warning(self) -> timedelta:
        """How long a subscriber must have known before the hold."""
        return timedelta(days=self.least_warning_days)

    @property
    def least_hold(self) -> timedelta:
        """How long a hold must have lasted before the revocation."""
        return timedelta(days=self.least_hold_days)


class Remedy(Part):
    """The terms of the remedy and what happens when they are missed.

    With `forfeit_hour` a missed date forfeits at that hour of the next working day, and not at its
    stroke. `extension_days` is how far force majeure may move the date; 0 allows no extension.
    `price_dong` is what the customer pays for token and certificate; without it the office says.
    """

    forfeit_ground: Word
    refused_ground: Word = "replaced"
    lost_ground: Word = "key_lost"
    forfeit_hour: int | None = Field(default=None, ge=0, le=23)
    extension_days: int = Field(default=0, ge=0, le=366)
    price_dong: int | None = Field(default=None, ge=0)
    unpaid_clause: Clause
    pending_waits: bool
    clock: Term
    payment: Term


class Resellers(Part):
    """What resellers may ask for in files: the ground of each act, and how many acts in a month.

    The month is the civil one, the number is each reseller's own.
    """

    suspend_ground: Word
    revoke_ground: Word
    restore_source: HoldSource
    most_per_month: int = Field(ge=0)


class Joint(StrEnum):
    """An act that one person asks for and another approves."""

    CAMPAIGN = "campaign"
    CAMPAIGN_EXTENSION = "campaign_extension"
    CASE_EXTENSION = "case_extension"
    ERASURE = "erasure"


class FourEyes(Part):
    """Which acts take two people; nobody ever approves their own campaign."""

    acts: frozenset[Joint] = frozenset(Joint)

    @field_validator("acts")
    @classmethod
    def _with_campaigns(cls, acts: frozenset[Joint]) -> frozenset[Joint]:
        if Joint.CAMPAIGN not in acts:
            raise ValueError(f"a mass act takes two people, so {Joint.CAMPAIGN} has to be named")
        return acts

    def check(self, act: Joint, author: str, approver: str) -> None:
        """Raise Refused (four_eyes) when the approver is the author, however the name is written.

        Nothing is refused where one person is enough.
        """
        if act in self.acts and author.strip().casefold() == approver.strip().casefold():
            raise Refused(
                f"{approver} asked for the {act.replace('_', ' ')}; another operator must approve "
                "it.",
                code="four_eyes",
            )


class Names(Part):
    """The limit of names in certificates, in characters (X.520 ub-common-name)."""

    most_characters: int = Field(ge=1, le=64)
    when_longer: Literal["short_name", "refuse"]


class Limits(Part):
    """Other limits of the regime."""

    certificate_years: int = Field(ge=1, le=5)
    publish_hours: int = Field(ge=1)
    status_update_hours: int = Field(ge=1)
    renewal_days_before_end: Days
    retention_years: int = Field(ge=5)


class Fee(Part):
    """What the CA pays each month for a certificate whose status it keeps available.

    `kinds` are those whose certificates bear it.
    """

    clause: Clause
    dong_per_month: int = Field(ge=0)
    kinds: tuple[SubscriberKind, ...] = Field(min_length=1)


class OwnDays(Part):
    """Days that this CA adds to the country's calendar."""

    days_off: tuple[date, ...] = ()
    days_worked: tuple[date, ...] = ()
