"""The responder's reserve."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, SerialNumber, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "ocsp_reserve",
        sa.Column("issuer_id", Identity, nullable=False),
        sa.Column("serial", SerialNumber, nullable=False),
        sa.Column("algorithm", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("since", UtcDateTime, nullable=True),
        sa.Column("this_update", UtcDateTime, nullable=False),
        sa.Column("next_update", UtcDateTime, nullable=False),
        sa.Column("signer", sa.LargeBinary(length=32), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("algorithm IN ('sha1', 'sha256')", name="ck_ocsp_reserve_algorithm"),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuer.id"], name="fk_ocsp_reserve_issuer_id_issuer"
        ),
        sa.PrimaryKeyConstraint("issuer_id", "serial", "algorithm", name="pk_ocsp_reserve"),
    )
    op.create_table(
        "ocsp_reserve_part",
        sa.Column("issuer_id", Identity, nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("claimed_until", UtcDateTime, nullable=True),
        sa.CheckConstraint("part BETWEEN 0 AND 31", name="ck_ocsp_reserve_part_part"),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuer.id"], name="fk_ocsp_reserve_part_issuer_id_issuer"
        ),
        sa.PrimaryKeyConstraint("issuer_id", "part", name="pk_ocsp_reserve_part"),
    )
