"""Campaigns and their members in the database; never commits."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Tx, chunked
from core.errors import Conflict, NotFound
from policy.model import CampaignStage
from policy.records.batches import batches
from policy.tables import campaign, campaign_member

_MEMBERSHIPS = (
    select(campaign_member, *(column.label(f"c_{column.name}") for column in campaign.c))
    .join(campaign, campaign.c.id == campaign_member.c.campaign_id)
    .order_by(campaign.c.stage != CampaignStage.CLOSED, campaign.c.hold_at)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign as it stands; `most_holds` and `most_revocations` are the approved counts.

    `plan_digest` is that of the newest simulation, `approved_digest` that of the approved plan.
    """

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
    plan_digest: str | None = None
    approved_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A certificate in a campaign's scope, and when its subscriber was warned and last reminded.

    `late` is one that was issued between the announcement and the hold.
    """

    campaign_id: str
    certificate_id: int
    subscriber_id: str
    warned_at: datetime | None
    reminded_at: datetime | None = None
    late: bool = False
    exempt_until: datetime | None = None
    exempt_because: str | None = None


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
    for some in chunked(members):
        tx.execute(insert(campaign_member), [asdict(each) for each in some])


def members(tx: Tx, campaign_id: str, *, after: int = 0, most: int | None = None) -> list[Member]:
    """Return a campaign's scope in the order of its certificates, from behind `after`."""
    query = (
        select(campaign_member)
        .where(
            campaign_member.c.campaign_id == campaign_id,
            campaign_member.c.certificate_id > after,
        )
        .order_by(campaign_member.c.certificate_id)
        .limit(most)
    )
    return [Member(**row._mapping) for row in tx.execute(query)]


def members_among(tx: Tx, campaign_id: str, certificate_ids: Iterable[int]) -> set[int]:
    """Return those of these certificates that are in a campaign's scope."""
    found: set[int] = set()
    for ids in batches(certificate_ids):
        query = select(campaign_member.c.certificate_id).where(
            campaign_member.c.campaign_id == campaign_id,
            campaign_member.c.certificate_id.in_(ids),
        )
        found.update(tx.execute(query).scalars())
    return found


def latecomers(tx: Tx, campaign_id: str) -> list[int]:
    """Return the certificates that joined a campaign after its announcement."""
    query = select(campaign_member.c.certificate_id).where(
        campaign_member.c.campaign_id == campaign_id, campaign_member.c.late
    )
    return list(tx.execute(query).scalars())


def size(tx: Tx, campaign_id: str) -> int:
    """Return how many certificates are in a campaign's scope."""
    query = select(func.count()).where(campaign_member.c.campaign_id == campaign_id)
    return tx.execute(query).scalar_one()


def update_member(tx: Tx, campaign_id: str, certificate_id: int, **values: Any) -> bool:  # noqa: ANN401 - columns
    """Change columns of a member; return whether there is such a member."""
    changed = tx.execute(
        update(campaign_member)
        .where(
            campaign_member.c.campaign_id == campaign_id,
            campaign_member.c.certificate_id == certificate_id,
        )
        .values(**values)
    )
    return changed.rowcount > 0


def memberships(tx: Tx, certificate_ids: Iterable[int]) -> dict[int, tuple[Member, Campaign]]:
    """Return the membership that counts of each certificate that has one, with its campaign.

    Of several campaigns the one with the latest hold counts, a closed one only when all are.
    """
    found: dict[int, tuple[Member, Campaign]] = {}
    for ids in batches(certificate_ids):
        query = _MEMBERSHIPS.where(campaign_member.c.certificate_id.in_(ids))
        known: dict[str, Campaign] = {}
        for row in tx.execute(query):
            values = row._mapping
            if row.campaign_id not in known:
                own = {each.name: values[f"c_{each.name}"] for each in campaign.c}
                known[row.campaign_id] = _campaign(own)
            member = Member(**{each.name: values[each.name] for each in campaign_member.c})
            found[row.certificate_id] = (member, known[row.campaign_id])
    return found


def _campaign(values: RowMapping | dict[str, Any]) -> Campaign:
    return Campaign(**{**values, "stage": CampaignStage(values["stage"])})
