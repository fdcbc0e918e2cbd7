"""Campaigns and their members in the database; never commits."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from core.errors import Conflict, NotFound
from policy.model import CampaignStage
from policy.records.batches import batches
from policy.tables import campaign, campaign_member


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign as it stands; `most_holds` and `most_revocations` are the approved counts."""

    id: str
    rulebook: str
    stage: CampaignStage
    author: str
    approver: str | None
    hold_at: datetime
    revoke_at: datetime
    announced_at: datetime | None
    most_holds: int | None
    most_revocations: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A certificate in a campaign's scope, and when its subscriber was warned."""

    campaign_id: str
    certificate_id: int
    subscriber_id: str
    warned_at: datetime | None


def add_campaign(tx: Tx, new: Campaign) -> None:
    """Record a campaign; raises Conflict when the id is taken."""
    try:
        tx.execute(insert(campaign).values(**asdict(new)))
    except IntegrityError as error:
        raise Conflict(f"There is a campaign {new.id!r} already.") from error


def campaign_named(tx: Tx, campaign_id: str, *, lock: bool = False) -> Campaign:
    """Return a campaign, locked if wished; raises NotFound."""
    query = select(campaign).where(campaign.c.id == campaign_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no campaign {campaign_id!r}.")
    return _campaign(row._mapping)


def campaigns(tx: Tx) -> list[Campaign]:
    """Return all campaigns by their hold date."""
    query = select(campaign).order_by(campaign.c.hold_at, campaign.c.id)
    return [_campaign(row._mapping) for row in tx.execute(query)]


def update_campaign(tx: Tx, campaign_id: str, **values: Any) -> None:  # noqa: ANN401 - columns
    """Change columns of a campaign."""
    tx.execute(update(campaign).where(campaign.c.id == campaign_id).values(**values))


def add_members(tx: Tx, members: Iterable[Member]) -> None:
    """Put certificates into a campaign's scope."""
    rows = [asdict(each) for each in members]
    if rows:
        tx.execute(insert(campaign_member), rows)


def members(tx: Tx, campaign_id: str) -> list[Member]:
    """Return a campaign's scope in the order of its certificates."""
    query = select(campaign_member).where(campaign_member.c.campaign_id == campaign_id)
    query = query.order_by(campaign_member.c.certificate_id)
    return [Member(**row._mapping) for row in tx.execute(query)]


def memberships(tx: Tx, certificate_ids: Iterable[int]) -> dict[int, Member]:
    """Return the newest campaign membership of each certificate that has one."""
    found: dict[int, Member] = {}
    for ids in batches(certificate_ids):
        query = (
            select(campaign_member)
            .join(campaign, campaign.c.id == campaign_member.c.campaign_id)
            .where(campaign_member.c.certificate_id.in_(ids))
            .order_by(campaign.c.hold_at)
        )
        found.update({row.certificate_id: Member(**row._mapping) for row in tx.execute(query)})
    return found


def _campaign(values: RowMapping) -> Campaign:
    return Campaign(**{**values, "stage": CampaignStage(values["stage"])})
