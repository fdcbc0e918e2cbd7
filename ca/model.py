"""The engine's values: issuers, approvals, certificates, holds, status events. All frozen."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.reasons import Reason


class Act(StrEnum):
    """What an approval allows."""

    ISSUE = "issue"
    CONFIRM = "confirm"
    SUSPEND = "suspend"
    EXTEND = "extend"
    RESTORE = "restore"
    REVOKE = "revoke"


class Stage(StrEnum):
    """How far issuance came.

    PENDING is recorded but perhaps never signed; LOST was given up as such; LISTED is a serial
    that was taken over from another CA's CRL, of which nobody gave us the certificate.
    """

    PENDING = "pending"
    ISSUED = "issued"
    LOST = "lost"
    LISTED = "listed"


class Status(StrEnum):
    """The status that relying parties are told; expiry is a matter of the clock, not of status."""

    GOOD = "good"
    HOLD = "hold"
    REVOKED = "revoked"


class HoldSource(StrEnum):
    """Who or what keeps a certificate on hold; at most one open hold for each source."""

    DOSSIER = "dossier"
    AUTHORITY = "authority"
    SUBSCRIBER = "subscriber"
    LOSS = "loss"
    NOT_ACTIVATED = "not_activated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Proof that policy allowed one act; the engine does nothing without one.

    `decision` is the stored decision's id and is used once; `clause` the legal ground (for example
    `130/2018:28(1)(d)`); `because` a full sentence; `serial` is None for issuance only.
    """

    decision: str
    act: Act
    subscriber: str
    serial: int | None
    actor: str
    clause: str
    because: str
    rulebook: str
    at: datetime


class Succession(StrEnum):
    """Why one certificate follows another: the same again, a new key, or changed data."""

    RENEWAL = "renewal"
    REKEY = "rekey"
    REISSUE = "reissue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """A CA certificate under which we issue, by its short name; `der` is the certificate.

    Since `retired_at` it issues no more certificates; its CRLs and OCSP answers go on.
    """

    id: int
    name: str
    parent_id: int | None
    der: bytes
    not_before: datetime
    not_after: datetime
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One ground that keeps a certificate on hold, with its start and (if known) its end."""

    source: HoldSource
    clause: str
    placed_at: datetime
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a certificate stands: its status, why, since when, and the open holds.

    `since` is the instant of the last change of status, None while it never changed; it becomes
    the revocationDate of CRL and OCSP. `holds` is sorted by source.
    """

    status: Status = Status.GOOD
    reason: Reason | None = None
    since: datetime | None = None
    invalidity_date: datetime | None = None
    holds: tuple[Hold, ...] = ()

    @property
    def sources(self) -> frozenset[HoldSource]:
        """The sources of the open holds."""
        return frozenset(hold.source for hold in self.holds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate of ours; `der` is None until it is issued.

    It is published from `confirmed_at` on, when the subscriber confirmed what stands in it.
    `suspendable` is what its profile said when it was issued.
    """

    id: int
    issuer_id: int
    serial: int
    subscriber: str
    profile: str
    stage: Stage
    der: bytes | None
    not_before: datetime
    not_after: datetime
    created_at: datetime
    standing: Standing
    confirmed_at: datetime | None = None
    suspendable: bool = True

    @property
    def revoked(self) -> bool:
        """Whether it is revoked, which is final."""
        return self.standing.status is Status.REVOKED

    def expired(self, now: datetime) -> bool:
        """Whether `now` lies after the last second of validity (notAfter is inclusive)."""
        return now > self.not_after


class PlanOutcome(StrEnum):
    """How a planned revocation ended; OVERTAKEN by another revocation or by expiry."""

    DONE = "done"
    CANCELLED = "cancelled"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A revocation that was approved for an instant ahead."""

    certificate_id: int
    due_at: datetime
    reason: Reason
    invalidity_date: datetime | None
    decision: str
    actor: str
    clause: str
    because: str
    rulebook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """One act in a certificate's history, with the status after it; never changed or removed."""

    id: int
    certificate_id: int
    at: datetime
    act: Act
    status: Status
    reason: Reason | None
    source: HoldSource | None
    ends_at: datetime | None
    invalidity_date: datetime | None
    decision: str
    clause: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What CRL and OCSP need to know of one certificate."""

    serial: int
    stage: Stage
    status: Status
    reason: Reason | None
    since: datetime | None
    invalidity_date: datetime | None
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One status event as followers see it: its number and whose status it changed."""

    event: int
    issuer_id: int
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """Which transactions one snapshot of PostgreSQL takes for finished: those below `oldest`.

    Those from `next` on had not begun to write. Both are full transaction numbers (xid8).
    """

    oldest: int
    next: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that lint found wrong: the rule's id in standards' words, and a full sentence."""

    rule: str
    sentence: str
