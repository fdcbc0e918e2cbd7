"""Look-up codes in the database, as their hashes alone; never commits."""

import hashlib
import hmac
from datetime import datetime

from sqlalchemy import delete, insert, select

from core.database import Tx
from policy.tables import lookup_code


def put(tx: Tx, subscriber_id: str, code: str, at: datetime, ends_at: datetime) -> None:
    """Give a subscriber a code; an earlier one no longer opens anything."""
    tx.execute(delete(lookup_code).where(lookup_code.c.subscriber_id == subscriber_id))
    tx.execute(
        insert(lookup_code).values(
            subscriber_id=subscriber_id, digest=_digest(code), made_at=at, ends_at=ends_at
        )
    )


def holds(tx: Tx, subscriber_id: str, code: str, now: datetime) -> bool:
    """Whether `code` is the subscriber's own and has not ended."""
    query = select(lookup_code).where(lookup_code.c.subscriber_id == subscriber_id)
    row = tx.execute(query).one_or_none()
    if row is None or now > row.ends_at:
        return False
    return hmac.compare_digest(row.digest, _digest(code))


def _digest(code: str) -> bytes:
    return hashlib.sha256("".join(code.split()).upper().encode()).digest()
