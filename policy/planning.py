"""Campaigns before they are announced: drafted, simulated, approved by a second person.

The simulated plan names every act. It is stored and signed, its digest covers scope, dates and
acts, and what is approved, announced and enforced is exactly the plan with that digest.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ca import records as engine
from ca.model import Act, HoldSource
from core import audit, serials
from core.database import Tx
from core.errors import NotFound, Refused
from policy import campaign as rules_of_campaigns
from policy import facts, population, rules
from policy.campaign import CampaignEvent, advance
from policy.decisions import clause
from policy.model import Action, CampaignStage, Decision
from policy.office import Office
from policy.records import campaigns, plans, subscribers
from policy.records.campaigns import Campaign
from policy.records.plans import PlannedAct
from policy.records.subscribers import Place
from policy.rulebook_parts import Joint
from policy.scope import EVERYONE, Scope

_SHOWN = 5
_OF_SIMULATION = ("approver", "most_holds", "most_revocations", "plan_digest", "approved_digest")
_LATECOMERS = (
    "Certificates of the scope that are issued between the announcement and the hold are under the "
    "plan as well."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a campaign would do if nobody mended anything: decisions at its two dates.

    `digest` names the plan that was stored; `places` are the subscribers' provinces and resellers.
    """

    holds: tuple[Decision, ...]
    revocations: tuple[Decision, ...]
    scope: int
    active: int
    digest: str
    places: dict[str, Place]


def plan(
    office: Office,
    campaign_id: str,
    *,
    hold_at: datetime,
    revoke_at: datetime,
    scope: Scope = EVERYONE,
) -> Campaign:
    """Draft a campaign over the certificates of `scope`; its author is the office's actor.

    Raises NotFound when a list names a serial that nobody has.
    """
    now = office.clock.now()
    draft = Campaign(
        id=campaign_id,
        rulebook=office.rulebook(now).reference,
        stage=CampaignStage.DRAFT,
        author=office.actor,
        approver=None,
        hold_at=hold_at,
        revoke_at=revoke_at,
        announced_at=None,
        most_holds=None,
        most_revocations=None,
    )
    with office.db.begin() as tx:
        _refuse_unknown(tx, scope.serials or ())
        campaigns.add_campaign(tx, draft)
        plans.add_scope(tx, campaign_id, scope)
        narrowed = {key: value for key, value in scope.to_json().items() if key != "serials"}
        note(office, tx, draft, "plan", now, scope=narrowed, listed=len(scope.serials or ()))
    return draft


def revise(
    office: Office, campaign_id: str, *, hold_at: datetime | None, revoke_at: datetime | None
) -> Campaign:
    """Give a campaign that is not announced other dates: a draft again, whose author this is.

    Its simulation and approval are gone. Raises Refused once it is announced.
    """
    now = office.clock.now()
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        changes = {
            "stage": advance(found.stage, CampaignEvent.REVISE),
            "rulebook": office.rulebook(now).reference,
            "author": office.actor,
            "hold_at": hold_at or found.hold_at,
            "revoke_at": revoke_at or found.revoke_at,
            **dict.fromkeys(_OF_SIMULATION),
        }
        campaigns.update_campaign(tx, campaign_id, **changes)
        plans.replace_acts(tx, campaign_id, [])
        revised = campaigns.campaign_named(tx, campaign_id)
        dates = {"hold_at": revised.hold_at.isoformat(), "revoke_at": revised.revoke_at.isoformat()}
        note(office, tx, found, "revise", now, **dates)
    return revised


def simulate(office: Office, campaign_id: str) -> Simulation:
    """Say who would be held and revoked and why; store and sign the plan to be approved."""
    now = office.clock.now()
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        stage = advance(found.stage, CampaignEvent.SIMULATE)
        scope, holds, revocations = _foresee(office, tx, found, now)
        active = population.active(tx, now)
        count = max(len(holds), len(revocations))
        rules_of_campaigns.check_mass(count, active=active, rulebook=office.rulebook(now))
        acts = [
            *(_act(number, Act.SUSPEND, each) for number, each in holds),
            *(_act(number, Act.REVOKE, each) for number, each in revocations),
        ]
        plans.replace_acts(tx, campaign_id, acts)
        digest = sign(office, tx, found, now)
        campaigns.update_campaign(
            tx,
            campaign_id,
            stage=stage,
            most_holds=len(holds),
            most_revocations=len(revocations),
            plan_digest=digest,
        )
        note(office, tx, found, "simulate", now, plan=digest)
        names = {each.facts.subscriber for _, each in (*holds, *revocations)}
        places = subscribers.places_of(tx, sorted(names))
    return Simulation(
        holds=tuple(each for _, each in holds),
        revocations=tuple(each for _, each in revocations),
        scope=scope,
        active=active,
        digest=digest,
        places=places,
    )


