"""Facts as the database has them now: what the rules look at, for one certificate or for many."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from ca import records as engine
from ca.model import Certificate, HoldSource, Status
from core import serials
from core.database import Tx
from core.errors import NotFound
from policy.model import CampaignFacts, CampaignStage, CaseFacts, CertificateFacts, Facts, Request
from policy.records import campaigns, cases, documents, subscribers
from policy.records.campaigns import Campaign
from policy.records.cases import Case


def of_certificate(tx: Tx, certificate: Certificate, *, request: Request | None = None) -> Facts:
    """Return the facts of one certificate; `request` is what somebody asks for."""
    return of_certificates(tx, [certificate], request=request)[0]


def of_certificates(
    tx: Tx, certificates: Sequence[Certificate], *, request: Request | None = None
) -> list[Facts]:
    """Return the facts of these certificates, in their order, with few queries."""
    names = list(dict.fromkeys(each.subscriber for each in certificates))
    openings = subscribers.openings_of(tx, names)
    papers = documents.documents_of(tx, names)
    by_certificate = {
        case.certificate_id: case
        for of_one in cases.cases_of(tx, names).values()
        for case in of_one
        if case.certificate_id is not None
    }
    member_of = campaigns.memberships(tx, [each.id for each in certificates])
    found = []
    for each in certificates:
        opening = openings.get(each.subscriber)
        if opening is None:
            raise NotFound(f"The register has no subscriber {each.subscriber!r}.")
        case = by_certificate.get(each.id)
        member, campaign = member_of.get(each.id, (None, None))
        found.append(
            Facts(
                subscriber=each.subscriber,
                kind=opening.kind,
                documents=papers.get((each.subscriber, case.id if case else None), ()),
                certificate=_certificate(each),
                campaign=_campaign(campaign),
                case=of_case(case) if case else None,
                request=request,
                warned_at=member.warned_at if member else None,
                reminded_at=member.reminded_at if member else None,
                exempt_until=member.exempt_until if member else None,
                dossier_since=case.opened_at if case else opening.since,
            )
        )
    return found


def of_wanted(tx: Tx, subscriber: str, *, case: Case | None = None) -> Facts:
    """Return the facts for a certificate that does not exist yet, in a remedy case or outside."""
    (found,) = of_all_wanted(tx, [(subscriber, case)])
    if found is None:
        raise NotFound(f"The register has no subscriber {subscriber!r}.")
    return found


def of_all_wanted(tx: Tx, wanted: Sequence[tuple[str, Case | None]]) -> list[Facts | None]:
    """Return the facts for certificates that do not exist yet; None where the register has none.

    Each is wanted for a subscriber, in a remedy case of theirs or outside.
    """
    names = list(dict.fromkeys(name for name, _ in wanted))
    openings, papers = subscribers.openings_of(tx, names), documents.documents_of(tx, names)
    return [
        Facts(
            subscriber=name,
            kind=openings[name].kind,
            documents=papers.get((name, case.id if case else None), ()),
            case=of_case(case) if case else None,
            dossier_since=case.opened_at if case else openings[name].since,
        )
        if name in openings
        else None
        for name, case in wanted
    ]


def lock(tx: Tx, certificate_ids: Iterable[int]) -> list[tuple[Certificate, Facts]]:
    """Lock these certificates and return them with their facts, as they stand now."""
    locked = [engine.lock(tx, each) for each in certificate_ids]
    return list(zip(locked, of_certificates(tx, locked), strict=True))


def of_campaign(
    campaign: Campaign, stage: CampaignStage, announced_at: datetime | None
) -> CampaignFacts:
    """Return a campaign's facts as they are, or would be, at `stage`."""
    return CampaignFacts(
        id=campaign.id,
        stage=stage,
        announced_at=announced_at,
        hold_at=campaign.hold_at,
        revoke_at=campaign.revoke_at,
    )


def as_held(known: Facts, at: datetime) -> Facts:
    """Return the facts as they will be when a dossier hold is placed at `at`."""
    if known.certificate is None:
        return known
    held = replace(
        known.certificate,
        status=Status.HOLD,
        holds=(*known.certificate.holds, HoldSource.DOSSIER),
        dossier_held_at=at,
    )
    return replace(known, certificate=held)


def _certificate(certificate: Certificate) -> CertificateFacts:
    holds = certificate.standing.holds
    dossier = [each.placed_at for each in holds if each.source is HoldSource.DOSSIER]
    return CertificateFacts(
        serial=serials.to_hex(certificate.serial),
        status=certificate.standing.status,
        holds=tuple(each.source for each in holds),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        dossier_held_at=dossier[0] if dossier else None,
        hold_ends=tuple((each.source, each.ends_at) for each in holds if each.ends_at),
    )


def _campaign(campaign: Campaign | None) -> CampaignFacts | None:
    if campaign is None:
        return None
    return of_campaign(campaign, campaign.stage, campaign.announced_at)


def of_case(case: Case) -> CaseFacts:
    """Return a remedy case as the rules look at it."""
    return CaseFacts(
        id=case.id,
        state=case.state,
        token=case.token or "",
        opened_at=case.opened_at,
        payment_requested_at=case.payment_requested_at,
        paid_at=case.paid_at,
        token_received_at=case.token_received_at,
        due_at=case.due_at,
    )
