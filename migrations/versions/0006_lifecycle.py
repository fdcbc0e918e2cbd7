"""Confirmation, successions, planned revocations, blocked keys, retired issuers, listed serials."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


# What the database itself refuses, whoever asks: (name, table, event, when, sentence).
_GUARDS = [
    ("blocked_key_no_update", "blocked_key", "UPDATE", "TRUE", "A blocked key stays blocked."),
    ("blocked_key_no_delete", "blocked_key", "DELETE", "TRUE", "A blocked key stays blocked."),
    ("succession_no_update", "succession", "UPDATE", "TRUE", "A succession is never changed."),
    ("succession_no_delete", "succession", "DELETE", "TRUE", "A succession is never removed."),
    (
        "planned_revocation_closed_once",
        "planned_revocation",
        "UPDATE",
        "OLD.closed_at IS NOT NULL",
        "A planned revocation that is closed stays so.",
    ),
    (
        "planned_revocation_no_delete",
        "planned_revocation",
        "DELETE",
        "TRUE",
        "A planned revocation is never removed.",
    ),
    (
        "certificate_confirmed_once",
        "certificate",
        "UPDATE",
        (
            "OLD.confirmed_at IS NOT NULL"
            " AND (NEW.confirmed_at IS NULL OR NEW.confirmed_at <> OLD.confirmed_at)"
        ),
        "A confirmation is never taken back.",
    ),
    (
        "issuer_retired_once",
        "issuer",
        "UPDATE",
        (
            "OLD.retired_at IS NOT NULL"
            " AND (NEW.retired_at IS NULL OR NEW.retired_at <> OLD.retired_at)"
        ),
        "An issuer that was retired stays so.",
    ),
]


def upgrade() -> None:
    """Apply the change."""
    _let_serials_be_listed()
    op.add_column("issuer", sa.Column("retired_at", UtcDateTime, nullable=True))
    op.add_column("certificate", sa.Column("confirmed_at", UtcDateTime, nullable=True))
    _create_tables()
    open_and_ending = sa.text("lifted_at IS NULL AND ends_at IS NOT NULL")
    op.create_index(
        "ix_hold_open_ends_at",
        "hold",
        ["ends_at"],
        unique=False,
        sqlite_where=open_and_ending,
        postgresql_where=open_and_ending,
    )
    _create_guards()


def _let_serials_be_listed() -> None:
    """Allow the stage `listed`: a serial that is known only from another CA's CRL."""
    if op.get_bind().dialect.name == "sqlite":
        # The way that SQLite documents for a constraint that keeps the stored rows as they are
        # (lang_altertable, section 7); a new table would lose the triggers of other packages.
        op.execute("PRAGMA writable_schema=ON")
        op.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '''lost'')', '''lost'', ''listed'')')"
            " WHERE type = 'table' AND name = 'certificate'"
        )
        op.execute("PRAGMA writable_schema=RESET")
        return
    op.drop_constraint("ck_certificate_stage", "certificate", type_="check")
    op.create_check_constraint(
        "ck_certificate_stage", "certificate", "stage IN ('pending', 'issued', 'lost', 'listed')"
    )


def _create_tables() -> None:
    op.create_table(
        "blocked_key",
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("spki_sha256", name="pk_blocked_key"),
    )
    op.create_table(
        "succession",
        sa.Column("successor_id", Identity, nullable=False, autoincrement=False),
        sa.Column("predecessor_id", Identity, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.CheckConstraint("kind IN ('renewal', 'rekey', 'reissue')", name="ck_succession_kind"),
        sa.CheckConstraint("successor_id != predecessor_id", name="ck_succession_not_itself"),
        sa.ForeignKeyConstraint(
            ["successor_id"], ["certificate.id"], name="fk_succession_successor_id_certificate"
        ),
        sa.ForeignKeyConstraint(
            ["predecessor_id"], ["certificate.id"], name="fk_succession_predecessor_id_certificate"
        ),
        sa.PrimaryKeyConstraint("successor_id", name="pk_succession"),
    )
    op.create_index("ix_succession_predecessor_id", "succession", ["predecessor_id"], unique=False)
    op.create_table(
        "planned_revocation",
        sa.Column("id", Identity, nullable=False),
        sa.Column("certificate_id", Identity, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("invalidity_date", UtcDateTime, nullable=True),
        sa.Column("decision", sa.String(length=60), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("clause", sa.String(length=120), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("rulebook", sa.String(length=60), nullable=False),
        sa.Column("planned_at", UtcDateTime, nullable=False),
        sa.Column("closed_at", UtcDateTime, nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (outcome IS NULL)",
            name="ck_planned_revocation_closed_with_outcome",
        ),
        sa.ForeignKeyConstraint(
            ["certificate_id"],
            ["certificate.id"],
            name="fk_planned_revocation_certificate_id_certificate",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_planned_revocation"),
        sa.UniqueConstraint("decision", name="uq_planned_revocation_decision"),
    )
    still_open = sa.text("closed_at IS NULL")
    for name, column, unique in (
        ("uq_planned_revocation_open", "certificate_id", True),
        ("ix_planned_revocation_due", "due_at", False),
    ):
        op.create_index(
            name,
            "planned_revocation",
            [column],
            unique=unique,
            sqlite_where=still_open,
            postgresql_where=still_open,
        )


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
