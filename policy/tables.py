"""The registration authority's tables; imported by `records` alone.

Personal data stands only in `subscriber.personal`, encrypted (policy.vault); the marks beside it
are keyed hashes, good for finding equals and for nothing else.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    text,
)

from core.database import Identity, UtcDateTime, metadata


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


subscriber = Table(
    "subscriber",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("tax_code", String(20)),
    Column("organisation", String(400)),
    Column("short_name", String(400)),
    Column("province", String(128), nullable=False),
    Column("reseller", String(60)),
    Column("personal", LargeBinary, nullable=False),
    Column("phone_mark", LargeBinary(32)),
    Column("email_mark", LargeBinary(32)),
    Column("representative_mark", LargeBinary(32)),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("reopened_at", UtcDateTime),
    Column("erased_at", UtcDateTime),
    Column("warnings", Text, nullable=False, server_default="[]"),
    Column("language", String(4), nullable=False, server_default="both"),
    CheckConstraint("kind IN ('organisation', 'individual', 'staff')", name="kind"),
    Index("ix_subscriber_tax_code", "tax_code"),
    Index("ix_subscriber_representative_mark", "representative_mark"),
    Index("ix_subscriber_phone_mark", "phone_mark"),
    Index("ix_subscriber_email_mark", "email_mark"),
    Index("ix_subscriber_reseller", "reseller"),
)

lookup_code = Table(
    "lookup_code",
    metadata,
    Column("subscriber_id", ForeignKey("subscriber.id"), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
)
"""The code with which a subscriber reads the look-up pages as such; kept as its SHA-256 alone."""

campaign = Table(
    "campaign",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("rulebook", String(60), nullable=False),
    Column("stage", String(20), nullable=False),
    Column("author", String(120), nullable=False),
    Column("approver", String(120)),
    Column("hold_at", UtcDateTime, nullable=False),
    Column("revoke_at", UtcDateTime, nullable=False),
    Column("announced_at", UtcDateTime),
    Column("most_holds", Integer),
    Column("most_revocations", Integer),
    Column("plan_digest", String(64)),
    Column("approved_digest", String(64)),
)

campaign_plan = Table(
    "campaign_plan",
    metadata,
    Column("campaign_id", ForeignKey("campaign.id"), primary_key=True),
    Column("scope", Text, nullable=False),
    Column("token", Text),
)
"""What a campaign is drafted over, and its simulated plan as signed: a compact JWS."""

campaign_act = Table(
    "campaign_act",
    metadata,
    Column("campaign_id", ForeignKey("campaign.id"), primary_key=True),
    Column("certificate_id", ForeignKey("certificate.id"), primary_key=True),
    Column("act", String(20), primary_key=True),
    Column("serial", String(40), nullable=False),
    Column("clause", String(400), nullable=False),
)
"""The acts of a campaign's simulated plan; the plan's digest covers every row."""

campaign_extension = Table(
    "campaign_extension",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("campaign_id", ForeignKey("campaign.id"), nullable=False),
    Column("hold_at", UtcDateTime, nullable=False),
    Column("revoke_at", UtcDateTime, nullable=False),
    Column("because", String(400), nullable=False),
    Column("author", String(120), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("approver", String(120)),
    Column("approved_at", UtcDateTime),
    Index("ix_campaign_extension_campaign_id", "campaign_id"),
)

campaign_wave = Table(
    "campaign_wave",
    metadata,
    Column("campaign_id", ForeignKey("campaign.id"), primary_key=True),
    Column("wave", String(40), primary_key=True),
    Column("reached", Integer, nullable=False),
    Column("done_at", UtcDateTime),
)
"""How far through the members each wave of notices has come."""

campaign_notice = Table(
    "campaign_notice",
    metadata,
    Column("campaign_id", ForeignKey("campaign.id"), primary_key=True),
    Column("wave", String(40), primary_key=True),
    Column("certificate_id", ForeignKey("certificate.id"), primary_key=True),
    Column("told_at", UtcDateTime, nullable=False),
)
"""Which wave told the subscriber of which certificate: each once."""

campaign_member = Table(
    "campaign_member",
    metadata,
    Column("campaign_id", ForeignKey("campaign.id"), primary_key=True),
    Column("certificate_id", ForeignKey("certificate.id"), primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("warned_at", UtcDateTime),
    Column("reminded_at", UtcDateTime),
    Column("late", Boolean, nullable=False, server_default=false()),
    Column("exempt_until", UtcDateTime),
    Column("exempt_because", String(400)),
    Index("ix_campaign_member_certificate_id", "certificate_id"),
    Index("ix_campaign_member_subscriber_id", "subscriber_id"),
)
"""The certificates in a campaign's scope, and when their subscribers were told.

