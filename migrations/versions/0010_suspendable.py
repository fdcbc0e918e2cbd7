"""Whether a certificate may be put on hold, as its profile said when it was issued."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    column = sa.Column("suspendable", sa.Boolean(), nullable=False, server_default=sa.true())
    op.add_column("certificate", column)
    op.execute(
        "UPDATE certificate SET suspendable = FALSE"
        " WHERE profile IN ('root', 'issuing_ca', 'ocsp_responder', 'statement_signer')"
    )
