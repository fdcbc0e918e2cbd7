"""The chain over the audit trail."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


# What the database itself refuses, whoever asks: (table, sentence).
_FINAL = [
    ("audit_link", "The place of an audit entry is never changed or removed."),
    ("audit_checkpoint", "A checkpoint of the audit trail is never changed or removed."),
]


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "audit_unsealed",
        sa.Column("entry_id", Identity, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_audit_unsealed"),
    )
    op.create_table(
        "audit_link",
        sa.Column("position", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("entry_id", Identity, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["audit_entry.id"], name="fk_audit_link_entry_id_audit_entry"
        ),
        sa.PrimaryKeyConstraint("position", name="pk_audit_link"),
        sa.UniqueConstraint("entry_id", name="uq_audit_link_entry_id"),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("position", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_audit_checkpoint"),
    )
    op.execute("INSERT INTO audit_unsealed (entry_id) SELECT id FROM audit_entry")
    _create_guards()
    _note_new_entries()


def _create_guards() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, sentence in _FINAL:
        for event in ("UPDATE", "DELETE"):
            name = f"{table}_no_{event.lower()}"
            if on_sqlite:
                op.execute(
                    f"CREATE TRIGGER {name} BEFORE {event} ON {table}"
                    f" BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
                )
            else:
                op.execute(
                    f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    f" RAISE EXCEPTION '{sentence}'"
                    f" USING ERRCODE = 'integrity_constraint_violation'; END $$"
                )
                op.execute(
                    f"CREATE TRIGGER {name} BEFORE {event} ON {table}"
                    f" FOR EACH ROW EXECUTE FUNCTION {name}()"
                )


def _note_new_entries() -> None:
    """Let every new entry, whoever adds it, wait for its seal from its own commit on."""
    insert = "INSERT INTO audit_unsealed (entry_id) VALUES (NEW.id)"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER audit_entry_waits AFTER INSERT ON audit_entry BEGIN {insert}; END"
        )
    else:
        op.execute(
            "CREATE FUNCTION audit_entry_waits() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {insert}; RETURN NULL; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_entry_waits AFTER INSERT ON audit_entry"
            " FOR EACH ROW EXECUTE FUNCTION audit_entry_waits()"
        )
