"""Dossiers, certificates, campaigns and cases for the tests of the rules.

`carry_out` is the shortest honest shell: it applies a decision to the facts, as a database would.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from ca.model import HoldSource, Status
from policy import rulebook
from policy.model import (
    Action,
    CampaignFacts,
    CampaignStage,
    CaseFacts,
    CaseState,
    CertificateFacts,
    Decision,
    Document,
    Facts,
    SubscriberKind,
    Verdict,
)
from policy.rulebook import Rulebook

# A busy machine is no finding: the first look at a year's holidays alone may take a while.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

LOCAL = timezone(timedelta(hours=7))
TEXT = (Path(rulebook.__file__).parent / "rulebooks" / "lcs-2024.toml").read_text(encoding="utf-8")
RULES: Rulebook = rulebook.load(TEXT)

ISSUED_AT = datetime(2023, 5, 6, 8, 0, tzinfo=LOCAL)
ANNOUNCED_AT = datetime(2024, 3, 20, 16, 0, tzinfo=LOCAL)
HOLD_AT = datetime(2024, 4, 20, tzinfo=LOCAL)
REVOKE_AT = datetime(2024, 5, 2, tzinfo=LOCAL)
SECOND = timedelta(seconds=1)
PAPERS = {
    SubscriberKind.ORGANISATION: (
        "registration_form",
        "contract",
        "business_registration",
        "representative_id",
    ),
    SubscriberKind.INDIVIDUAL: ("registration_form", "contract", "holder_id"),
    SubscriberKind.STAFF: (
        "registration_form",
        "contract",
        "business_registration",
        "representative_id",
        "holder_id",
        "title_proof",
    ),
}


def at(text: str) -> datetime:
    """Return the local instant written as `2024-04-20 00:05`."""
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL)


def paper(kind: str, *, received: datetime = ISSUED_AT, **changes: Any) -> Document:
    """Return an accepted document in an accepted paper form."""
    form = "paper_original" if kind in {"registration_form", "contract"} else "certified_copy"
    document = Document(kind=kind, form=form, verdict=Verdict.ACCEPTED, received_at=received)
    return replace(document, **changes)


def papers(
    kind: SubscriberKind = SubscriberKind.ORGANISATION,
    *,
    received: datetime = ISSUED_AT,
    without: Iterable[str] = (),
) -> tuple[Document, ...]:
    """Return the complete dossier of `kind`, less the documents in `without`."""
    return tuple(paper(each, received=received) for each in PAPERS[kind] if each not in without)


def certificate(**changes: Any) -> CertificateFacts:
    """Return a good certificate, issued in 2023 and valid through the spring of 2024."""
    good = CertificateFacts(
        serial="0A1B",
        status=Status.GOOD,
        not_before=ISSUED_AT,
        not_after=datetime(2025, 5, 6, 8, 0, tzinfo=LOCAL) - SECOND,
    )
    return replace(good, **changes)


def held(*sources: HoldSource, since: datetime = HOLD_AT, **changes: Any) -> CertificateFacts:
    """Return the certificate on hold from `sources`."""
    dossier_held_at = since if HoldSource.DOSSIER in sources else None
    return certificate(
        status=Status.HOLD, holds=sources, dossier_held_at=dossier_held_at, **changes
    )


def campaign(**changes: Any) -> CampaignFacts:
    """Return the campaign of the spring of 2024, announced."""
    spring = CampaignFacts(
        id="spring",
        stage=CampaignStage.ANNOUNCED,
        announced_at=ANNOUNCED_AT,
        hold_at=HOLD_AT,
        revoke_at=REVOKE_AT,
    )
    return replace(spring, **changes)


def case(state: CaseState = CaseState.TOKEN_RECEIVED, **changes: Any) -> CaseFacts:
    """Return a remedy case."""
    return CaseFacts(id="case-1", state=state, token="LCS1", **changes)


def facts(documents: Iterable[Document] = (), **changes: Any) -> Facts:
    """Return the facts of an organisation that was warned when the campaign was announced."""
    spring = Facts(
        subscriber="KH00001",
        kind=SubscriberKind.ORGANISATION,
        documents=tuple(documents),
        certificate=certificate(),
        campaign=campaign(),
        warned_at=ANNOUNCED_AT,
    )
    return replace(spring, **changes)


def remedy(
    documents: Iterable[Document] = (),
    *,
    received: datetime | None,
    state: CaseState = CaseState.TOKEN_RECEIVED,
    **changes: Any,
) -> Facts:
    """Return the facts of a remedy certificate whose token the customer received at `received`."""
    return facts(
        documents,
        certificate=held(HoldSource.NOT_ACTIVATED),
        campaign=None,
        case=case(state, token_received_at=received),
        **changes,
    )


def carry_out(decision: Decision) -> Facts:
    """Return the facts as they stand after the decision was carried out at its own instant."""
    known = decision.facts
    if decision.action is Action.REMIND:
        told = known.warned_at is not None and known.warned_at <= decision.at
        warned_at = known.warned_at if told else decision.at
        return replace(known, warned_at=warned_at, reminded_at=decision.at)
    if decision.action is Action.CLOSE_UNPAID:
        assert known.case is not None
        return replace(known, case=replace(known.case, state=CaseState.UNPAID))
    if known.certificate is None or decision.action is Action.NOTHING:
        return known
    return replace(known, certificate=_after(decision, known.certificate))


def _after(decision: Decision, before: CertificateFacts) -> CertificateFacts:
    if decision.action in {Action.REVOKE, Action.FORFEIT}:
        return replace(before, status=Status.REVOKED, holds=(), dossier_held_at=None)
    assert decision.source is not None
    if decision.action is Action.HOLD:
        dossier = decision.source is HoldSource.DOSSIER
        return replace(
            before,
            status=Status.HOLD,
            holds=(*before.holds, decision.source),
            dossier_held_at=decision.at if dossier else before.dossier_held_at,
        )
    left = tuple(each for each in before.holds if each is not decision.source)
    return replace(
        before,
        status=Status.HOLD if left else Status.GOOD,
        holds=left,
        dossier_held_at=before.dossier_held_at if HoldSource.DOSSIER in left else None,
    )


# Instants at, just before and just after everything that has a date in the spring of 2024.
_MARKS = (
    ISSUED_AT,
    ANNOUNCED_AT,
    HOLD_AT - timedelta(days=7),
    HOLD_AT,
    REVOKE_AT,
    at("2024-05-09 00:00"),
    at("2025-05-06 07:59:59"),
)
instants = st.builds(
    lambda mark, days, step: (mark + days * timedelta(days=1) + step).astimezone(UTC),
    st.sampled_from(_MARKS),
    st.integers(-8, 8),
    st.sampled_from((-timedelta.resolution, timedelta(0), timedelta.resolution, SECOND)),
)
documents = st.builds(
    Document,
    kind=st.sampled_from((*RULES.documents, "unheard_of")),
    form=st.sampled_from((*RULES.forms, "unheard_of")),
    verdict=st.sampled_from(Verdict),
    received_at=instants,
    reason=st.sampled_from(("", "Bản sao mờ, không đọc được.")),
    expires_on=st.none() | st.dates(ISSUED_AT.date(), REVOKE_AT.date()),
)


@st.composite
def dossiers(draw: st.DrawFn, kind: SubscriberKind) -> tuple[Document, ...]:
    """Draw a dossier: mostly near to complete, with a few documents of any kind beside it."""
    missing = draw(st.sets(st.sampled_from(PAPERS[kind]), max_size=2))
    whole = [paper(each, received=draw(instants)) for each in PAPERS[kind] if each not in missing]
    beside = draw(st.lists(documents, max_size=2) if draw(st.booleans()) else st.just([]))
    return (*whole, *beside)


@st.composite
def all_facts(draw: st.DrawFn) -> Facts:
    """Draw facts of every kind: in and out of campaigns and cases, good, held, revoked, expired."""
    kind = draw(st.sampled_from(SubscriberKind))
    return Facts(
        subscriber="KH00001",
        kind=kind,
        documents=draw(dossiers(kind)),
        conditions=draw(st.sampled_from(((), (), ("signed_by_agent",)))),
        certificate=draw(st.none() | _certificates() | _certificates() | _certificates()),
        campaign=draw(st.none() | _campaigns() | _campaigns()),
        case=draw(st.none() | _cases()),
        warned_at=draw(st.none() | st.just(ANNOUNCED_AT) | instants),
        reminded_at=draw(st.none() | instants),
    )


@st.composite
def _certificates(draw: st.DrawFn) -> CertificateFacts:
    sources = tuple(draw(st.sets(st.sampled_from(HoldSource), max_size=3)))
    if draw(st.integers(0, 5)) == 0:
        return certificate(status=Status.REVOKED)
    if not sources:
        return certificate()
    return held(*sources, since=draw(instants)) if draw(st.booleans()) else held(*sources)


def _campaigns() -> st.SearchStrategy[CampaignFacts]:
    return st.builds(
        campaign,
        stage=st.sampled_from((*CampaignStage, CampaignStage.ANNOUNCED, CampaignStage.ENFORCING)),
        announced_at=st.just(ANNOUNCED_AT) | st.none(),
    )


def _cases() -> st.SearchStrategy[CaseFacts]:
    return st.builds(
        case,
        state=st.sampled_from(CaseState),
        payment_requested_at=st.none() | instants,
        paid_at=st.none() | instants,
        token_received_at=st.none() | instants,
        due_at=st.none() | instants,
    )
