"""The registration authority's values: documents, facts, judgements, decisions. All frozen.

Facts are everything that a rule may look at; a decision carries its facts, so that it can be made
again years later from the stored JSON alone. Two facts that differ only in the order of their
documents or holds are equal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from ca.model import HoldSource, Status
from core.errors import Invalid
from core.reasons import Reason

_T = TypeVar("_T")


class SubscriberKind(StrEnum):
    """Who the subscriber is; STAFF is a person of an organisation."""

    ORGANISATION = "organisation"
    INDIVIDUAL = "individual"
    STAFF = "staff"


class Verdict(StrEnum):
    """What the officer says of a document; CONTESTED and FORGED speak of its truth."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CONTESTED = "contested"
    FORGED = "forged"


class DossierState(StrEnum):
    """Where a dossier stands; only VERIFIED is complete."""

    NONE = "none"
    PARTIAL = "partial"
    SUBMITTED = "submitted"
    REJECTED = "rejected"
    VERIFIED = "verified"
    DOCUMENT_EXPIRED = "document_expired"
    CONTESTED = "contested"
    FORGED = "forged"


class CampaignStage(StrEnum):
    """How far a campaign came; only ANNOUNCED and ENFORCING let its dates take effect."""

    DRAFT = "draft"
    SIMULATED = "simulated"
    APPROVED = "approved"
    ANNOUNCED = "announced"
    ENFORCING = "enforcing"
    PAUSED = "paused"
    CLOSED = "closed"


class CaseState(StrEnum):
    """How far a remedy case came; ACTIVATED, UNPAID and FORFEITED are final."""

    OPENED = "opened"
    PHOTOS_RECEIVED = "photos_received"
    MULTI_COMPANY = "multi_company"
    VIDEO_FAILED = "video_failed"
    WITH_OFFICER = "with_officer"
    VIDEO_VERIFIED = "video_verified"
    PAYMENT_REQUESTED = "payment_requested"
    UNPAID = "unpaid"
    PAID = "paid"
    TOKEN_SHIPPED = "token_shipped"  # noqa: S105 - a state, no secret
    COURIER_FAILED = "courier_failed"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a state, no secret
    TOKEN_LOST = "token_lost"  # noqa: S105 - a state, no secret
    TOKEN_RECEIVED = "token_received"  # noqa: S105 - a state, no secret
    DOSSIER_RECEIVED = "dossier_received"
    ACTIVATED = "activated"
    DEADLINE_MISSED = "deadline_missed"
    FORFEITED = "forfeited"


class Party(StrEnum):
    """Who asks for an act."""

    SUBSCRIBER = "subscriber"
    AUTHORITY = "authority"
    CA = "ca"


class Wanted(StrEnum):
    """The act that someone asks `admit` for."""

    ISSUE = "issue"
    ISSUE_ON_HOLD = "issue_on_hold"
    ACTIVATE = "activate"
    CONFIRM = "confirm"
    SUSPEND = "suspend"
    EXTEND = "extend"
    RESTORE = "restore"
    REVOKE = "revoke"


