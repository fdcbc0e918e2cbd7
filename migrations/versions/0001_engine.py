"""The engine and the audit trail."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, SerialNumber, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# What the database itself refuses, whoever asks: (name, table, event, when, sentence).
_GUARDS = [
    ("audit_entry_no_update", "audit_entry", "UPDATE", "TRUE", "An audit entry is never changed."),
    ("audit_entry_no_delete", "audit_entry", "DELETE", "TRUE", "An audit entry is never removed."),
    (
        "status_event_no_update",
        "status_event",
        "UPDATE",
        "TRUE",
        "A status event is never changed.",
    ),
    (
        "status_event_no_delete",
        "status_event",
        "DELETE",
        "TRUE",
        "A status event is never removed.",
    ),
    (
        "status_event_after_revoked",
        "status_event",
        "INSERT",
        "(SELECT status FROM certificate WHERE id = NEW.certificate_id) = 'revoked'",
        "The certificate is revoked, and revoked is final.",
    ),
    (
        "subject_key_no_update",
        "subject_key",
        "UPDATE",
        "TRUE",
        "A public key belongs to one subscriber for ever.",
    ),
    (
        "subject_key_no_delete",
        "subject_key",
        "DELETE",
        "TRUE",
        "A public key belongs to one subscriber for ever.",
    ),
    ("certificate_no_delete", "certificate", "DELETE", "TRUE", "A certificate is never removed."),
    (
        "certificate_revoked_is_final",
        "certificate",
        "UPDATE",
        (
            "OLD.status = 'revoked' AND (NEW.status <> OLD.status OR NEW.reason <> OLD.reason"
            " OR NEW.since <> OLD.since OR COALESCE(NEW.invalidity_date, NEW.since)"
            " <> COALESCE(OLD.invalidity_date, OLD.since))"
        ),
        "The certificate is revoked, and revoked is final.",
    ),
    (
        "certificate_not_back_dated",
        "certificate",
        "UPDATE",
        "OLD.since IS NOT NULL AND (NEW.since IS NULL OR NEW.since < OLD.since)",
        "A change of status is never back-dated.",
    ),
    (
        "certificate_identity_is_final",
        "certificate",
        "UPDATE",
        (
            "NEW.issuer_id <> OLD.issuer_id OR NEW.serial <> OLD.serial OR NEW.tbs <> OLD.tbs"
            " OR NEW.subscriber <> OLD.subscriber OR NEW.decision <> OLD.decision"
            " OR (OLD.der IS NOT NULL AND NEW.der <> OLD.der)"
        ),
        "An issued certificate never changes.",
    ),
]


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "audit_entry",
        sa.Column("id", Identity, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("act", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_subject", "audit_entry", ["subject"], unique=False)
    op.create_table(
        "issuer",
        sa.Column("id", Identity, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("parent_id", Identity, nullable=True),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("not_before", UtcDateTime, nullable=False),
        sa.Column("not_after", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["issuer.id"], name="fk_issuer_parent_id_issuer"),
        sa.PrimaryKeyConstraint("id", name="pk_issuer"),
        sa.UniqueConstraint("name", name="uq_issuer_name"),
    )
    op.create_table(
        "subject_key",
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subscriber", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("spki_sha256", name="pk_subject_key"),
    )
    op.create_table(
        "certificate",
        sa.Column("id", Identity, nullable=False),
        sa.Column("issuer_id", Identity, nullable=False),
        sa.Column("serial", SerialNumber, nullable=False),
        sa.Column("subscriber", sa.String(length=60), nullable=False),
        sa.Column("profile", sa.String(length=60), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("tbs", sa.LargeBinary(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("not_before", UtcDateTime, nullable=False),
        sa.Column("not_after", UtcDateTime, nullable=False),
        sa.Column("decision", sa.String(length=60), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("since", UtcDateTime, nullable=True),
        sa.Column("invalidity_date", UtcDateTime, nullable=True),
        sa.CheckConstraint(
            "(stage = 'issued') = (der IS NOT NULL)", name="ck_certificate_issued_has_der"
        ),
        sa.CheckConstraint(
            "(status = 'good') = (reason IS NULL)", name="ck_certificate_reason_unless_good"
        ),
        sa.CheckConstraint(
            "stage != 'lost' OR status = 'revoked'", name="ck_certificate_lost_is_revoked"
        ),
        sa.CheckConstraint("stage IN ('pending', 'issued', 'lost')", name="ck_certificate_stage"),
        sa.CheckConstraint(
            "status = 'good' OR since IS NOT NULL", name="ck_certificate_since_unless_good"
        ),
        sa.CheckConstraint("status IN ('good', 'hold', 'revoked')", name="ck_certificate_status"),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuer.id"], name="fk_certificate_issuer_id_issuer"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_certificate"),
        sa.UniqueConstraint("decision", name="uq_certificate_decision"),
        sa.UniqueConstraint("issuer_id", "serial", name="uq_certificate_issuer_id_serial"),
    )
    op.create_index(
        "ix_certificate_not_good",
        "certificate",
        ["issuer_id", "serial"],
        unique=False,
        sqlite_where=sa.text("status != 'good'"),
        postgresql_where=sa.text("status != 'good'"),
    )
    op.create_index(
        "ix_certificate_pending",
        "certificate",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("stage = 'pending'"),
        postgresql_where=sa.text("stage = 'pending'"),
    )
    op.create_index("ix_certificate_spki_sha256", "certificate", ["spki_sha256"], unique=False)
    op.create_index("ix_certificate_subscriber", "certificate", ["subscriber"], unique=False)
    op.create_table(
        "hold",
        sa.Column("id", Identity, nullable=False),
        sa.Column("certificate_id", Identity, nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("clause", sa.String(length=120), nullable=False),
        sa.Column("placed_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=True),
        sa.Column("lifted_at", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificate.id"], name="fk_hold_certificate_id_certificate"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
    )
    op.create_index(
        "ix_hold_open_source",
        "hold",
        ["source", "certificate_id"],
        unique=False,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_index(
        "uq_hold_open",
        "hold",
        ["certificate_id", "source"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "status_event",
        sa.Column("id", Identity, nullable=False),
        sa.Column("certificate_id", Identity, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("act", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("source", sa.String(length=20), nullable=True),
        sa.Column("ends_at", UtcDateTime, nullable=True),
        sa.Column("invalidity_date", UtcDateTime, nullable=True),
        sa.Column("decision", sa.String(length=60), nullable=False),
        sa.Column("clause", sa.String(length=120), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"],
            ["certificate.id"],
            name="fk_status_event_certificate_id_certificate",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_status_event"),
        sa.UniqueConstraint(
            "certificate_id", "decision", name="uq_status_event_certificate_id_decision"
        ),
    )
    _create_guards()


def _create_guards() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for name, table, event, when, sentence in _GUARDS:
        if on_sqlite:
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {when}"
                f" BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
            )
        else:
            op.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" IF {when} THEN RAISE EXCEPTION '{sentence}'"
                f" USING ERRCODE = 'integrity_constraint_violation'; END IF;"
                f" RETURN COALESCE(NEW, OLD); END $$"
            )
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {event} ON {table}"
                f" FOR EACH ROW EXECUTE FUNCTION {name}()"
            )
