"""The worker's waves of notices: who still lacks papers is reminded before and after each date.

Each member hears of each wave once: decided under the certificate's lock, and told, noted and
stored in one commit. A wave that was interrupted goes on where it was.
"""

from ca import records as engine
from policy import decisions, facts, rules, waves
from policy.model import Action, CampaignFacts, CampaignStage
from policy.office import Office
from policy.records import campaigns
from policy.records import waves as sent
from policy.waves import Wave

MOST_TOLD = 200
"""After how many a round ends, with the batch it is in: the worker's other tasks do not wait."""

_BATCH = 100
_MOST_BATCHES = 50
_IN_EFFECT = (CampaignStage.ANNOUNCED, CampaignStage.ENFORCING)


def send_due(office: Office) -> int:
    """Tell whom the newest wave of each campaign has not told yet; return how many were told."""
    now = office.clock.now()
    with office.db.read() as tx:
        found = [each for each in campaigns.campaigns(tx) if each.stage in _IN_EFFECT]
    told = 0
    for each in found:
        known = facts.of_campaign(each, each.stage, each.announced_at)
        wave = waves.latest(known, office.rulebook(now), now)
        if wave is not None:
            told += _send(office, known, wave)
    return told


def _send(office: Office, campaign: CampaignFacts, wave: Wave) -> int:
    told = 0
    for _ in range(_MOST_BATCHES):
        with office.db.read() as tx:
            after = sent.reached(tx, campaign.id, wave.name)
            if after is None:
                return told
            some = campaigns.members(tx, campaign.id, after=after, most=_BATCH)
        looked_at = [each.certificate_id for each in some]
        for certificate_id in _lacking(office, campaign, looked_at, wave):
            told += _tell(office, campaign, certificate_id, wave)
        last = looked_at[-1] if looked_at else after
        done_at = None if looked_at else office.clock.now()
        with office.db.begin() as tx:
            sent.set_reached(tx, campaign.id, wave.name, last, done_at=done_at)
        if not some or told >= MOST_TOLD:
            return told
    return told


def _lacking(
    office: Office, campaign: CampaignFacts, certificate_ids: list[int], wave: Wave
) -> list[int]:
    now = office.clock.now()
    with office.db.read() as tx:
        found = engine.by_ids(tx, certificate_ids)
        known = facts.of_certificates(tx, found)
    return [
        certificate.id
        for certificate, each in zip(found, known, strict=True)
        if each.campaign is not None
        and each.campaign.id == campaign.id
        and waves.untold(each, wave)
        and rules.decide(each, office.rulebook(now, each), now).action is Action.REMIND
    ]


def _tell(office: Office, campaign: CampaignFacts, certificate_id: int, wave: Wave) -> bool:
    with office.db.begin() as tx:
        ((_, known),) = facts.lock(tx, [certificate_id])
        now = office.clock.now()  # under the lock: an act that was waited for came before this one
        decision = rules.decide(known, office.rulebook(now, known), now)
        if decision.action is not Action.REMIND or not waves.untold(known, wave):
            return False
        decisions.carry_out(tx, decision, office.actor)
        sent.add_told(tx, campaign.id, wave.name, certificate_id, now)
        campaigns.update_member(tx, campaign.id, certificate_id, reminded_at=now)
        return True
