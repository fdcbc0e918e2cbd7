"""The registration authority."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "campaign",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("rulebook", sa.String(length=60), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("author", sa.String(length=120), nullable=False),
        sa.Column("approver", sa.String(length=120), nullable=True),
        sa.Column("hold_at", UtcDateTime, nullable=False),
        sa.Column("revoke_at", UtcDateTime, nullable=False),
        sa.Column("announced_at", UtcDateTime, nullable=True),
        sa.Column("most_holds", sa.Integer(), nullable=True),
        sa.Column("most_revocations", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_campaign"),
    )
    op.create_table(
        "subscriber",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("tax_code", sa.String(length=20), nullable=True),
        sa.Column("organisation", sa.String(length=400), nullable=True),
        sa.Column("short_name", sa.String(length=400), nullable=True),
        sa.Column("province", sa.String(length=128), nullable=False),
        sa.Column("reseller", sa.String(length=60), nullable=True),
        sa.Column("personal", sa.LargeBinary(), nullable=False),
        sa.Column("phone_mark", sa.LargeBinary(length=32), nullable=True),
        sa.Column("representative_mark", sa.LargeBinary(length=32), nullable=True),
        sa.Column("registered_at", UtcDateTime, nullable=False),
        sa.CheckConstraint(
            "kind IN ('organisation', 'individual', 'staff')", name="ck_subscriber_kind"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscriber"),
    )
    op.create_index(
        "ix_subscriber_representative_mark", "subscriber", ["representative_mark"], unique=False
    )
    op.create_index("ix_subscriber_tax_code", "subscriber", ["tax_code"], unique=False)
    op.create_table(
        "decision",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("clause", sa.String(length=120), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("rulebook", sa.String(length=60), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.CheckConstraint("outcome IN ('decision', 'refusal')", name="ck_decision_outcome"),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_decision_subscriber_id_subscriber"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
    )
    op.create_index("ix_decision_subscriber_id", "decision", ["subscriber_id"], unique=False)
    op.create_table(
        "notice",
        sa.Column("id", Identity, nullable=False),
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("template", sa.String(length=40), nullable=False),
        sa.Column("values", sa.Text(), nullable=False),
        sa.Column("queued_at", UtcDateTime, nullable=False),
        sa.Column("written_at", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_notice_subscriber_id_subscriber"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
    )
    op.create_index("ix_notice_subscriber_id", "notice", ["subscriber_id"], unique=False)
    op.create_table(
        "token",
        sa.Column("serial", sa.String(length=60), nullable=False),
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=30), nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_token_subscriber_id_subscriber"
        ),
        sa.PrimaryKeyConstraint("serial", name="pk_token"),
    )
    op.create_table(
        "campaign_member",
        sa.Column("campaign_id", sa.String(length=60), nullable=False),
        sa.Column("certificate_id", Identity, nullable=False),
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("warned_at", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name="fk_campaign_member_campaign_id_campaign"
        ),
        sa.ForeignKeyConstraint(
            ["certificate_id"],
            ["certificate.id"],
            name="fk_campaign_member_certificate_id_certificate",
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_campaign_member_subscriber_id_subscriber"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "certificate_id", name="pk_campaign_member"),
    )
    op.create_index(
        "ix_campaign_member_subscriber_id", "campaign_member", ["subscriber_id"], unique=False
    )
    op.create_table(
        "remedy_case",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=30), nullable=False),
        sa.Column("assisted", sa.Boolean(), nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("payment_requested_at", UtcDateTime, nullable=True),
        sa.Column("paid_at", UtcDateTime, nullable=True),
        sa.Column("token", sa.String(length=60), nullable=True),
        sa.Column("certificate_id", Identity, nullable=True),
        sa.Column("token_received_at", UtcDateTime, nullable=True),
        sa.Column("due_at", UtcDateTime, nullable=True),
        sa.Column("closed_at", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificate.id"], name="fk_remedy_case_certificate_id_certificate"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_remedy_case_subscriber_id_subscriber"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_remedy_case"),
    )
    op.create_index("ix_remedy_case_subscriber_id", "remedy_case", ["subscriber_id"], unique=False)
    op.create_table(
        "document",
        sa.Column("id", Identity, nullable=False),
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("case_id", sa.String(length=60), nullable=True),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("form", sa.String(length=60), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("judged_at", UtcDateTime, nullable=True),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "verdict IN ('pending', 'accepted', 'rejected', 'contested', 'forged')",
            name="ck_document_verdict",
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["remedy_case.id"], name="fk_document_case_id_remedy_case"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_document_subscriber_id_subscriber"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_document"),
    )
    op.create_index(
        "ix_document_subscriber_id_case_id", "document", ["subscriber_id", "case_id"], unique=False
    )
    _create_guards()


def _create_guards() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for event in ("UPDATE", "DELETE"):
        name = f"decision_no_{event.lower()}"
        sentence = "A decision is never changed or removed."
        if on_sqlite:
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {event} ON decision"
                f" BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
            )
        else:
            op.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" RAISE EXCEPTION '{sentence}' USING ERRCODE = 'integrity_constraint_violation';"
                f" END $$"
            )
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {event} ON decision"
                f" FOR EACH ROW EXECUTE FUNCTION {name}()"
            )
