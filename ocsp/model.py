"""The values of OCSP, all frozen: a request, a verdict, an answer, the settings."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from core.errors import Invalid
from core.reasons import Reason
from ocsp.lease import NEVER, Lease


class ResponseStatus(IntEnum):
    """OCSPResponseStatus (RFC 6960 4.2.1); 4 is not used."""

    SUCCESSFUL = 0
    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    SIG_REQUIRED = 5
    UNAUTHORIZED = 6


class CertStatus(StrEnum):
    """What a relying party is told of one certificate (RFC 6960 2.2)."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Source(StrEnum):
    """Where an answer came from: signed for this request, kept in memory, or signed beforehand."""

    LIVE = "live"
    CACHE = "cache"
    RESERVE = "reserve"
    ERROR = "error"


class Degraded(StrEnum):
    """What an answer had to do without; each such answer is counted."""

    DATABASE_AWAY = "database_away"
    SIGNING_AWAY = "signing_away"
    NONCE_LEFT_OUT = "nonce_left_out"


class WithoutNonce(StrEnum):
    """What is done when a nonce cannot be signed now (RFC 9654 lets a responder leave it out)."""

    LEAVE_OUT = "leave_out"
    TRY_LATER = "try_later"


class NeverIssued(StrEnum):
    """How a serial is answered that we never issued; it is never good (RFC 6960 2.2, 4.4.8)."""

    UNKNOWN = "unknown"
    REVOKED = "revoked"


class Pending(StrEnum):
    """How a serial is answered whose certificate is recorded but perhaps not signed yet."""

    NEVER_ISSUED = "never_issued"
    AS_RECORDED = "as_recorded"


class Expired(StrEnum):
    """How an expired certificate is answered: by its last status, or not (RFC 9919 3.2.3)."""

    ANSWER = "answer"
    UNAUTHORIZED = "unauthorized"


class RequestSignature(StrEnum):
    """What is asked of a request's own signature (RFC 6960 4.1.2)."""

    IGNORED = "ignored"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertId:
    """One certificate as the client names it; `der` is echoed octet for octet.

    `algorithm` is the whole AlgorithmIdentifier of the hash, `hash_oid` the contents of its OBJECT
    IDENTIFIER; `serial` may be any integer.
    """

    der: bytes
    algorithm: bytes
    hash_oid: bytes
    name_hash: bytes
    key_hash: bytes
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A well-formed OCSP request; `nonce` is the extension's value as sent, None without one."""

    cert_ids: tuple[CertId, ...]
    nonce: bytes | None = None
    signature: "Signature | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The signature over a request: `tbs` is what was signed, `certificates` what came with it."""

    tbs: bytes
    algorithm: bytes
    value: bytes
    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one certificate is; `never_issued` marks a revoked answer for a serial not issued.

    `at` and `reason` go with REVOKED only; a reason None means unspecified, which is left out.
    """

    status: CertStatus
    at: datetime | None = None
    reason: Reason | None = None
    never_issued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One OCSP response and what a cache may do with it.

    `head` and `tail` together are the OCSPResponse; the tail, the responder's certificate, is one
    object for many answers. `max_age` is in seconds, None when nobody may keep the answer (a
    nonce, an error). `statuses` has one entry for each certificate answered. While `lease` holds,
    the same answer may be given to the same request again.
    """

    head: bytes
    tail: bytes = b""
    status: ResponseStatus
    source: Source
    statuses: tuple[CertStatus, ...] = ()
    this_update: datetime | None = None
    next_update: datetime | None = None
    max_age: int | None = None
    lease: Lease = NEVER
    degraded: Degraded | None = None

    @property
    def der(self) -> bytes:
        """The whole OCSPResponse."""
        return self.head + self.tail


_LATEST_RENEWAL = timedelta(days=4)
_SHORTEST = timedelta(hours=8)
_LONGEST = timedelta(days=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator chooses; raises Invalid on values that the standards forbid.

    `validity` is nextUpdate - thisUpdate (8 h to 10 d, BR 4.9.9); `max_age` what HTTP caches may
    keep, `unknown_max_age` the same for certificates we do not know (they may be issued at once);
    `most_bytes` and `most_cert_ids` bound a request. `most_known` certificates are remembered by
    one process, `most_signing` nonces signed at once. For `reserve_time` after the database was
    last seen, what was true then is still told.
    """

    validity: timedelta = timedelta(hours=24)
    max_age: timedelta = timedelta(minutes=5)
    unknown_max_age: timedelta = timedelta(seconds=10)
    most_bytes: int = 16_384
    most_cert_ids: int = 50
    by_name: bool = False
    never_issued: NeverIssued = NeverIssued.UNKNOWN
    pending: Pending = Pending.NEVER_ISSUED
    expired: Expired = Expired.ANSWER
    archive_cutoff: bool = False
    request_signature: RequestSignature = RequestSignature.IGNORED
    reserve_time: timedelta = timedelta(minutes=15)
    most_known: int = 100_000
    most_signing: int = 8
    without_nonce: WithoutNonce = WithoutNonce.LEAVE_OUT

    def __post_init__(self) -> None:
        """Refuse what could not be served honestly."""
        if not _SHORTEST <= self.validity <= _LONGEST:
            raise Invalid(
                f"The validity of OCSP answers is {self.validity}; choose 8 hours to 10 days "
                "(CA/Browser Forum BR 4.9.9)."
            )
        if not timedelta(0) <= self.unknown_max_age <= self.max_age <= self.validity / 2:
            raise Invalid(
                f"The HTTP cache time {self.max_age} must lie between that of unknown certificates "
                f"({self.unknown_max_age}) and half the validity ({self.validity / 2})."
            )
        if self.archive_cutoff and self.expired is not Expired.ANSWER:
            raise Invalid(
                "An archive cutoff promises answers for expired certificates; "
                "set `expired` to `answer` or leave the cutoff out (RFC 6960 4.4.4)."
            )
        if not timedelta(0) <= self.reserve_time <= self.validity / 2:
            raise Invalid(
                f"The reserve time {self.reserve_time} must lie between 0 and half the validity "
                f"({self.validity / 2})."
            )
        if min(self.most_known, self.most_signing, self.most_cert_ids, self.most_bytes) < 1:
            raise Invalid("The bounds of the OCSP responder must each be at least 1.")

    @property
    def renewal(self) -> timedelta:
        """How long an answer is given again before a new one is signed (BR 4.9.9)."""
        return min(self.validity / 2, _LATEST_RENEWAL)