`late` marks what was issued between announcement and hold; `exempt_until` ends an exemption.
"""

remedy_case = Table(
    "remedy_case",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("state", String(30), nullable=False),
    Column("assisted", Boolean, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("payment_requested_at", UtcDateTime),
    Column("paid_at", UtcDateTime),
    Column("token", String(60)),
    Column("certificate_id", ForeignKey("certificate.id")),
    Column("token_received_at", UtcDateTime),
    Column("due_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    Column("contract_returned_at", UtcDateTime),
    Column("contract_parcel", String(60), nullable=False, server_default=""),
    Index("ix_remedy_case_subscriber_id", "subscriber_id"),
    Index("ix_remedy_case_open", "opened_at", "id", **_where("closed_at IS NULL")),
)

case_extension = Table(
    "case_extension",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("case_id", ForeignKey("remedy_case.id"), nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("evidence", ForeignKey("document.id"), nullable=False),
    Column("because", String(400), nullable=False),
    Column("asked_by", String(120), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("approved_by", String(120)),
    Column("approved_at", UtcDateTime),
    Index("ix_case_extension_case_id", "case_id"),
)
"""A later date for a case, for force majeure: asked for by one person, approved by another."""

token = Table(
    "token",
    metadata,
    Column("serial", String(60), primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("state", String(30), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

document = Table(
    "document",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("case_id", ForeignKey("remedy_case.id")),
    Column("kind", String(60), nullable=False),
    Column("form", String(60), nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("judged_at", UtcDateTime),
    Column("reason", String(400), nullable=False),
    Column("expires_on", Date),
    Column("id_kind", String(60), nullable=False, server_default=""),
    Column("copies", Integer, nullable=False, server_default="1"),
    Column("office", String(60), nullable=False, server_default=""),
    Column("box", String(60), nullable=False, server_default=""),
    Column("shelf", String(60), nullable=False, server_default=""),
    CheckConstraint(
        "verdict IN ('pending', 'accepted', 'rejected', 'contested', 'forged')", name="verdict"
    ),
    Index("ix_document_subscriber_id_case_id", "subscriber_id", "case_id"),
)
"""A document belongs to the original dossier (no case) or to one remedy case, for ever.

`office`, `box` and `shelf` say where the paper lies, `copies` how many there are.
"""

document_file = Table(
    "document_file",
    metadata,
    Column("document_id", ForeignKey("document.id"), primary_key=True),
    Column("address", String(64), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("size", Integer, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
)
"""Where a document's sealed file lies; the bytes are in the file store alone."""

decision = Table(
    "decision",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("serial", String(40)),
    Column("outcome", String(20), nullable=False),
    Column("clause", String(120), nullable=False),
    Column("because", Text, nullable=False),
    Column("rulebook", String(60), nullable=False),
    Column("record", Text, nullable=False),
    CheckConstraint("outcome IN ('decision', 'refusal')", name="outcome"),
    Index("ix_decision_subscriber_id", "subscriber_id"),
)
"""Every decision with its facts as JSON, so that it can be made again; never changed or removed."""

