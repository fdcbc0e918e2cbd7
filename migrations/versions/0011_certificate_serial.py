"""An index on serials alone: people and CRLs name certificates without their issuer."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_index("ix_certificate_serial", "certificate", ["serial"])
