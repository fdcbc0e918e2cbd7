"""The values of publication: what a CRL says, which there are, how they are made. All frozen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

WHOLE = 0
"""The partition number that stands for the whole scope of an issuer."""


class Kind(StrEnum):
    """A full CRL lists everything in its scope; a delta what changed since a full one."""

    FULL = "full"
    DELTA = "delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the CRLs of one issuer are made.

    `interval`: the longest time between two full CRLs; `overlap`: how long one outlives the next
    one's date, so that nextUpdate = thisUpdate + interval + overlap; `settle`: how long changes are
    gathered before they are published; `keep_expired`: entries stay after the certificate's end for
    ever, and the CRL says so with ExpiredCertsOnCRL (X.509 9.5.2.8); otherwise they stay for one
    more CRL (RFC 5280 3.3).
    """

    interval: timedelta = timedelta(hours=12)
    overlap: timedelta = timedelta(hours=36)
    settle: timedelta = timedelta(seconds=30)
    keep_expired: bool = False


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

    `entries` counts them, `size` is in octets, `last_event` the newest status event that was
    visible when its entries were read.
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
    last_event: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What one publication brought: the CRLs of one number, now in every target."""

    number: int
    crls: tuple[Crl, ...]


class Cause(StrEnum):
    """Why a new CRL is due."""

    FIRST = "first"
    CHANGED = "changed"
    INTERVAL = "interval"