def approve(office: Office, campaign_id: str, digest: str | None = None) -> str:
    """A second person approves the simulated plan, the one named `digest` if that is given.

    Returns the plan's digest. Raises Refused when it is the author, when the plan is another one,
    or when what is stored is not what was simulated and signed.
    """
    now = office.clock.now()
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        office.rulebook(now).four_eyes.check(Joint.CAMPAIGN, found.author, office.actor)
        stage = advance(found.stage, CampaignEvent.APPROVE)
        if digest is not None and digest != found.plan_digest:
            raise Refused(
                f"The plan of {campaign_id} is {found.plan_digest}, not {digest}; it was simulated "
                "anew. Look at the new simulation first.",
                code="plan_changed",
            )
        _check(office, tx, found, found.plan_digest)
        campaigns.update_campaign(
            tx,
            campaign_id,
            stage=stage,
            approver=office.actor,
            approved_digest=found.plan_digest,
        )
        note(office, tx, found, "approve", now, plan=found.plan_digest)
    return found.plan_digest or ""


def check_approved(office: Office, tx: Tx, found: Campaign) -> None:
    """Raise Refused (plan_changed) unless what is stored is what was approved and signed."""
    _check(office, tx, found, found.approved_digest)


def sign(office: Office, tx: Tx, found: Campaign, now: datetime) -> str:
    """Sign the plan that is stored, with the campaign's present dates; return its digest."""
    acts = plans.acts_of(tx, found.id)
    digest = _digest(found, plans.scope_of(tx, found.id), acts)
    statement = {
        **_terms(found),
        "sha256": digest,
        "holds": sum(each.act is Act.SUSPEND for each in acts),
        "revocations": sum(each.act is Act.REVOKE for each in acts),
        "latecomers": _LATECOMERS,
        "made_at": now.isoformat(),
        "made_by": office.actor,
    }
    plans.set_token(tx, found.id, office.seal.sign(statement))
    return digest


def note(
    office: Office,
    tx: Tx,
    found: Campaign,
    event: str,
    now: datetime,
    **detail: Any,  # noqa: ANN401 - any JSON value
) -> None:
    """Put what was done with a campaign in the audit trail."""
    audit.append(
        tx,
        at=now,
        actor=office.actor,
        act=f"campaign.{event}",
        subject=f"campaign:{found.id}",
        **detail,
    )


def _check(office: Office, tx: Tx, found: Campaign, digest: str | None) -> None:
    acts = plans.acts_of(tx, found.id)
    stored = _digest(found, plans.scope_of(tx, found.id), acts)
    token = plans.token_of(tx, found.id)
    signed = office.seal.read(token).get("sha256") if token else None
    if not stored == digest == signed:
        raise Refused(
            f"The plan of {found.id} is {stored}, but {digest} was approved and {signed} signed: "
            "it was changed. Close the campaign and draft it anew.",
            code="plan_changed",
        )


def _digest(found: Campaign, scope: Scope, acts: Iterable[PlannedAct]) -> str:
    whole = hashlib.sha256(audit.canonical({**_terms(found), "scope": scope.to_json()}).encode())
    for each in sorted(acts, key=lambda each: (each.serial, each.act)):
        line = [each.serial, each.certificate_id, each.act, each.clause]
        whole.update(b"\n" + audit.canonical(line).encode())
    return whole.hexdigest()


def _terms(found: Campaign) -> dict[str, str]:
    return {
        "campaign": found.id,
        "rulebook": found.rulebook,
        "hold_at": found.hold_at.isoformat(),
        "revoke_at": found.revoke_at.isoformat(),
    }


def _foresee(
    office: Office, tx: Tx, found: Campaign, now: datetime
) -> tuple[int, list[tuple[int, Decision]], list[tuple[int, Decision]]]:
    """Return how many the scope has, and what the dates would bring, by certificate."""
    size = 0
    holds: list[tuple[int, Decision]] = []
    revocations: list[tuple[int, Decision]] = []
    foreseen = facts.of_campaign(found, CampaignStage.ENFORCING, now)
    scope = plans.scope_of(tx, found.id)
    for certificate, known in population.in_scope(office, tx, scope, now):
        size += 1
        told = rules_of_campaigns.foretell(known, foreseen, now)
        hold = rules.decide(told, office.rulebook(now, told), found.hold_at)
        held = told
        if hold.action is Action.HOLD:
            holds.append((certificate.id, hold))
            held = facts.as_held(told, found.hold_at)
        if held.certificate and HoldSource.DOSSIER in held.certificate.holds:
            revocation = rules.decide(held, office.rulebook(now, held), found.revoke_at)
            if revocation.action is Action.REVOKE:
                revocations.append((certificate.id, revocation))
    return size, holds, revocations


def _act(number: int, act: Act, decision: Decision) -> PlannedAct:
    certificate = decision.facts.certificate
    return PlannedAct(
        certificate_id=number,
        act=act,
        serial=certificate.serial if certificate else "",
        clause=clause(decision),
    )


def _refuse_unknown(tx: Tx, listed: Iterable[str]) -> None:
    missing = engine.unknown_serials(tx, [serials.parse(each) for each in sorted(listed)])
    if missing:
        shown = ", ".join(serials.to_hex(each) for each in missing[:_SHOWN])
        raise NotFound(
            f"{len(missing)} serials of the list are of no certificate here, among them {shown}."
        )
