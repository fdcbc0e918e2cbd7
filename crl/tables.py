"""The tables of publication; imported by `records` alone.

A number is taken from `crl_sequence` before anything is signed. A signed and examined CRL stands in
`crl`, its bytes in `crl_part`, until every target has it; `crl_publication` tells which have.

The migration adds two triggers on the engine's `certificate` table: every change of what a CRL
says of a certificate leaves a row in `crl_change`, in the same commit. Whoever publishes takes
these rows into `crl_entry` and stamps them. A row is seen when its commit is, so that no change is
missed when commits become visible in another order than their numbers: there is no high-water mark.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from core.database import Identity, SerialNumber, UtcDateTime, metadata

crl_sequence = Table(
    "crl_sequence",
    metadata,
    Column("issuer_id", ForeignKey("issuer.id"), primary_key=True),
    Column("last_number", BigInteger, nullable=False),
    Column("partitions", Integer),
    Column("refused_at", UtcDateTime),
    Column("refusal", Text),
    CheckConstraint("last_number >= 0", name="number_not_negative"),
    CheckConstraint("partitions >= 0", name="partitions_not_negative"),
)
"""One row for each issuer: the highest CRL number ever taken, used or not; the migration adds a
trigger that refuses to lower it. `partitions` is fixed with the first CRL, because a
certificate's partition follows from its serial and this count. `refusal` is what the gate said of
the newest attempt, none once a CRL passed."""

crl = Table(
    "crl",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("issuer_id", ForeignKey("issuer.id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("base_number", BigInteger),
    Column("this_update", UtcDateTime, nullable=False),
    Column("next_update", UtcDateTime, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("key_id", LargeBinary(64), nullable=False),
    UniqueConstraint("issuer_id", "number", "partition", "kind"),
    CheckConstraint("kind IN ('full', 'delta')", name="kind"),
    CheckConstraint("(kind = 'delta') = (base_number IS NOT NULL)", name="delta_has_base"),
    CheckConstraint("partition >= 0", name="partition_not_negative"),
    CheckConstraint("next_update > this_update", name="times_in_order"),
)
"""Partition 0 is the whole scope of the issuer; 1 and up are its partitions."""

crl_part = Table(
    "crl_part",
    metadata,
    Column("crl_id", ForeignKey("crl.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""The bytes of a CRL in pieces, so that 50 MB never cross the driver at once. Kept while a target
lacks them, and for the newest CRL and the base of the newest delta in each scope; older ones live
in the targets' history."""

crl_publication = Table(
    "crl_publication",
    metadata,
    Column("crl_id", ForeignKey("crl.id"), primary_key=True),
    Column("target", String(60), primary_key=True),
    Column("published_at", UtcDateTime, nullable=False),
    Index("ix_crl_publication_target", "target", "published_at"),
)
"""Which target has which CRL, written after the target was read back."""

crl_change = Table(
    "crl_change",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("issuer_id", ForeignKey("issuer.id"), nullable=False),
    Column("certificate_id", ForeignKey("certificate.id"), nullable=False),
    Column("serial", SerialNumber, nullable=False),
    Column("status", String(10), nullable=False),
    Column("reason", String(30)),
    Column("since", UtcDateTime),
    Column("number", BigInteger),
    Index("ix_crl_change_number", "issuer_id", "number"),
)
"""One row for each change of a certificate's status, written by the database itself. `number` is
that of the CRL that took it in, none while it waits; it never changes afterwards."""

crl_entry = Table(
    "crl_entry",
    metadata,
    Column("issuer_id", ForeignKey("issuer.id"), primary_key=True),
    Column("serial", LargeBinary(20), primary_key=True),
    Column("not_after", UtcDateTime, nullable=False),
    Column("content", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""The list as it stands: ready DER, one row for each certificate held or revoked. `serial` is
filled up with zeros to 20 octets, so that the order of octets is the order of numbers."""

crl_lease = Table(
    "crl_lease",
    metadata,
    Column("issuer_id", ForeignKey("issuer.id"), primary_key=True),
    Column("holder", String(120), nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
"""Which process publishes for an issuer, and until when unless it renews."""
