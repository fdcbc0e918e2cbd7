"""A campaign that is under way is steered: paused, taken up, extended, a certificate exempted."""

from dataclasses import replace
from datetime import datetime

from ca import records as engine
from core import serials
from core.errors import Invalid, NotFound, Refused
from policy import campaign as rules_of_campaigns
from policy.campaign import CampaignEvent, advance
from policy.model import CampaignStage
from policy.office import Office
from policy.planning import check_approved, note, sign
from policy.records import campaigns, plans
from policy.records.campaigns import Campaign
from policy.records.plans import Extension
from policy.rulebook_parts import Joint

_UNDER_WAY = frozenset({CampaignStage.ANNOUNCED, CampaignStage.ENFORCING, CampaignStage.PAUSED})
_MOST_CHARACTERS = 400


def pause(office: Office, campaign_id: str, because: str) -> None:
    """Stop a campaign: its runs end at their next row, no wave goes out, nobody is held by it."""
    _change(office, campaign_id, CampaignEvent.PAUSE, because)


def resume(office: Office, campaign_id: str, because: str) -> None:
    """Let a paused campaign go on."""
    _change(office, campaign_id, CampaignEvent.RESUME, because)


def extend(
    office: Office,
    campaign_id: str,
    *,
    hold_at: datetime | None = None,
    revoke_at: datetime | None = None,
    because: str,
) -> None:
    """Ask for later dates; they count once another person approves them."""
    now = office.clock.now()
    _refuse_empty(because)
    with office.db.begin() as tx:
        found = _under_way(campaigns.campaign_named(tx, campaign_id, lock=True))
        dates = (hold_at or found.hold_at, revoke_at or found.revoke_at)
        rules_of_campaigns.check_extension((found.hold_at, found.revoke_at), dates, now)
        asked = Extension(
            id=0,
            campaign_id=campaign_id,
            hold_at=dates[0],
            revoke_at=dates[1],
            because=because,
            author=office.actor,
            asked_at=now,
            approver=None,
            approved_at=None,
        )
        plans.add_extension(tx, asked)
        note(office, tx, found, "extend", now, because=because, **_dates(asked))


def approve_extension(office: Office, campaign_id: str) -> Extension:
    """A second person approves the extension that was asked for last; its dates count from now.

    The plan is signed again, the same acts with the later dates.
    """
    now = office.clock.now()
    with office.db.begin() as tx:
        found = _under_way(campaigns.campaign_named(tx, campaign_id, lock=True))
        asked = plans.waiting_extension(tx, campaign_id)
        four_eyes = office.rulebook(now).four_eyes
        four_eyes.check(Joint.CAMPAIGN_EXTENSION, asked.author, office.actor)
        dates = (asked.hold_at, asked.revoke_at)
        rules_of_campaigns.check_extension((found.hold_at, found.revoke_at), dates, now)
        check_approved(office, tx, found)
        later = replace(found, hold_at=asked.hold_at, revoke_at=asked.revoke_at)
        digest = sign(office, tx, later, now)
        campaigns.update_campaign(
            tx,
            campaign_id,
            hold_at=asked.hold_at,
            revoke_at=asked.revoke_at,
            plan_digest=digest,
            approved_digest=digest,
        )
        plans.approve_extension(tx, asked.id, office.actor, now)
        note(office, tx, found, "approve_extension", now, plan=digest, **_dates(asked))
    return asked


def exempt(office: Office, campaign_id: str, serial: int, until: datetime, because: str) -> None:
    """Leave one certificate of the campaign alone until an end, when it is judged again."""
    now = office.clock.now()
    _refuse_empty(because)
    if until <= now:
        raise Refused(
            f"The exemption would end at {until.isoformat()}, which is not after now.",
            code="campaign_exemption",
        )
    with office.db.begin() as tx:
        found = _under_way(campaigns.campaign_named(tx, campaign_id, lock=True))
        certificate = engine.lock(tx, engine.by_serial(tx, serial).id)
        known = campaigns.update_member(
            tx, campaign_id, certificate.id, exempt_until=until, exempt_because=because
        )
        name = serials.to_hex(serial)
        if not known:
            raise NotFound(f"The certificate {name} is not in the campaign {campaign_id!r}.")
        note(
            office, tx, found, "exempt", now, serial=name, until=until.isoformat(), because=because
        )


def _change(office: Office, campaign_id: str, event: CampaignEvent, because: str) -> None:
    now = office.clock.now()
    _refuse_empty(because)
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        campaigns.update_campaign(tx, campaign_id, stage=advance(found.stage, event))
        note(office, tx, found, event, now, because=because)


def _under_way(found: Campaign) -> Campaign:
    if found.stage not in _UNDER_WAY:
        raise Refused(
            f"The campaign {found.id} is {found.stage}; only one that is announced and not closed "
            "can be extended or exempted from.",
            code="campaign_event",
        )
    return found


def _dates(asked: Extension) -> dict[str, str]:
    return {"hold_at": asked.hold_at.isoformat(), "revoke_at": asked.revoke_at.isoformat()}


def _refuse_empty(because: str) -> None:
    if not because.strip() or len(because) > _MOST_CHARACTERS:
        raise Invalid(
            f"The reason has {len(because.strip())} characters; write 1 to {_MOST_CHARACTERS}."
        )
