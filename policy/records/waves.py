"""Which wave of notices has come how far, and whom each told; never commits."""

from datetime import datetime

from sqlalchemy import func, insert, select, update

from core.database import Tx
from policy.tables import campaign_notice, campaign_wave


def reached(tx: Tx, campaign_id: str, wave: str) -> int | None:
    """Return the last member that a wave has looked at, 0 before the first, None when done."""
    query = select(campaign_wave.c.reached, campaign_wave.c.done_at).where(
        campaign_wave.c.campaign_id == campaign_id, campaign_wave.c.wave == wave
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        return 0
    return None if row.done_at is not None else int(row.reached)


def set_reached(
    tx: Tx, campaign_id: str, wave: str, certificate_id: int, *, done_at: datetime | None = None
) -> None:
    """Record how far a wave has come."""
    values = {"reached": certificate_id, "done_at": done_at}
    changed = tx.execute(
        update(campaign_wave)
        .where(campaign_wave.c.campaign_id == campaign_id, campaign_wave.c.wave == wave)
        .values(**values)
    )
    if changed.rowcount == 0:
        tx.execute(insert(campaign_wave).values(campaign_id=campaign_id, wave=wave, **values))


def add_told(tx: Tx, campaign_id: str, wave: str, certificate_id: int, at: datetime) -> None:
    """Record that a wave told a certificate's subscriber; the database lets it be said once."""
    tx.execute(
        insert(campaign_notice).values(
            campaign_id=campaign_id, wave=wave, certificate_id=certificate_id, told_at=at
        )
    )


def told(tx: Tx, campaign_id: str) -> dict[str, int]:
    """Return how many each wave of a campaign told."""
    query = (
        select(campaign_notice.c.wave, func.count())
        .where(campaign_notice.c.campaign_id == campaign_id)
        .group_by(campaign_notice.c.wave)
        .order_by(campaign_notice.c.wave)
    )
    return {row[0]: row[1] for row in tx.execute(query)}
