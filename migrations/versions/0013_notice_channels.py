"""How notices are delivered, channel by channel, and how far renewal reminders came."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, UtcDateTime

revision = "0013"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column(
        "subscriber",
        sa.Column("language", sa.String(length=4), nullable=False, server_default="both"),
    )
    op.create_index("ix_certificate_not_after", "certificate", ["not_after", "id"])
    _deliveries()
    _notices()
    op.create_table(
        "renewal_mark",
        sa.Column("stage", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("not_after", UtcDateTime, nullable=False),
        sa.Column("certificate_id", Identity, nullable=False),
        sa.PrimaryKeyConstraint("stage", name="pk_renewal_mark"),
    )


def _notices() -> None:
    """Give every notice its next date; what was written before is a delivery to the folder."""
    op.add_column("notice", sa.Column("due_at", UtcDateTime, nullable=True))
    op.add_column("notice", sa.Column("trouble", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE notice SET due_at = queued_at WHERE written_at IS NULL")
    op.execute(
        "INSERT INTO notice_delivery (notice_id, channel, state, attempts, begun_at, changed_at,"
        " sentence, reference) SELECT id, 'folder', 'sent', 1, written_at, written_at, '', ''"
        " FROM notice WHERE written_at IS NOT NULL"
    )
    op.drop_column("notice", "written_at")
    due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_notice_due_at", "notice", ["due_at", "id"], sqlite_where=due, postgresql_where=due
    )


def _deliveries() -> None:
    states = "'waiting', 'sent', 'delivered', 'bounced', 'failed', 'published'"
    op.create_table(
        "notice_delivery",
        sa.Column("notice_id", Identity, autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("begun_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.CheckConstraint(f"state IN ({states})", name="ck_notice_delivery_state"),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notice.id"], name="fk_notice_delivery_notice_id_notice"
        ),
        sa.PrimaryKeyConstraint("notice_id", "channel", name="pk_notice_delivery"),
    )
    op.create_table(
        "notice_publication",
        sa.Column("notice_id", Identity, autoincrement=False, nullable=False),
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("template", sa.String(length=40), nullable=False),
        sa.Column("queued_at", UtcDateTime, nullable=False),
        sa.Column("published_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notice.id"], name="fk_notice_publication_notice_id_notice"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name="fk_notice_publication_subscriber_id_subscriber",
        ),
        sa.PrimaryKeyConstraint("notice_id", name="pk_notice_publication"),
    )
    for column in ("serial", "subscriber_id"):
        op.create_index(f"ix_notice_publication_{column}", "notice_publication", [column])
