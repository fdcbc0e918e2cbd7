"""The values of publication: what a CRL says, which there are, how they are made. All frozen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import Invalid

WHOLE = 0
"""The partition number that stands for the whole scope of an issuer."""
MOST_PARTITIONS = 10_000


class Kind(StrEnum):
    """A full CRL lists everything in its scope; a delta what changed since a full one."""

    FULL = "full"
    DELTA = "delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the CRLs of one issuer are made.

    `interval`: the longest time between two full CRLs. `overlap`: how long one outlives the next
    one's date, so that nextUpdate = thisUpdate + interval + overlap. `settle`: how long changes are
    gathered before they are published. `keep_expired`: entries stay for ever, and the CRL says so
    with ExpiredCertsOnCRL (X.509 9.5.2.8); otherwise they stay for one CRL after the certificate's
    end (RFC 5280 3.3). `url`: the address of `/crl` as it stands in certificates. `deltas`: a delta
    goes with every full CRL. `partitions`: how many partitions there are beside the full CRL,
    fixed by the first publication. `on_change`: what is published when something changed before
    the interval is over. `retention`: how long the targets keep old CRLs, None for ever.
    `compared_up_to`: how many entries are compared with the engine's tables one by one each time;
    longer lists are once in every interval.
    """

    interval: timedelta = timedelta(hours=12)
    overlap: timedelta = timedelta(hours=36)
    settle: timedelta = timedelta(seconds=30)
    keep_expired: bool = False
    url: str | None = None
    deltas: bool = False
    partitions: int = 0
    on_change: Kind = Kind.FULL
    retention: timedelta | None = None
    compared_up_to: int = 50_000

    def __post_init__(self) -> None:
        """Refuse settings under which no valid CRL can be made."""
        if self.interval <= timedelta(0) or self.overlap < timedelta(0):
            raise Invalid("A CRL's interval must be above zero and its overlap not below.")
        if not 0 <= self.partitions <= MOST_PARTITIONS:
            raise Invalid(f"{self.partitions} partitions are not between 0 and {MOST_PARTITIONS}.")
        if (self.deltas or self.partitions) and not (self.url or "").startswith("http://"):
            raise Invalid(
                "Deltas and partitions carry their address: set the http URL of /crl, exactly as "
                "certificates name it (RFC 5280 5.2.5, 5.2.6)."
            )
        if self.on_change is Kind.DELTA and not self.deltas:
            raise Invalid("Changes cannot be published as deltas while deltas are off.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """All that a CRL says beside its entries; times are whole seconds, UTC.

    `issuer` is the DER of the issuer's name, `key_id` the keyIdentifier of its key (RFC 5280
    5.2.1), `base_number` the full CRL that a delta adds to (5.2.4), `distribution_point` the URL
    of the critical issuingDistributionPoint of a partition (5.2.5), `freshest` the URL of the
    delta (5.2.6), `expired_since` the instant since which expired certificates are kept.
    """

    issuer: bytes
    key_id: bytes
    number: int
    this_update: datetime
    next_update: datetime
    base_number: int | None = None
    distribution_point: str | None = None
    freshest: str | None = None
    expired_since: datetime | None = None

    @property
    def kind(self) -> Kind:
        """Whether the CRL is full or a delta."""
        return Kind.FULL if self.base_number is None else Kind.DELTA


@dataclass(frozen=True, slots=True, kw_only=True)
class Crl:
    """One signed and examined CRL of ours, as the database knows it; never changed.

    `entries` counts them, `size` is in octets.
    """

    id: int
    issuer_id: int
    number: int
    partition: int
    kind: Kind
    base_number: int | None
    this_update: datetime
    next_update: datetime
    entries: int
    size: int
    sha256: bytes
    key_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a certificate's status that no CRL took in yet."""

    id: int
    certificate_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The changes that the last CRL does not tell: how many, since when, and if one is urgent."""

    count: int
    oldest: datetime | None
    urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """That the gate held the newest CRL back, when, and what it said."""

    at: datetime
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What one publication brought: the CRLs of one number, now in every target."""

    number: int
    crls: tuple[Crl, ...]


class Cause(StrEnum):
    """Why a new CRL is due."""

    FIRST = "first"
    INTERVAL = "interval"
    CHANGED = "changed"
    URGENT = "urgent"
