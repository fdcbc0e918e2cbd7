"""Since when a dossier is judged by its rules, and which ID a document is."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("subscriber", sa.Column("reopened_at", UtcDateTime, nullable=True))
    op.add_column(
        "document",
        sa.Column("id_kind", sa.String(length=60), nullable=False, server_default=""),
    )
