"""The publication of CRLs."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, SerialNumber, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


# What the database itself refuses, whoever asks: (name, table, event, when, sentence).
_GUARDS = [
    (
        "crl_sequence_only_grows",
        "crl_sequence",
        "UPDATE",
        "NEW.last_number < OLD.last_number",
        "A CRL number is never given back.",
    ),
    ("crl_no_update", "crl", "UPDATE", "TRUE", "A signed CRL never changes."),
    ("crl_no_delete", "crl", "DELETE", "TRUE", "A signed CRL is never forgotten."),
    (
        "crl_part_no_update",
        "crl_part",
        "UPDATE",
        "TRUE",
        "The bytes of a signed CRL never change.",
    ),
    (
        "crl_change_stamped_once",
        "crl_change",
        "UPDATE",
        "OLD.number IS NOT NULL",
        "The CRL that first told a change never becomes another.",
    ),
    ("crl_change_no_delete", "crl_change", "DELETE", "TRUE", "A change is never forgotten."),
]


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "crl_sequence",
        sa.Column("issuer_id", Identity, nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("partitions", sa.Integer(), nullable=True),
        sa.Column("refused_at", UtcDateTime, nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.CheckConstraint("last_number >= 0", name="ck_crl_sequence_number_not_negative"),
        sa.CheckConstraint("partitions >= 0", name="ck_crl_sequence_partitions_not_negative"),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuer.id"], name="fk_crl_sequence_issuer_id_issuer"
        ),
        sa.PrimaryKeyConstraint("issuer_id", name="pk_crl_sequence"),
    )
    op.create_table(
        "crl",
        sa.Column("id", Identity, nullable=False),
        sa.Column("issuer_id", Identity, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("base_number", sa.BigInteger(), nullable=True),
        sa.Column("this_update", UtcDateTime, nullable=False),
        sa.Column("next_update", UtcDateTime, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_id", sa.LargeBinary(length=64), nullable=False),
        sa.CheckConstraint("kind IN ('full', 'delta')", name="ck_crl_kind"),
        sa.CheckConstraint(
            "(kind = 'delta') = (base_number IS NOT NULL)", name="ck_crl_delta_has_base"
        ),
        sa.CheckConstraint("partition >= 0", name="ck_crl_partition_not_negative"),
        sa.CheckConstraint("next_update > this_update", name="ck_crl_times_in_order"),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuer.id"], name="fk_crl_issuer_id_issuer"),
        sa.PrimaryKeyConstraint("id", name="pk_crl"),
        sa.UniqueConstraint(
            "issuer_id",
            "number",
            "partition",
            "kind",
            name="uq_crl_issuer_id_number_partition_kind",
        ),
    )
    op.create_table(
        "crl_part",
        sa.Column("crl_id", Identity, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["crl_id"], ["crl.id"], name="fk_crl_part_crl_id_crl"),
        sa.PrimaryKeyConstraint("crl_id", "position", name="pk_crl_part"),
    )
    op.create_table(
        "crl_publication",
        sa.Column("crl_id", Identity, nullable=False),
        sa.Column("target", sa.String(length=60), nullable=False),
        sa.Column("published_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["crl_id"], ["crl.id"], name="fk_crl_publication_crl_id_crl"),
        sa.PrimaryKeyConstraint("crl_id", "target", name="pk_crl_publication"),
    )
    op.create_index(
        "ix_crl_publication_target", "crl_publication", ["target", "published_at"], unique=False
    )
    op.create_table(
        "crl_change",
        sa.Column("id", Identity, nullable=False),
        sa.Column("issuer_id", Identity, nullable=False),
        sa.Column("certificate_id", Identity, nullable=False),
        sa.Column("serial", SerialNumber, nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("since", UtcDateTime, nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificate.id"], name="fk_crl_change_certificate_id_certificate"
        ),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuer.id"], name="fk_crl_change_issuer_id_issuer"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_crl_change"),
    )
    op.create_index("ix_crl_change_number", "crl_change", ["issuer_id", "number"], unique=False)
    op.create_table(
        "crl_entry",
        sa.Column("issuer_id", Identity, nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("not_after", UtcDateTime, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuer.id"], name="fk_crl_entry_issuer_id_issuer"),
        sa.PrimaryKeyConstraint("issuer_id", "serial", name="pk_crl_entry"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "crl_lease",
        sa.Column("issuer_id", Identity, nullable=False),
        sa.Column("holder", sa.String(length=120), nullable=False),
        sa.Column("until", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuer.id"], name="fk_crl_lease_issuer_id_issuer"),
        sa.PrimaryKeyConstraint("issuer_id", name="pk_crl_lease"),
    )
    _create_guards()
    _follow_certificates()


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


def _follow_certificates() -> None:
    """Let every change of what a CRL says of a certificate leave a row, in the same commit."""
    insert = (
        "INSERT INTO crl_change (issuer_id, certificate_id, serial, status, reason, since)"
        " VALUES (NEW.issuer_id, NEW.id, NEW.serial, NEW.status, NEW.reason, NEW.since)"
    )
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    other = "IS NOT" if on_sqlite else "IS DISTINCT FROM"
    columns = ("status", "reason", "since", "invalidity_date")
    changed = " OR ".join(f"NEW.{each} {other} OLD.{each}" for each in columns)
    triggers = [
        ("crl_follow_new", "INSERT", "NEW.status <> 'good'"),
        ("crl_follow_change", f"UPDATE OF {', '.join(columns)}", changed),
    ]
    if not on_sqlite:
        op.execute(
            "CREATE FUNCTION crl_follow() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {insert}; RETURN NULL; END $$"
        )
    for name, event, when in triggers:
        action = f"BEGIN {insert}; END" if on_sqlite else "EXECUTE FUNCTION crl_follow()"
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON certificate"
            f" FOR EACH ROW WHEN ({when}) {action}"
        )
