"""Campaigns: planned, simulated, approved by a second person, announced, enforced, closed.

Execution decides each certificate again under its lock: who mended their dossier meanwhile is left
alone. Every certificate is one commit, so a run can be stopped and taken up at any row.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ca import records as engine
from ca.model import Act, Certificate
from core import audit
from core.database import Tx
from policy import campaign as rules_of_campaigns
from policy import decisions, facts, rules
from policy.campaign import CampaignEvent, advance
from policy.model import Action, CampaignStage, Decision, Facts
from policy.office import Office
from policy.records import campaigns, subscribers
from policy.records.campaigns import Campaign, Member

_BATCH = 1000
_ACTION = {Act.SUSPEND: Action.HOLD, Act.REVOKE: Action.REVOKE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a campaign would do if nobody mended anything: decisions at its two dates."""

    holds: tuple[Decision, ...]
    revocations: tuple[Decision, ...]
    active: int


def plan(office: Office, campaign_id: str, *, hold_at: datetime, revoke_at: datetime) -> Campaign:
    """Draft a campaign over every certificate; its author is the office's actor."""
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
        campaigns.add_campaign(tx, draft)
        _audit(office, tx, draft, "plan", now)
    return draft


def simulate(office: Office, campaign_id: str) -> Simulation:
    """Say who would be held and revoked and why; record the counts that are to be approved."""
    now = office.clock.now()
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        stage = advance(found.stage, CampaignEvent.SIMULATE)
        result = _simulate(office, tx, found, now)
        rulebook = office.rulebook(now)
        count = max(len(result.holds), len(result.revocations))
        rules_of_campaigns.check_mass(count, active=result.active, rulebook=rulebook)
        campaigns.update_campaign(
            tx,
            campaign_id,
            stage=stage,
            most_holds=len(result.holds),
            most_revocations=len(result.revocations),
        )
        _audit(office, tx, found, "simulate", now)
    return result


def approve(office: Office, campaign_id: str) -> None:
    """A second person approves the simulated counts; raises Refused when it is the author."""
    now = office.clock.now()
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        rules_of_campaigns.check_four_eyes(found.author, office.actor)
        stage = advance(found.stage, CampaignEvent.APPROVE)
        campaigns.update_campaign(tx, campaign_id, stage=stage, approver=office.actor)
        _audit(office, tx, found, "approve", now)


def announce(office: Office, campaign_id: str) -> int:
    """Announce: every live certificate joins, who lacks papers is told; return how many were."""
    now = office.clock.now()
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        rulebook = office.rulebook(now)
        rules_of_campaigns.check_dates(now, found.hold_at, found.revoke_at, rulebook)
        stage = advance(found.stage, CampaignEvent.ANNOUNCE)
        campaigns.update_campaign(tx, campaign_id, stage=stage, announced_at=now)
        told = 0
        for certificate, known in _everyone(tx, now):
            member = Member(
                campaign_id=campaign_id,
                certificate_id=certificate.id,
                subscriber_id=certificate.subscriber,
                warned_at=None,
            )
            campaigns.add_members(tx, [replace(member, warned_at=now)])
            # Being warned of an earlier campaign is no warning of this one.
            before = replace(known, campaign=facts.of_campaign(found, stage, now), warned_at=None)
            decision = rules.decide(before, office.rulebook(now, before), now)
            if decision.action is Action.REMIND:
                decisions.carry_out(tx, decision, office.actor)
                told += 1
        _audit(office, tx, found, "announce", now, told=told)
    return told


