"""The end of a campaign: every certificate of its scope is accounted for, and then it is closed.

Each certificate stands in exactly one row, so the sums of a reconciliation are the scope.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ca import records as engine
from ca.model import Certificate, HoldSource
from core import serials
from core.database import Tx, chunked
from policy import facts, population, rules
from policy.campaign import CampaignEvent, advance
from policy.model import Action, Facts
from policy.office import Office
from policy.planning import note
from policy.records import campaigns, decisions, plans, waves
from policy.records.campaigns import Campaign, Member

_BATCH = 500


class Outcome(StrEnum):
    """What became of a certificate of the scope; SKIPPED says why in its row."""

    REVOKED = "revoked"
    HELD = "held"
    RESTORED = "restored"
    EXPIRED = "expired"
    EXEMPTED = "exempted"
    SAVED = "saved"
    COMPLETE = "complete"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One certificate of the scope and what became of it."""

    serial: str
    subscriber: str
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """A certificate that was exempted, until when and why, whether or not that has ended."""

    serial: str
    until: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What became of a campaign's scope, row by row, and how many each wave of notices told."""

    campaign: str
    scope: int
    rows: tuple[Row, ...]
    exemptions: tuple[Exemption, ...] = ()
    waves: dict[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many certificates had each outcome; their sum is the scope."""
        found = Counter(each.outcome for each in self.rows)
        return {each.value: found[each] for each in Outcome}


def reconcile(office: Office, tx: Tx, campaign_id: str) -> Reconciliation:
    """Account for every certificate of a campaign's scope as it stands now."""
    found = campaigns.campaign_named(tx, campaign_id)
    planned = {each.certificate_id for each in plans.acts_of(tx, campaign_id)}
    rows: list[Row] = []
    members = campaigns.members(tx, campaign_id)
    for some in chunked(members, _BATCH):
        rows.extend(_rows(office, tx, found, {each.certificate_id: each for each in some}, planned))
    size = campaigns.size(tx, campaign_id)
    if len(rows) != size:
        raise AssertionError(f"{len(rows)} rows cannot reconcile a scope of {size}.")
    return Reconciliation(
        campaign=campaign_id,
        scope=size,
        rows=tuple(rows),
        exemptions=tuple(
            Exemption(serial=row.serial, until=each.exempt_until, because=each.exempt_because or "")
            for row, each in zip(rows, members, strict=True)
            if each.exempt_until is not None
        ),
        waves=waves.told(tx, campaign_id),
    )


def close(office: Office, campaign_id: str) -> Reconciliation:
    """End a campaign and account for its scope; what it held stays held until its dossier is full.

    The counts stand in the audit trail, in the same commit.
    """
    now = office.clock.now()
    with office.db.begin() as tx:
        found = campaigns.campaign_named(tx, campaign_id, lock=True)
        stage = advance(found.stage, CampaignEvent.CLOSE)
        report = reconcile(office, tx, campaign_id)
        campaigns.update_campaign(tx, campaign_id, stage=stage)
        note(office, tx, found, "close", now, scope=report.scope, **report.counts)
    return report


def _rows(
    office: Office, tx: Tx, found: Campaign, members: dict[int, Member], planned: set[int]
) -> Iterator[Row]:
    certificates = engine.by_ids(tx, members)
    done = _done(tx, found.id, members)
    known = facts.of_certificates(tx, certificates)
    for certificate, each in zip(certificates, known, strict=True):
        member = members[certificate.id]
        lacked = certificate.id in planned
        outcome, why = _outcome(
            office, certificate, each, done.get(certificate.id, frozenset()), member, lacked=lacked
        )
        yield Row(
            serial=serials.to_hex(certificate.serial),
            subscriber=certificate.subscriber,
            outcome=outcome,
            why=why,
        )


def _done(tx: Tx, campaign_id: str, members: dict[int, Member]) -> dict[int, frozenset[Action]]:
    """Return what this campaign did to each certificate, by its stored decisions."""
    events = engine.events_of(tx, members)
    keys = {each.decision: number for number, own in events.items() for each in own}
    found: dict[int, set[Action]] = {}
    for key, action in decisions.actions_of(tx, campaign_id, keys).items():
        found.setdefault(keys[key], set()).add(action)
    return {number: frozenset(actions) for number, actions in found.items()}


def _outcome(
    office: Office,
    certificate: Certificate,
    known: Facts,
    done: frozenset[Action],
    member: Member,
    *,
    lacked: bool,
) -> tuple[Outcome, str]:
    if certificate.revoked and Action.REVOKE in done:
        return Outcome.REVOKED, "Revoked by the campaign."
    if certificate.revoked:
        return Outcome.SKIPPED, f"Revoked on another ground ({certificate.standing.reason})."
    if certificate.expired(office.clock.now()):
        return Outcome.EXPIRED, f"Expired after {certificate.not_after.isoformat()}."
    if Action.HOLD not in done:
        return _never_held(office, certificate, known, member, lacked=lacked)
    if HoldSource.DOSSIER in certificate.standing.sources:
        return Outcome.HELD, "Held by the campaign."
    return Outcome.RESTORED, "Held by the campaign, then restored."


def _never_held(
    office: Office, certificate: Certificate, known: Facts, member: Member, *, lacked: bool
) -> tuple[Outcome, str]:
    now = office.clock.now()
    judgement = population.judged(office, known, now)
    at = judgement.completed_at
    if at is not None and (lacked or (member.late and at > certificate.created_at)):
        return Outcome.SAVED, f"The dossier was complete on {at.isoformat()}, before its date."
    if judgement.complete:
        return Outcome.COMPLETE, "The dossier was complete."
    if member.exempt_until is not None and now < member.exempt_until:
        until = member.exempt_until.isoformat()
        return Outcome.EXEMPTED, f"Exempt until {until}: {member.exempt_because}"
    return Outcome.SKIPPED, _skipped(office, known, now, lacked=lacked or member.late)


def _skipped(office: Office, known: Facts, now: datetime, *, lacked: bool) -> str:
    if known.case is not None:
        return f"It belongs to the remedy case {known.case.id}."
    if not lacked:
        return "Its dossier lacks papers now, but it is not in the approved plan."
    decision = rules.decide(known, office.rulebook(now, known), now)
    if decision.action is Action.NOTHING:
        return decision.because
    return f"The campaign ended before its act: {decision.action} was due. {decision.because}"
