"""Campaigns: scope and signed plan, extensions, exemptions, waves of notices."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, UtcDateTime

revision = "0012"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change; a campaign of before is over everyone, and has no signed plan."""
    op.add_column("campaign", sa.Column("plan_digest", sa.String(64)))
    op.add_column("campaign", sa.Column("approved_digest", sa.String(64)))
    for column in (
        sa.Column("reminded_at", UtcDateTime),
        sa.Column("late", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("exempt_until", UtcDateTime),
        sa.Column("exempt_because", sa.String(400)),
    ):
        op.add_column("campaign_member", column)
    op.create_index("ix_campaign_member_certificate_id", "campaign_member", ["certificate_id"])
    op.create_table(
        "campaign_plan",
        _campaign(key=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("token", sa.Text),
    )
    op.execute("INSERT INTO campaign_plan (campaign_id, scope) SELECT id, '{}' FROM campaign")
    op.create_table(
        "campaign_act",
        _campaign(key=True),
        _certificate(),
        sa.Column("act", sa.String(20), primary_key=True),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("clause", sa.String(400), nullable=False),
    )
    op.create_table(
        "campaign_extension",
        sa.Column("id", Identity, primary_key=True),
        _campaign(key=False),
        sa.Column("hold_at", UtcDateTime, nullable=False),
        sa.Column("revoke_at", UtcDateTime, nullable=False),
        sa.Column("because", sa.String(400), nullable=False),
        sa.Column("author", sa.String(120), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("approver", sa.String(120)),
        sa.Column("approved_at", UtcDateTime),
    )
    op.create_index("ix_campaign_extension_campaign_id", "campaign_extension", ["campaign_id"])
    op.create_table(
        "campaign_wave",
        _campaign(key=True),
        sa.Column("wave", sa.String(40), primary_key=True),
        sa.Column("reached", sa.Integer, nullable=False),
        sa.Column("done_at", UtcDateTime),
    )
    op.create_table(
        "campaign_notice",
        _campaign(key=True),
        sa.Column("wave", sa.String(40), primary_key=True),
        _certificate(),
        sa.Column("told_at", UtcDateTime, nullable=False),
    )


def _campaign(*, key: bool) -> sa.Column[str]:
    owner = sa.ForeignKey("campaign.id")
    return sa.Column("campaign_id", sa.String(60), owner, primary_key=key, nullable=False)


def _certificate() -> sa.Column[int]:
    owner = sa.ForeignKey("certificate.id")
    return sa.Column("certificate_id", Identity, owner, primary_key=True, nullable=False)
