"""The waves of notices that a campaign sends around its dates, by the rulebook; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from policy.model import CampaignFacts, Facts
from policy.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One wave: when it begins, and the date that it reminds of.

    The name holds that date, so that a date that is moved has waves of its own.
    """

    name: str
    begins_at: datetime
    date: datetime


def latest(campaign: CampaignFacts, rulebook: Rulebook, now: datetime) -> Wave | None:
    """Return the newest wave that has begun, None when none has.

    A wave before a date ends with that date; those that were missed are not made up for.
    """
    begun = [each for each in _waves(campaign, rulebook, now) if each.begins_at <= now]
    return max(begun, key=lambda each: each.begins_at, default=None)


def untold(facts: Facts, wave: Wave) -> bool:
    """Whether the subscriber was last told, warned or held before `wave` began."""
    held_at = facts.certificate.dossier_held_at if facts.certificate else None
    told = [each for each in (facts.warned_at, facts.reminded_at, held_at) if each is not None]
    return not told or max(told) < wave.begins_at


def _waves(campaign: CampaignFacts, rulebook: Rulebook, now: datetime) -> Iterator[Wave]:
    notice = rulebook.campaign.notice
    if now < campaign.hold_at:
        date = campaign.hold_at
        steps = [(f"hold-{days}", date - timedelta(days=days)) for days in notice.days_before_hold]
    elif now < campaign.revoke_at:
        date = campaign.revoke_at
        steps = [
            (f"revoke-{days}", date - timedelta(days=days))
            for days in notice.days_before_revocation
        ]
        steps += [
            (f"hold+{days}", campaign.hold_at + timedelta(days=days))
            for days in notice.days_after_hold
        ]
    else:
        return
    day = rulebook.calendar.day(date).isoformat()
    for name, begins_at in steps:
        yield Wave(name=f"{name}:{day}", begins_at=begins_at, date=date)
