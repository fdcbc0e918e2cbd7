"""The steps of an issuance: the key claimed, the row pending, then issued or lost."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from ca.model import Stage, Standing
from ca.records import standings
from ca.tables import certificate, subject_key
from core.database import Tx
from core.errors import Conflict, Refused


def claim_key(tx: Tx, spki_sha256: bytes, subscriber: str) -> None:
    """Bind a public key to a subscriber for ever; raises Refused when another one has it."""
    owner = tx.execute(
        select(subject_key.c.subscriber).where(subject_key.c.spki_sha256 == spki_sha256)
    ).scalar_one_or_none()
    if owner is None:
        tx.execute(insert(subject_key).values(spki_sha256=spki_sha256, subscriber=subscriber))
    elif owner != subscriber:
        raise Refused(
            "The public key belongs to another subscriber already; generate a new key pair.",
            code="key_of_another_subscriber",
        )


def add_pending(tx: Tx, values: Mapping[str, Any], standing: Standing) -> int:
    """Record a certificate that is about to be signed; returns its row id.

    Raises Conflict when the decision was used before or the serial is taken.
    """
    try:
        columns = standings.columns(standing)
        query = insert(certificate).values(stage=Stage.PENDING, **values, **columns)
        row_id: int = tx.execute(query.returning(certificate.c.id)).scalar_one()
    except IntegrityError as error:
        raise Conflict(
            f"The decision {values['decision']!r} was used for an issuance already; "
            "ask for a new decision."
        ) from error
    for each in standing.holds:
        standings.insert_hold(tx, row_id, each)
    return row_id


def mark_issued(tx: Tx, certificate_id: int, der: bytes) -> None:
    """Turn a pending row into an issued certificate; raises Conflict when it is not pending."""
    changed = tx.execute(
        update(certificate)
        .where(certificate.c.id == certificate_id, certificate.c.stage == Stage.PENDING)
        .values(stage=Stage.ISSUED, der=der)
    )
    if changed.rowcount != 1:
        raise Conflict(
            f"The certificate in row {certificate_id} is no longer pending; it was given up."
        )


def mark_lost(tx: Tx, certificate_id: int) -> None:
    """Turn a pending, already revoked row into a lost one."""
    tx.execute(
        update(certificate)
        .where(certificate.c.id == certificate_id, certificate.c.stage == Stage.PENDING)
        .values(stage=Stage.LOST)
    )


def pending_since(tx: Tx, before: datetime) -> list[int]:
    """Return the row ids of certificates recorded before `before` and never issued, locked."""
    query = (
        select(certificate.c.id)
        .where(certificate.c.stage == Stage.PENDING, certificate.c.created_at < before)
        .order_by(certificate.c.id)
        .with_for_update(skip_locked=True)
    )
    return list(tx.execute(query).scalars())
