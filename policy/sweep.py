"""Campaigns in effect: announced, then enforced row by row, by as many processes as one likes.

Only what is in the approved plan is acted on, and each certificate is decided again under its lock:
who mended their dossier meanwhile is left alone. Every certificate is one commit, so a run can be
stopped and taken up at any row; a campaign that is paused stops its runs at their next row.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ca import records as engine
from ca.model import Act, Certificate
from core.database import Tx, chunked
from policy import campaign as rules_of_campaigns
from policy import decisions, facts, population, rules
from policy.campaign import CampaignEvent, advance
from policy.model import Action, CampaignStage, Facts
from policy.office import Office
from policy.planning import check_approved, note
from policy.records import campaigns, plans
from policy.records.campaigns import Campaign, Member

_BATCH = 1000
_GOLDEN = 2654435769
"""2**32 by the golden ratio: its multiples lie evenly, those of every tenth of them too."""

_ACTION = {Act.SUSPEND: Action.HOLD, Act.REVOKE: Action.REVOKE}


@dataclass(frozen=True, slots=True)
class Share:
    """A slice of a run: each of `of` processes takes the certificates of its `number`, from 1.

    The slices are of nearly one size, whatever pattern the numbers of the certificates have.
    """

    number: int = 1
    of: int = 1

    def takes(self, certificate_id: int) -> bool:
        """Whether the certificate is in this slice."""
        spread = certificate_id * _GOLDEN % 2**32
        return spread * self.of >> 32 == self.number - 1


WHOLE = Share()


def announce(office: Office, campaign_id: str) -> int:
    """Announce: the scope's certificates join, who lacks papers is told; return how many were."""
    now = office.clock.now()
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        rulebook = office.rulebook(now)
        rules_of_campaigns.check_dates(now, found.hold_at, found.revoke_at, rulebook)
        stage = advance(found.stage, CampaignEvent.ANNOUNCE)
        check_approved(office, tx, found)
        campaigns.update_campaign(tx, campaign_id, stage=stage, announced_at=now)
        found = replace(found, stage=stage, announced_at=now)
        scope = plans.scope_of(tx, campaign_id)
        everyone = population.in_scope(office, tx, scope, now)
        joining: list[Member] = []
        told = 0
        for some in chunked(everyone, _BATCH):
            joining.extend(_member(found, certificate, now) for certificate, _ in some)
            told += _remind(office, tx, found, [known for _, known in some], now)
        # Not in between: PostgreSQL would go on reading them as it planned when there were none.
        campaigns.add_members(tx, joining)
        note(office, tx, found, "announce", now, told=told)
    return told


def _remind(office: Office, tx: Tx, found: Campaign, some: list[Facts], now: datetime) -> int:
    """Tell whoever of these lacks papers that the campaign begins; return how many were told."""
    announced = facts.of_campaign(found, found.stage, now)
    reminders = []
    for known in some:
        # Being warned of an earlier campaign is no warning of this one.
        before = replace(
            known, campaign=announced, warned_at=None, reminded_at=None, exempt_until=None
        )
        decision = rules.decide(before, office.rulebook(now, before), now)
        if decision.action is Action.REMIND:
            reminders.append(decision)
    decisions.remind_all(tx, reminders, office.actor)
    return len(reminders)


