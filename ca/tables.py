"""The engine's tables; imported by `records` alone.

The migrations add what SQLAlchemy cannot say: triggers that refuse any change of a revoked
certificate's status and any change or removal of a status event.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
    true,
)

from core.database import Identity, SerialNumber, UtcDateTime, metadata

issuer = Table(
    "issuer",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("name", String(60), nullable=False, unique=True),
    Column("parent_id", ForeignKey("issuer.id")),
    Column("der", LargeBinary, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),
)

certificate = Table(
    "certificate",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("issuer_id", ForeignKey("issuer.id"), nullable=False),
    Column("serial", SerialNumber, nullable=False),
    Column("subscriber", String(60), nullable=False),
    Column("profile", String(60), nullable=False),
    Column("stage", String(10), nullable=False),
    Column("tbs", LargeBinary, nullable=False),
    Column("der", LargeBinary),
    Column("spki_sha256", LargeBinary(32), nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("decision", String(60), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("status", String(10), nullable=False),
    Column("reason", String(30)),
    Column("since", UtcDateTime),
    Column("invalidity_date", UtcDateTime),
    Column("confirmed_at", UtcDateTime),
    Column("suspendable", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("issuer_id", "serial"),
    CheckConstraint("stage IN ('pending', 'issued', 'lost', 'listed')", name="stage"),
    CheckConstraint("status IN ('good', 'hold', 'revoked')", name="status"),
    CheckConstraint("(stage = 'issued') = (der IS NOT NULL)", name="issued_has_der"),
    CheckConstraint("stage != 'lost' OR status = 'revoked'", name="lost_is_revoked"),
    CheckConstraint("(status = 'good') = (reason IS NULL)", name="reason_unless_good"),
    CheckConstraint("status = 'good' OR since IS NOT NULL", name="since_unless_good"),
    Index("ix_certificate_serial", "serial"),
    Index("ix_certificate_subscriber", "subscriber"),
    Index("ix_certificate_not_after", "not_after", "id"),
    Index("ix_certificate_spki_sha256", "spki_sha256"),
    Index(
        "ix_certificate_pending",
        "created_at",
        sqlite_where=text("stage = 'pending'"),
        postgresql_where=text("stage = 'pending'"),
    ),
    Index(
        "ix_certificate_not_good",
        "issuer_id",
        "serial",
        sqlite_where=text("status != 'good'"),
        postgresql_where=text("status != 'good'"),
    ),
)

subject_key = Table(
    "subject_key",
    metadata,
    Column("spki_sha256", LargeBinary(32), primary_key=True),
    Column("subscriber", String(60), nullable=False),
)
"""Each public key belongs to one subscriber for ever (Decree 130/2018 Điều 25)."""

blocked_key = Table(
    "blocked_key",
    metadata,
    Column("spki_sha256", LargeBinary(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("because", Text, nullable=False),
)
"""The public keys that are never certified (again): reported as exposed, or known to be weak."""

succession = Table(
    "succession",
    metadata,
    Column("successor_id", ForeignKey("certificate.id"), primary_key=True, autoincrement=False),
    Column("predecessor_id", ForeignKey("certificate.id"), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("reason", String(30), nullable=False),
    CheckConstraint("kind IN ('renewal', 'rekey', 'reissue')", name="kind"),
    CheckConstraint("successor_id != predecessor_id", name="not_itself"),
    Index("ix_succession_predecessor_id", "predecessor_id"),
)
"""Which certificate follows which; `reason` is what the older one is revoked for, if it is."""

planned_revocation = Table(
    "planned_revocation",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("certificate_id", ForeignKey("certificate.id"), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("reason", String(30), nullable=False),
    Column("invalidity_date", UtcDateTime),
    Column("decision", String(60), nullable=False, unique=True),
    Column("actor", String(120), nullable=False),
    Column("clause", String(120), nullable=False),
    Column("because", Text, nullable=False),
    Column("rulebook", String(60), nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("outcome", String(20)),
    CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed_with_outcome"),
    Index(
        "uq_planned_revocation_open",
        "certificate_id",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index(
        "ix_planned_revocation_due",
        "due_at",
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)
"""Revocations with a date ahead (ETSI EN 319 411-1 REV-6.2.4-05A); carried out when it comes."""

status_event = Table(
    "status_event",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("certificate_id", ForeignKey("certificate.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("act", String(10), nullable=False),
    Column("status", String(10), nullable=False),
    Column("reason", String(30)),
    Column("source", String(20)),
    Column("ends_at", UtcDateTime),
    Column("invalidity_date", UtcDateTime),
    Column("decision", String(60), nullable=False),
    Column("clause", String(120), nullable=False),
    Column("because", Text, nullable=False),
    UniqueConstraint("certificate_id", "decision"),
)

hold = Table(
    "hold",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("certificate_id", ForeignKey("certificate.id"), nullable=False),
    Column("source", String(20), nullable=False),
    Column("clause", String(120), nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime),
    Column("lifted_at", UtcDateTime),
    Index(
        "uq_hold_open",
        "certificate_id",
        "source",
        unique=True,
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
    Index(
        "ix_hold_open_ends_at",
        "ends_at",
        sqlite_where=text("lifted_at IS NULL AND ends_at IS NOT NULL"),
        postgresql_where=text("lifted_at IS NULL AND ends_at IS NOT NULL"),
    ),
    Index(
        "ix_hold_open_source",
        "source",
        "certificate_id",
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
)