class Action(StrEnum):
    """What is to be done.

    FORFEIT is to revoke and then to lock the token for ever, PLAN to revoke when a date comes.
    """

    NOTHING = "nothing"
    REMIND = "remind"
    HOLD = "hold"
    LIFT = "lift"
    REVOKE = "revoke"
    PLAN = "plan"
    EXTEND = "extend"
    CONFIRM = "confirm"
    ACTIVATE = "activate"
    FORFEIT = "forfeit"
    CLOSE_UNPAID = "close_unpaid"
    ISSUE = "issue"
    ISSUE_ON_HOLD = "issue_on_hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a dossier: `kind` and `form` are words of the rulebook.

    `received_at` is the instant at which the office had it; `reason` is the officer's sentence for
    a rejection; `expires_on` the last civil day of an ID card or passport, None if it has none;
    `id_kind` says which ID it is, in the rulebook's word, empty if that was not noted.
    """

    kind: str
    form: str
    verdict: Verdict
    received_at: datetime
    reason: str = ""
    expires_on: date | None = None
    id_kind: str = ""

    @property
    def order(self) -> tuple[str, datetime, str, str, str, str, str]:
        """A key in which any documents have one order only."""
        expires = "" if self.expires_on is None else self.expires_on.isoformat()
        says = (self.verdict, self.reason, expires, self.id_kind)
        return self.kind, self.received_at, self.form, *says


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What the rules need to know of the certificate; `serial` is hex, `holds` the open sources.

    `dossier_held_at` is the start of the open dossier hold (None: none, or not known). `hold_ends`
    names the open holds that were placed for a limited time, with that time.
    """

    serial: str
    status: Status
    holds: tuple[HoldSource, ...] = ()
    not_before: datetime
    not_after: datetime
    dossier_held_at: datetime | None = None
    hold_ends: tuple[tuple[HoldSource, datetime], ...] = ()

    def __post_init__(self) -> None:
        """Sort the holds, so that their order says nothing."""
        object.__setattr__(self, "holds", tuple(sorted(HoldSource(each) for each in self.holds)))
        object.__setattr__(self, "hold_ends", tuple(sorted(self.hold_ends)))

    def expired(self, now: datetime) -> bool:
        """Whether `now` lies after the last second of validity (notAfter is inclusive)."""
        return now > self.not_after


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFacts:
    """The campaign that the certificate belongs to, with its announced dates."""

    id: str
    stage: CampaignStage
    announced_at: datetime | None
    hold_at: datetime
    revoke_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """The remedy case that the (new) certificate belongs to.

    `due_at` is the instant that was promised when the clock started; while it is None, the
    rulebook's clock computes it from `token_received_at`.
    """

    id: str
    state: CaseState
    token: str = ""
    opened_at: datetime | None = None
    payment_requested_at: datetime | None = None
    paid_at: datetime | None = None
    token_received_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What someone asks for, and who asks.

    `ground` names the rulebook's ground (suspend, revoke), `source` the hold to lift (restore).
    `verified` says that the CA checked that the request is the asker's own (Điều 28(1)(a) and
    29(1)(a)); `reference` names the letter or order; `ends_at` ends a suspension that has an end.
    A revocation may be wanted for later (`due_at`), and say since when the certificate is bad. Of a
    `silent` order the subscriber is not told.
    """

    by: Party
    ground: str = ""
    source: HoldSource | None = None
    verified: bool = False
    reference: str = ""
    ends_at: datetime | None = None
    due_at: datetime | None = None
    invalidity_date: datetime | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the rules look at for one certificate (or one wanted certificate).

    `documents` belong to ONE dossier: the remedy case's when `case` is given, else the original.
    `case` is given only for the certificate that the case issues or will issue. `conditions` are
    words of the rulebook that make conditional documents necessary. `warned_at` is when this
    subscriber was first told of the campaign, `reminded_at` when a wave of notices last told them;
    `exempt_until` is the end of an exemption from the campaign.
    `dossier_since` is when the dossier was opened or reopened: the rules of that day judge it.
    """

    subscriber: str
    kind: SubscriberKind
    documents: tuple[Document, ...] = ()
    conditions: tuple[str, ...] = ()
    certificate: CertificateFacts | None = None
    campaign: CampaignFacts | None = None
    case: CaseFacts | None = None
    request: Request | None = None
    warned_at: datetime | None = None
    reminded_at: datetime | None = None
    exempt_until: datetime | None = None
    dossier_since: datetime | None = None

    def __post_init__(self) -> None:
        """Sort documents and conditions, so that their order says nothing."""
        ordered = sorted(self.documents, key=lambda each: each.order)
        object.__setattr__(self, "documents", tuple(ordered))
        object.__setattr__(self, "conditions", tuple(sorted(self.conditions)))

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain JSON values; instants are written in UTC."""
        return _plain_fields(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; raises Invalid naming the key that cannot be read."""
        return _read(cls, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """One required document that does not count (yet), and the full sentence why."""

    document: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How a dossier stands under a rulebook.

    `completed_at` is when the last needed document that was accepted arrived, None while
    incomplete. `warnings` are full sentences for the officer; they decide nothing.
    """

    state: DossierState
    complete: bool
    lacks: tuple[Lack, ...] = ()
    warnings: tuple[str, ...] = ()
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done, why, and on which facts; made by `decide` (wanted is None) or `admit`.

    `clause` is the legal ground, `contract_clause` the condition of the contract it rests on
    (Điều 29(1)(d)); `because` is a full sentence, `rulebook` a reference, for example lcs-2024/1.
    `lacks` are the sentences on an incomplete dossier: what follows, or what was missed.
    """

    action: Action
    clause: str
    because: str
    rulebook: str
    at: datetime
    facts: Facts
    wanted: Wanted | None = None
    source: HoldSource | None = None
    reason: Reason | None = None
    ground: str = ""
    contract_clause: str = ""
    invalidity_date: datetime | None = None
    ends_at: datetime | None = None
    lacks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the decision, its facts included, as plain JSON values."""
        return _plain_fields(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; raises Invalid naming the key that cannot be read."""
        return _read(cls, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an act is not allowed: `code` for programs, `sentence` and `reasons` for people."""

    code: str
    sentence: str
    clause: str
    rulebook: str
    at: datetime
    facts: Facts
    wanted: Wanted
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the refusal, its facts included, as plain JSON values."""
        return _plain_fields(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; raises Invalid naming the key that cannot be read."""
        return _read(cls, data)


def _plain_fields(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any of our dataclasses
    kind = type(value)
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(each.name for each in fields(kind))
    return {
        name: each if type(each := getattr(value, name)) in _PLAIN else _plain(each)
        for name in names
    }


_NAMES: dict[type, tuple[str, ...]] = {}
"""The fields of our dataclasses: asked for once, for decisions are written by the thousand."""


def _plain(value: object) -> object:
    if type(value) in _PLAIN:
        return value
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, StrEnum):
        return value.value
    return _plain_fields(value) if is_dataclass(value) else value


_PLAIN = frozenset({type(None), str, bool, int})
_WRITERS: Mapping[type, Callable[[Any], object]] = {
    datetime: lambda instant: instant.astimezone(UTC).isoformat(),
    date: date.isoformat,
    tuple: lambda values: [_plain(each) for each in values],
}
_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    each: TypeAdapter(each) for each in (Facts, Decision, Refusal)
}


def _read(cls: type[_T], data: Mapping[str, Any]) -> _T:
    adapter: TypeAdapter[_T] = _ADAPTERS[cls]
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise Invalid(
            f"The stored {cls.__name__.lower()} cannot be read: {key or 'it'}: {first['msg']}."
        ) from error
