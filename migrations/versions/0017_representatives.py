"""A representation is found by its person, so that who stands for several is known."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change; what was entered before is found once it is entered again."""
    op.add_column("representation", sa.Column("mark", sa.LargeBinary(32)))
    op.create_index("ix_representation_mark", "representation", ["mark"])


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("ix_representation_mark", "representation")
    op.drop_column("representation", "mark")
