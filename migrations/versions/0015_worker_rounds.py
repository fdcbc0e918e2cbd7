"""What the worker asks in every round is found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_index("ix_ocsp_reserve_next_update", "ocsp_reserve", ["next_update"])
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "ix_remedy_case_open",
        "remedy_case",
        ["opened_at", "id"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
