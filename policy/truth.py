"""The look-up truth, pure: where dossier and certificate stand, what lacks, until when, what to do.

One function answers two readers. The subscriber, who gave the look-up code, is told the documents
by name and every step of a remedy case; the public is told neither, and nobody is told a person.
Each step comes in Vietnamese and English; of several the most pressing stands first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from ca.model import HoldSource, Status
from policy import steps
from policy.cases import FINAL
from policy.judgement import judge
from policy.model import CampaignStage, CaseFacts, CaseState, DossierState, Facts, Judgement
from policy.rulebook import Rulebook
from policy.steps import Said

_IN_EFFECT = frozenset({CampaignStage.ANNOUNCED, CampaignStage.ENFORCING})
_EXAMINED = frozenset({DossierState.SUBMITTED, DossierState.CONTESTED, DossierState.FORGED})


class Reader(StrEnum):
    """Who asks."""

    PUBLIC = "public"
    SUBSCRIBER = "subscriber"


class DossierSeen(StrEnum):
    """How a dossier stands, in a word that tells the public nothing of a suspicion."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    EXAMINED = "examined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a reader is told beside the certificate's status.

    `lacking` counts the documents still needed; `documents` names them, for the subscriber alone.
    `until` is the last instant for the first of `steps` that has one (24:00 is the next midnight).
    """

    dossier: DossierSeen
    lacking: int
    documents: tuple[tuple[str, str], ...]
    until: datetime | None
    steps: tuple[Said, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    key: str
    until: datetime | None = None


def truth(
    known: Facts,
    rulebook: Rulebook,
    now: datetime,
    *,
    reader: Reader = Reader.PUBLIC,
    next_case: CaseFacts | None = None,
    silent: bool = False,
) -> Truth:
    """Return what `reader` is told of one certificate; `next_case` is a case for its successor.

    Of an authority's `silent` hold neither reader learns more than that there is one.
    """
    today = rulebook.calendar.day(now)
    judgement = judge(
        known.kind, known.documents, rulebook, conditions=known.conditions, today=today
    )
    found = list(_steps(known, rulebook, now, judgement, next_case))
    if silent:
        found = [_Step(key="held") if each.key == "authority" else each for each in found]
    if reader is Reader.PUBLIC:
        found = [each for each in found if each.key not in steps.PRIVATE] or [_Step(key="ask")]
    named = [rulebook.documents.get(lack.document) for lack in judgement.lacks]
    documents = tuple((each.vi, each.en) for each in named if each is not None)
    return Truth(
        dossier=_seen(judgement),
        lacking=len(judgement.lacks),
        documents=documents if reader is Reader.SUBSCRIBER else (),
        until=next((each.until for each in found if each.until is not None), None),
        steps=tuple(steps.said(each.key, _written(each.until, rulebook)) for each in found),
    )


def _seen(judgement: Judgement) -> DossierSeen:
    if judgement.complete:
        return DossierSeen.COMPLETE
    return DossierSeen.EXAMINED if judgement.state in _EXAMINED else DossierSeen.INCOMPLETE


def _steps(
    known: Facts,
    rulebook: Rulebook,
    now: datetime,
    judgement: Judgement,
    next_case: CaseFacts | None,
) -> Iterator[_Step]:
    certificate = known.certificate
    case = known.case or next_case
    if certificate is None or certificate.status is Status.REVOKED or certificate.expired(now):
        if case is not None and case.state not in FINAL:
            yield _of_case(case, rulebook)
        elif certificate is not None and certificate.status is Status.REVOKED:
            yield _Step(key="revoked")
        else:
            yield _Step(key="expired")
        return
    ends = dict(certificate.hold_ends)
    if HoldSource.AUTHORITY in certificate.holds:
        yield _Step(key="authority", until=ends.get(HoldSource.AUTHORITY))
    if HoldSource.LOSS in certificate.holds:
        yield _Step(key="loss")
    if HoldSource.NOT_ACTIVATED in certificate.holds and case is not None:
        yield _of_case(case, rulebook)
    elif not judgement.complete:
        yield _papers(known, judgement, now)
    if HoldSource.SUBSCRIBER in certificate.holds:
        yield _Step(key="pause", until=ends.get(HoldSource.SUBSCRIBER))
    if not certificate.holds and judgement.complete:
        renewable = timedelta(days=rulebook.limits.renewal_days_before_end)
        soon = certificate.not_after - now <= renewable
        yield _Step(key="renew", until=certificate.not_after) if soon else _Step(key="nothing")


def _papers(known: Facts, judgement: Judgement, now: datetime) -> _Step:
    """Say what an incomplete dossier asks for, and until when a campaign leaves time."""
    if judgement.state in _EXAMINED:
        return _Step(key="wait")
    campaign, certificate = known.campaign, known.certificate
    if campaign is None or campaign.stage not in _IN_EFFECT or certificate is None:
        return _Step(key="send")
    if HoldSource.DOSSIER not in certificate.holds:
        until = campaign.hold_at if now < campaign.hold_at else None
        return _Step(key="send_or_hold" if until else "send", until=until)
    until = campaign.revoke_at if now < campaign.revoke_at else None
    return _Step(key="send_or_lose" if until else "send_at_once", until=until)


def _of_case(case: CaseFacts, rulebook: Rulebook) -> _Step:
    until = None
    if case.state is CaseState.PAYMENT_REQUESTED and case.payment_requested_at is not None:
        until = rulebook.payment_due(case.payment_requested_at)
    elif case.state in (CaseState.TOKEN_RECEIVED, CaseState.DOSSIER_RECEIVED):
        until = case.due_at
        if until is None and case.token_received_at is not None:
            until = rulebook.dossier_due(case.token_received_at)
    return _Step(key=f"case_{case.state}", until=until)


def _written(until: datetime | None, rulebook: Rulebook) -> str:
    """Write an instant in local time; midnight is 24:00 of the day before, as deadlines are."""
    if until is None:
        return ""
    local = rulebook.calendar.local(until)
    if local.time() == time.min:
        return f"24:00 {local.date() - timedelta(days=1):%d/%m/%Y}"
    return f"{local:%H:%M %d/%m/%Y}"
