"""The files of documents."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "document_file",
        sa.Column("document_id", Identity, nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("stored_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["document.id"], name="fk_document_file_document_id_document"
        ),
        sa.PrimaryKeyConstraint("document_id", name="pk_document_file"),
    )