def enforce(
    office: Office,
    campaign_id: str,
    act: Act,
    *,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> list[Certificate]:
    """Hold (`Act.SUSPEND`) or revoke (`Act.REVOKE`) whoever the campaign's date has reached.

    Returns the certificates that were acted on. Raises Refused (mass_guard) before the first act
    when the run would be larger than was approved; `progress` is told how many of how many are
    done.
    """
    now = office.clock.now()
    found, candidates = _candidates(office, campaign_id, act, now)
    approved = found.most_holds if act is Act.SUSPEND else found.most_revocations
    with office.db.read() as tx:
        active = sum(1 for _ in _everyone(tx, now))
    rules_of_campaigns.check_mass(
        len(candidates), active=active, rulebook=office.rulebook(now), approved=approved
    )
    acted = []
    for done, certificate_id in enumerate(candidates, start=1):
        with office.db.begin() as tx:
            ((_, known),) = facts.lock(tx, [certificate_id])
            # Under the lock: what came in since the run began counts, and nothing is back-dated.
            now = office.clock.now()
            decision = rules.decide(known, office.rulebook(now, known), now)
            if decision.action is _ACTION[act]:
                after = decisions.carry_out(tx, decision, office.actor)
                acted.extend([after] if after else [])
        progress(done, len(candidates))
    return acted


def close(office: Office, campaign_id: str) -> None:
    """End a campaign; what it held stays held until its dossier is complete."""
    now = office.clock.now()
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        stage = advance(found.stage, CampaignEvent.CLOSE)
        campaigns.update_campaign(tx, campaign_id, stage=stage)
        _audit(office, tx, found, "close", now)


def _candidates(
    office: Office, campaign_id: str, act: Act, now: datetime
) -> tuple[Campaign, list[int]]:
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        if found.stage is not CampaignStage.ENFORCING:
            stage = advance(found.stage, CampaignEvent.ENFORCE)
            campaigns.update_campaign(tx, campaign_id, stage=stage)
            _audit(office, tx, found, "enforce", now)
        found = _join_latecomers(office, tx, found, now)
    with office.db.read() as tx:
        scope = [each.certificate_id for each in campaigns.members(tx, campaign_id)]
        wanted = []
        for start in range(0, len(scope), _BATCH):
            batch = engine.by_ids(tx, scope[start : start + _BATCH])
            for certificate, known in zip(batch, facts.of_certificates(tx, batch), strict=True):
                rulebook = office.rulebook(now, known)
                if rules.decide(known, rulebook, now).action is _ACTION[act]:
                    wanted.append(certificate.id)
    return found, wanted


def _join_latecomers(office: Office, tx: Tx, found: Campaign, now: datetime) -> Campaign:
    """Put what was issued between announcement and hold into the scope; return the campaign.

    The public notice is its warning. The approved counts grow by those whose papers lack. Done at
    every run, so that no crash between issuance and campaign lets a certificate escape.
    """
    if found.announced_at is None:
        return found
    scope = {each.certificate_id for each in campaigns.members(tx, found.id)}
    late = [
        (certificate, known)
        for certificate, known in _everyone(tx, now)
        if certificate.id not in scope
        and known.case is None
        and found.announced_at <= certificate.created_at < found.hold_at
    ]
    campaigns.add_members(
        tx,
        [
            Member(
                campaign_id=found.id,
                certificate_id=certificate.id,
                subscriber_id=certificate.subscriber,
                warned_at=found.announced_at,
            )
            for certificate, _ in late
        ],
    )
    lacking = sum(
        not rules.judge(known.kind, known.documents, office.rulebook(now, known)).complete
        for _, known in late
    )
    if lacking:
        campaigns.update_campaign(
            tx,
            found.id,
            most_holds=(found.most_holds or 0) + lacking,
            most_revocations=(found.most_revocations or 0) + lacking,
        )
    return campaigns.campaign_named(tx, found.id)


def _simulate(office: Office, tx: Tx, found: Campaign, now: datetime) -> Simulation:
    holds, revocations, active = [], [], 0
    foreseen = facts.of_campaign(found, CampaignStage.ENFORCING, now)
    for _, known in _everyone(tx, now):
        active += 1
        told = rules_of_campaigns.foretell(known, foreseen, now)
        hold = rules.decide(told, office.rulebook(now, told), found.hold_at)
        if hold.action is Action.HOLD:
            holds.append(hold)
            held = facts.as_held(told, found.hold_at)
            rulebook = office.rulebook(now, held)
            revocation = rules.decide(held, rulebook, found.revoke_at)
            revocations.extend([revocation] if revocation.action is Action.REVOKE else [])
    return Simulation(holds=tuple(holds), revocations=tuple(revocations), active=active)


def _everyone(tx: Tx, now: datetime) -> list[tuple[Certificate, Facts]]:
    """Return every issued certificate that is neither expired nor revoked, with its facts."""
    found: list[tuple[Certificate, Facts]] = []
    names = subscribers.subscriber_ids(tx)
    for start in range(0, len(names), _BATCH):
        of_names = engine.of_subscribers(tx, names[start : start + _BATCH])
        alive = [
            each
            for of_one in of_names.values()
            for each in of_one
            if each.der is not None and not each.expired(now) and not each.revoked
        ]
        found.extend(zip(alive, facts.of_certificates(tx, alive), strict=True))
    return found


def _audit(
    office: Office, tx: Tx, found: Campaign, event: str, now: datetime, **detail: int
) -> None:
    audit.append(
        tx,
        at=now,
        actor=office.actor,
        act=f"campaign.{event}",
        subject=f"campaign:{found.id}",
        **detail,
    )
