"""Scopes, simulated plans and extensions of campaigns in the database; never commits."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from ca.model import Act
from core import audit
from core.database import Tx
from core.errors import NotFound
from policy.scope import Scope
from policy.tables import campaign_act, campaign_extension, campaign_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAct:
    """One act of a plan: on which certificate, on which ground."""

    certificate_id: int
    act: Act
    serial: str
    clause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """Later dates that somebody asked for; approved by somebody else, or not yet."""

    id: int
    campaign_id: str
    hold_at: datetime
    revoke_at: datetime
    because: str
    author: str
    asked_at: datetime
    approver: str | None
    approved_at: datetime | None


def add_scope(tx: Tx, campaign_id: str, scope: Scope) -> None:
    """Record what a campaign is over."""
    text = audit.canonical(scope.to_json())
    tx.execute(insert(campaign_plan).values(campaign_id=campaign_id, scope=text))


def scope_of(tx: Tx, campaign_id: str) -> Scope:
    """Return what a campaign is over."""
    query = select(campaign_plan.c.scope).where(campaign_plan.c.campaign_id == campaign_id)
    return Scope.from_json(json.loads(tx.execute(query).scalar_one()))


def set_token(tx: Tx, campaign_id: str, token: str) -> None:
    """Keep the signature over a campaign's plan."""
    tx.execute(
        update(campaign_plan).where(campaign_plan.c.campaign_id == campaign_id).values(token=token)
    )


def token_of(tx: Tx, campaign_id: str) -> str:
    """Return the signature over a campaign's plan, empty when there is none."""
    query = select(campaign_plan.c.token).where(campaign_plan.c.campaign_id == campaign_id)
    return tx.execute(query).scalar_one_or_none() or ""


def replace_acts(tx: Tx, campaign_id: str, acts: Iterable[PlannedAct]) -> None:
    """Put the acts of a new simulation in the place of the old ones."""
    tx.execute(delete(campaign_act).where(campaign_act.c.campaign_id == campaign_id))
    rows = [{"campaign_id": campaign_id, **asdict(each)} for each in acts]
    if rows:
        tx.execute(insert(campaign_act), rows)


def acts_of(tx: Tx, campaign_id: str) -> list[PlannedAct]:
    """Return the acts of a campaign's plan, by certificate."""
    query = select(campaign_act).where(campaign_act.c.campaign_id == campaign_id)
    order = (campaign_act.c.certificate_id, campaign_act.c.act)
    return [
        PlannedAct(
            certificate_id=row.certificate_id,
            act=Act(row.act),
            serial=row.serial,
            clause=row.clause,
        )
        for row in tx.execute(query.order_by(*order))
    ]


def add_extension(tx: Tx, new: Extension) -> None:
    """Record what somebody asks for; its number is given here."""
    values = {key: value for key, value in asdict(new).items() if key != "id"}
    tx.execute(insert(campaign_extension).values(**values))


def waiting_extension(tx: Tx, campaign_id: str) -> Extension:
    """Return the newest extension that waits for its approval, locked; raises NotFound."""
    query = (
        select(campaign_extension)
        .where(
            campaign_extension.c.campaign_id == campaign_id,
            campaign_extension.c.approved_at.is_(None),
        )
        .order_by(campaign_extension.c.id.desc())
        .limit(1)
    )
    row = tx.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"No extension of the campaign {campaign_id!r} waits for its approval.")
    return Extension(**row._mapping)


def approve_extension(tx: Tx, extension_id: int, approver: str, at: datetime) -> None:
    """Record who approved an extension."""
    tx.execute(
        update(campaign_extension)
        .where(campaign_extension.c.id == extension_id)
        .values(approver=approver, approved_at=at)
    )
