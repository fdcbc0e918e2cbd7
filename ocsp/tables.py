"""The responder's tables; imported by `records` alone.

Neither holds a fact of its own: without them every answer is signed when it is asked for.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
)

from core.database import SerialNumber, UtcDateTime, metadata

ocsp_reserve = Table(
    "ocsp_reserve",
    metadata,
    Column("issuer_id", ForeignKey("issuer.id"), primary_key=True),
    Column("serial", SerialNumber, primary_key=True),
    Column("algorithm", String(10), primary_key=True),
    Column("status", String(10), nullable=False),
    Column("reason", String(30)),
    Column("since", UtcDateTime),
    Column("this_update", UtcDateTime, nullable=False),
    Column("next_update", UtcDateTime, nullable=False),
    Column("signer", LargeBinary(32), nullable=False),
    Column("head", LargeBinary, nullable=False),
    CheckConstraint("algorithm IN ('sha1', 'sha256')", name="algorithm"),
    Index("ix_ocsp_reserve_next_update", "next_update"),
)
"""Answers signed beforehand, by the hash of their CertID, each with the standing it tells.

The commit that changes a certificate's standing thereby drops its answers: they no longer fit.
"""

ocsp_reserve_part = Table(
    "ocsp_reserve_part",
    metadata,
    Column("issuer_id", ForeignKey("issuer.id"), primary_key=True),
    Column("part", SmallInteger, primary_key=True, autoincrement=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("claimed_until", UtcDateTime),
    CheckConstraint("part BETWEEN 0 AND 31", name="part"),
)
"""Which part of the reserve (serials by their first octet) is due when, and who is at it."""
