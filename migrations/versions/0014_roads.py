"""Look-up codes, remedy branches, requests in files, papers' places, proofs, erasure."""

import sqlalchemy as sa
from alembic import op

from core.database import Identity, UtcDateTime

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "lookup_code",
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_lookup_code_subscriber_id_subscriber"
        ),
        sa.PrimaryKeyConstraint("subscriber_id", name="pk_lookup_code"),
    )
    op.add_column("remedy_case", sa.Column("contract_returned_at", UtcDateTime))
    op.add_column(
        "remedy_case",
        sa.Column("contract_parcel", sa.String(length=60), nullable=False, server_default=""),
    )
    op.create_table(
        "case_extension",
        sa.Column("id", Identity, nullable=False),
        sa.Column("case_id", sa.String(length=60), nullable=False),
        sa.Column("until", UtcDateTime, nullable=False),
        sa.Column("evidence", Identity, nullable=False),
        sa.Column("because", sa.String(length=400), nullable=False),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("approved_by", sa.String(length=120)),
        sa.Column("approved_at", UtcDateTime),
        sa.ForeignKeyConstraint(
            ["case_id"], ["remedy_case.id"], name="fk_case_extension_case_id_remedy_case"
        ),
        sa.ForeignKeyConstraint(
            ["evidence"], ["document.id"], name="fk_case_extension_evidence_document"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_case_extension"),
    )
    op.create_index("ix_case_extension_case_id", "case_extension", ["case_id"])
    op.add_column("subscriber", sa.Column("email_mark", sa.LargeBinary(length=32)))
    op.create_index("ix_subscriber_phone_mark", "subscriber", ["phone_mark"])
    op.create_index("ix_subscriber_email_mark", "subscriber", ["email_mark"])
    op.create_index("ix_subscriber_reseller", "subscriber", ["reseller"])
    op.create_table(
        "filed_request",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("reseller", sa.String(length=60)),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("act", sa.String(length=20), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_filed_request"),
    )
    op.create_index("ix_filed_request_reseller_at", "filed_request", ["reseller", "at"])
    _register()


def _register() -> None:
    """Add what the register keeps: places of papers, representations, proofs, erasures."""
    op.add_column("subscriber", sa.Column("erased_at", UtcDateTime))
    op.add_column("document", sa.Column("copies", sa.Integer(), nullable=False, server_default="1"))
    for name in ("office", "box", "shelf"):
        op.add_column(
            "document", sa.Column(name, sa.String(length=60), nullable=False, server_default="")
        )
    op.create_table(
        "representation",
        sa.Column("id", Identity, nullable=False),
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("person", sa.LargeBinary(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date()),
        sa.Column("evidence", Identity, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_representation_subscriber_id_subscriber"
        ),
        sa.ForeignKeyConstraint(
            ["evidence"], ["document.id"], name="fk_representation_evidence_document"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_representation"),
    )
    op.create_index("ix_representation_subscriber_id", "representation", ["subscriber_id"])
    op.create_table(
        "contact_proof",
        sa.Column("subscriber_id", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("mark", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32)),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("verified_at", UtcDateTime),
        sa.Column("how", sa.String(length=20), nullable=False),
        sa.CheckConstraint("kind IN ('phone', 'email')", name="ck_contact_proof_kind"),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_contact_proof_subscriber_id_subscriber"
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "kind", name="pk_contact_proof"),
    )
    op.create_table(
        "erasure",
        sa.Column("id", Identity, nullable=False),
        sa.Column("subscribers", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("approved_by", sa.String(length=120)),
        sa.Column("approved_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_erasure"),
    )
    _contracts()


def _contracts() -> None:
    """Add resellers and contracts."""
    op.create_table(
        "reseller",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("tax_code", sa.String(length=20), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("ended_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_reseller"),
    )
    op.create_table(
        "contract",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("subscriber_id", sa.String(length=60)),
        sa.Column("reseller_id", sa.String(length=60)),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date()),
        sa.Column("terms", sa.String(length=60), nullable=False),
        sa.CheckConstraint(
            "(subscriber_id IS NULL) != (reseller_id IS NULL)", name="ck_contract_one_party"
        ),
        sa.ForeignKeyConstraint(
            ["reseller_id"], ["reseller.id"], name="fk_contract_reseller_id_reseller"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="fk_contract_subscriber_id_subscriber"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_contract"),
    )
    op.create_index("ix_contract_subscriber_id", "contract", ["subscriber_id"])
    op.create_index("ix_contract_reseller_id", "contract", ["reseller_id"])