notice = Table(
    "notice",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("template", String(40), nullable=False),
    Column("values", Text, nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime),
    Column("trouble", Text, nullable=False, server_default=""),
    Index("ix_notice_subscriber_id", "subscriber_id"),
    Index("ix_notice_due_at", "due_at", "id", **_where("due_at IS NOT NULL")),
)
"""The outbox: what subscribers are to be told; the text is rendered when it is sent."""

notice_delivery = Table(
    "notice_delivery",
    metadata,
    Column("notice_id", ForeignKey("notice.id"), primary_key=True, autoincrement=False),
    Column("channel", String(20), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("reference", String(200), nullable=False),
    CheckConstraint(
        "state IN ('waiting', 'sent', 'delivered', 'bounced', 'failed', 'published')", name="state"
    ),
)
"""How a notice fared on each channel that was tried; no address and no name stands here."""

notice_publication = Table(
    "notice_publication",
    metadata,
    Column("notice_id", ForeignKey("notice.id"), primary_key=True, autoincrement=False),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("serial", String(40), nullable=False),
    Column("template", String(40), nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    Index("ix_notice_publication_serial", "serial"),
    Index("ix_notice_publication_subscriber_id", "subscriber_id"),
)
"""The notices that no channel could deliver: the look-up site says so, without their text."""

renewal_mark = Table(
    "renewal_mark",
    metadata,
    Column("stage", Integer, primary_key=True, autoincrement=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("certificate_id", Identity, nullable=False),
)
"""How far each stage of renewal reminders came: certificates in the order of their ends."""

filed_request = Table(
    "filed_request",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("file_sha256", String(64), nullable=False),
    Column("reseller", String(60)),
    Column("serial", String(40), nullable=False),
    Column("act", String(20), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_filed_request_reseller_at", "reseller", "at"),
)
"""What rows of files had done: a row that is brought again is known by its key."""

representation = Table(
    "representation",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("person", LargeBinary, nullable=False),
    Column("mark", LargeBinary(32)),
    Column("from_on", Date, nullable=False),
    Column("to_on", Date),
    Column("evidence", ForeignKey("document.id"), nullable=False),
    Index("ix_representation_subscriber_id", "subscriber_id"),
    Index("ix_representation_mark", "mark"),
)
"""Who represented a company from when to when, by which document; the person is encrypted."""

contact_proof = Table(
    "contact_proof",
    metadata,
    Column("subscriber_id", ForeignKey("subscriber.id"), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("mark", LargeBinary(32), nullable=False),
    Column("digest", LargeBinary(32)),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("verified_at", UtcDateTime),
    Column("how", String(20), nullable=False),
    CheckConstraint("kind IN ('phone', 'email')", name="kind"),
)
"""That a contact is the subscriber's own; it counts while the register has that very contact."""

erasure = Table(
    "erasure",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("subscribers", Text, nullable=False),
    Column("asked_by", String(120), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("approved_by", String(120)),
    Column("approved_at", UtcDateTime),
)
"""Whose personal data is to be erased: listed by one person, approved by another."""

reseller = Table(
    "reseller",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("name", String(400), nullable=False),
    Column("tax_code", String(20), nullable=False),
    Column("since", Date, nullable=False),
    Column("ended_on", Date),
)
"""Who brings subscribers; the subscribers name their reseller by this id."""

contract = Table(
    "contract",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id")),
    Column("reseller_id", ForeignKey("reseller.id")),
    Column("signed_on", Date, nullable=False),
    Column("ends_on", Date),
    Column("terms", String(60), nullable=False),
    CheckConstraint("(subscriber_id IS NULL) != (reseller_id IS NULL)", name="one_party"),
    Index("ix_contract_subscriber_id", "subscriber_id"),
    Index("ix_contract_reseller_id", "reseller_id"),
)
"""A contract with a subscriber or a reseller; `terms` names the version of its conditions."""
