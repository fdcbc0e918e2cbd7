"""The campaign's stages and its safeguards, pure: four eyes, fair dates, the mass guard.

    DRAFT -> SIMULATED -> APPROVED -> ANNOUNCED -> ENFORCING -> CLOSED
    ANNOUNCED | ENFORCING -> PAUSED -> ENFORCING ; DRAFT | SIMULATED | APPROVED -> DRAFT, revised

Nobody approves what they wrote, nobody is held on a date that was announced too late, and no run
does more acts than were approved, or than the rulebook lets one run do.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import Refused
from policy.model import CampaignFacts, CampaignStage, Facts
from policy.rulebook import Rulebook


class CampaignEvent(StrEnum):
    """What is done with a campaign."""

    SIMULATE = "simulate"
    REVISE = "revise"
    APPROVE = "approve"
    ANNOUNCE = "announce"
    ENFORCE = "enforce"
    PAUSE = "pause"
    RESUME = "resume"
    CLOSE = "close"


_NEXT: dict[tuple[CampaignStage, CampaignEvent], CampaignStage] = {
    (CampaignStage.DRAFT, CampaignEvent.SIMULATE): CampaignStage.SIMULATED,
    (CampaignStage.DRAFT, CampaignEvent.REVISE): CampaignStage.DRAFT,
    (CampaignStage.SIMULATED, CampaignEvent.SIMULATE): CampaignStage.SIMULATED,
    (CampaignStage.SIMULATED, CampaignEvent.REVISE): CampaignStage.DRAFT,
    (CampaignStage.SIMULATED, CampaignEvent.APPROVE): CampaignStage.APPROVED,
    (CampaignStage.APPROVED, CampaignEvent.REVISE): CampaignStage.DRAFT,
    (CampaignStage.APPROVED, CampaignEvent.ANNOUNCE): CampaignStage.ANNOUNCED,
    (CampaignStage.ANNOUNCED, CampaignEvent.ENFORCE): CampaignStage.ENFORCING,
    (CampaignStage.ANNOUNCED, CampaignEvent.PAUSE): CampaignStage.PAUSED,
    (CampaignStage.ENFORCING, CampaignEvent.PAUSE): CampaignStage.PAUSED,
    (CampaignStage.PAUSED, CampaignEvent.RESUME): CampaignStage.ENFORCING,
    # Called off, at whatever stage: what was held stays held until its dossier is complete.
    **{
        (stage, CampaignEvent.CLOSE): CampaignStage.CLOSED
        for stage in CampaignStage
        if stage is not CampaignStage.CLOSED
    },
}


def advance(stage: CampaignStage, event: CampaignEvent) -> CampaignStage:
    """Return the stage after `event`; raises Refused (campaign_event) when it does not fit."""
    following = _NEXT.get((stage, event))
    if following is None:
        taken = sorted(each for before, each in _NEXT if before is stage)
        raise Refused(
            f"A campaign that is {stage} cannot be taken to {event}; it takes "
            f"{' or '.join(taken) or 'nothing more'}.",
            code="campaign_event",
        )
    return following


def check_dates(
    announced_at: datetime, hold_at: datetime, revoke_at: datetime, rulebook: Rulebook
) -> None:
    """Raise Refused (campaign_dates) when the dates leave subscribers too little time."""
    least = rulebook.campaign.least_notice_days
    if hold_at < announced_at + timedelta(days=least):
        raise Refused(
            f"The hold at {hold_at.isoformat()} comes less than {least} days after the "
            f"announcement at {announced_at.isoformat()} ({rulebook.reference}).",
            code="campaign_dates",
        )
    if revoke_at < hold_at:
        raise Refused(
            f"The revocation at {revoke_at.isoformat()} comes before the hold at "
            f"{hold_at.isoformat()}.",
            code="campaign_dates",
        )


def check_extension(
    before: tuple[datetime, datetime], after: tuple[datetime, datetime], now: datetime
) -> None:
    """Raise Refused (campaign_extension) unless hold and revocation only move to later dates.

    A date that has passed stays: what was done on it cannot be put off.
    """
    if before == after:
        raise Refused(
            "The extension changes no date; name a later hold or revocation.",
            code="campaign_extension",
        )
    for name, was, will_be in zip(("hold", "revocation"), before, after, strict=True):
        if will_be != was and (will_be < was or was <= now):
            why = "it has passed" if was <= now else "an extension only gives more time"
            raise Refused(
                f"The {name} at {was.isoformat()} cannot be moved to {will_be.isoformat()}: {why}.",
                code="campaign_extension",
            )
    if after[1] < after[0]:
        raise Refused(
            f"The revocation at {after[1].isoformat()} comes before the hold at "
            f"{after[0].isoformat()}; extend it too.",
            code="campaign_extension",
        )


def check_mass(count: int, *, active: int, rulebook: Rulebook, approved: int | None = None) -> None:
    """Raise Refused (mass_guard) when a run of `count` acts is larger than it may be.

    `active` is the number of unexpired, unrevoked certificates when the run began, `approved` the
    number of acts that the approved plan named; None while the plan is only made.
    """
    limits = rulebook.campaign.mass
    if approved is not None and count > approved:
        raise Refused(
            f"The run would do {count} acts, but the approved plan names {approved}.",
            code="mass_guard",
        )
    if count > limits.most_acts:
        raise Refused(
            f"The run would do {count} acts; {rulebook.reference} allows {limits.most_acts}.",
            code="mass_guard",
        )
    if count > limits.most_share * active:
        raise Refused(
            f"The run would do {count} acts on {active} active certificates; "
            f"{rulebook.reference} allows a share of {limits.most_share:g}.",
            code="mass_guard",
        )


def foretell(facts: Facts, campaign: CampaignFacts, announced_at: datetime) -> Facts:
    """Return the facts as they will stand if the campaign is announced and everyone is told.

    For simulations: `decide` on them, at the campaign's dates, says what the campaign would do to
    dossiers that do not change meanwhile.
    """
    announced = replace(campaign, stage=CampaignStage.ENFORCING, announced_at=announced_at)
    # An exemption from an earlier campaign is none from this one.
    warned_at = facts.warned_at or announced_at
    return replace(facts, campaign=announced, warned_at=warned_at, exempt_until=None)
