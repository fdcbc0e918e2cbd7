"""What an officer is to check in a subscriber's entry."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column(
        "subscriber", sa.Column("warnings", sa.Text(), nullable=False, server_default="[]")
    )