def enforce(
    office: Office,
    campaign_id: str,
    act: Act,
    *,
    share: Share = WHOLE,
    pace: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> list[Certificate]:
    """Hold (`Act.SUSPEND`) or revoke (`Act.REVOKE`) whoever the campaign's date has reached.

    Returns the certificates that were acted on. Raises Refused before the first act when the plan
    is not the approved one (plan_changed) or the run would be larger than was approved
    (mass_guard). `pace` is waited for before each row; `progress` is told how many of how many are
    done.
    """
    now = office.clock.now()
    found, candidates = _candidates(office, campaign_id, act, now)
    approved = found.most_holds if act is Act.SUSPEND else found.most_revocations
    with office.db.read() as tx:
        active = population.active(tx, now)
    rules_of_campaigns.check_mass(
        len(candidates), active=active, rulebook=office.rulebook(now), approved=approved
    )
    own = [each for each in candidates if share.takes(each)]
    acted = []
    for done, certificate_id in enumerate(own, start=1):
        pace()
        after, goes_on = _act(office, campaign_id, certificate_id, act)
        acted.extend([after] if after else [])
        if not goes_on:
            break
        progress(done, len(own))
    return acted


def _act(
    office: Office, campaign_id: str, certificate_id: int, act: Act
) -> tuple[Certificate | None, bool]:
    """Decide one row again and act on it; return what came of it, and whether the run goes on."""
    with office.db.begin() as tx:
        ((_, known),) = facts.lock(tx, [certificate_id])
        # Under the lock: what came in since the run began counts, and nothing is back-dated.
        now = office.clock.now()
        if known.campaign is None or known.campaign.id != campaign_id:
            return None, True
        if known.campaign.stage is not CampaignStage.ENFORCING:
            return None, False
        decision = rules.decide(known, office.rulebook(now, known), now)
        if decision.action is not _ACTION[act]:
            return None, True
        return decisions.carry_out(tx, decision, office.actor), True


def _candidates(
    office: Office, campaign_id: str, act: Act, now: datetime
) -> tuple[Campaign, list[int]]:
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        if found.stage is not CampaignStage.ENFORCING:
            stage = advance(found.stage, CampaignEvent.ENFORCE)
            campaigns.update_campaign(tx, campaign_id, stage=stage)
            note(office, tx, found, "enforce", now)
        check_approved(office, tx, found)
        found = _join_latecomers(office, tx, found, now)
    with office.db.read() as tx:
        planned = {
            each.certificate_id for each in plans.acts_of(tx, campaign_id) if each.act is act
        }
        scope = sorted(planned.union(campaigns.latecomers(tx, campaign_id)))
        wanted = []
        for start in range(0, len(scope), _BATCH):
            batch = engine.by_ids(tx, scope[start : start + _BATCH])
            for certificate, known in zip(batch, facts.of_certificates(tx, batch), strict=True):
                decision = rules.decide(known, office.rulebook(now, known), now)
                own = known.campaign is not None and known.campaign.id == campaign_id
                if own and decision.action is _ACTION[act]:
                    wanted.append(certificate.id)
    return found, wanted


def _join_latecomers(office: Office, tx: Tx, found: Campaign, now: datetime) -> Campaign:
    """Put what was issued between announcement and hold into the scope; return the campaign.

    The public notice is its warning. The approved counts grow by those whose papers lack. Done at
    every run, so that no crash between issuance and campaign lets a certificate escape.
    """
    if found.announced_at is None:
        return found
    scope = plans.scope_of(tx, found.id)
    span = (found.announced_at, found.hold_at)
    late = [
        (certificate, known)
        for certificate, known in population.issued_between(office, tx, scope, span)
        if known.case is None
    ]
    members = campaigns.members_among(tx, found.id, [each.id for each, _ in late])
    late = [each for each in late if each[0].id not in members]
    joining = [_member(found, each, found.announced_at, late=True) for each, _ in late]
    campaigns.add_members(tx, joining)
    lacking = sum(not population.judged(office, known, now).complete for _, known in late)
    if lacking:
        campaigns.update_campaign(
            tx,
            found.id,
            most_holds=(found.most_holds or 0) + lacking,
            most_revocations=(found.most_revocations or 0) + lacking,
        )
    return campaigns.campaign_named(tx, found.id)


def _member(
    found: Campaign, certificate: Certificate, warned_at: datetime, *, late: bool = False
) -> Member:
    return Member(
        campaign_id=found.id,
        certificate_id=certificate.id,
        subscriber_id=certificate.subscriber,
        warned_at=warned_at,
        late=late,
    )
