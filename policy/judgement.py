"""The judgement on a dossier, pure: documents and a rulebook in, the dossier's state out.

A requirement is met by one document of its kind that an officer accepted in an accepted form. The
order of the documents says nothing, and time alone never makes a dossier better: it can only let a
document expire.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from policy import ids
from policy.model import Document, DossierState, Judgement, Lack, SubscriberKind, Verdict
from policy.rulebook import Rulebook
from policy.rulebook_parts import Requirement

_SUSPECT = {
    Verdict.FORGED: (DossierState.FORGED, "is forged"),
    Verdict.CONTESTED: (DossierState.CONTESTED, "is contested"),
}
# The worst requirement decides; what has not come at all is worse than what was rejected.
_WORST_FIRST = (
    DossierState.PARTIAL,
    DossierState.REJECTED,
    DossierState.SUBMITTED,
    DossierState.DOCUMENT_EXPIRED,
)


@dataclass(frozen=True, slots=True)
class _Finding:
    """How one requirement is met; `state` is the dossier's if all else were in order."""

    state: DossierState
    received_at: datetime | None = None
    lack: Lack | None = None


def judge(
    kind: SubscriberKind,
    documents: Collection[Document],
    rulebook: Rulebook,
    *,
    conditions: Collection[str] = (),
    today: date | None = None,
) -> Judgement:
    """Return how the dossier of a subscriber of `kind` stands under `rulebook`.

    `conditions` make conditional documents necessary; `today` is the civil day for the expiry of
    IDs, None to leave expiry aside.
    """
    documents = sorted(documents, key=lambda each: each.order)
    warnings = _warnings(documents, rulebook, today)
    findings = [
        _examine(requirement, documents, rulebook, today)
        for requirement in rulebook.requirements[kind]
        if requirement.when is None or requirement.when in conditions
    ]
    lacks = tuple(each.lack for each in findings if each.lack is not None)
    for verdict, (state, says) in _SUSPECT.items():
        suspects = tuple(
            Lack(document=each.kind, why=f"The {_name(each.kind, rulebook)} {says}{_why(each)}.")
            for each in documents
            if each.verdict is verdict
        )
        if suspects:
            return Judgement(
                state=state, complete=False, lacks=(*suspects, *lacks), warnings=warnings
            )
    if lacks:
        state = _state(findings) if documents else DossierState.NONE
        return Judgement(state=state, complete=False, lacks=lacks, warnings=warnings)
    return Judgement(
        state=DossierState.VERIFIED,
        complete=True,
        warnings=warnings,
        completed_at=max(each.received_at for each in findings if each.received_at is not None),
    )


def _state(findings: list[_Finding]) -> DossierState:
    states = {each.state for each in findings}
    return next(state for state in _WORST_FIRST if state in states)


def _examine(
    requirement: Requirement,
    documents: Collection[Document],
    rulebook: Rulebook,
    today: date | None,
) -> _Finding:
    came = [each for each in documents if each.kind in requirement.kinds]
    usable = [each for each in came if each.form in rulebook.accepted[each.kind]]
    accepted = [each for each in usable if each.verdict is Verdict.ACCEPTED]
    serving = [each for each in accepted if not ids.refusal(each, rulebook)]
    valid = [each for each in serving if not _lapsed(each, rulebook, today)]
    if valid:
        first = min(each.received_at for each in valid)
        return _Finding(DossierState.VERIFIED, received_at=first)
    state, why = _lack(requirement, came, usable, rulebook)
    return _Finding(state, lack=Lack(document=requirement.document, why=why))


def _lack(
    requirement: Requirement, came: list[Document], usable: list[Document], rulebook: Rulebook
) -> tuple[DossierState, str]:
    """Say why a requirement is not met, by the document that came nearest."""
    pending = _latest(usable, Verdict.PENDING)
    if pending is not None:
        name = _name(pending.kind, rulebook)
        on = rulebook.calendar.day(pending.received_at)
        return DossierState.SUBMITTED, f"The {name} received on {on} has not been examined yet."
    lapsed = _latest(usable, Verdict.ACCEPTED)
    if lapsed is not None:
        refusal = ids.refusal(lapsed, rulebook)
        if refusal:
            return DossierState.REJECTED, refusal
        name, last = _name(lapsed.kind, rulebook), ids.last_day(lapsed, rulebook)
        return DossierState.DOCUMENT_EXPIRED, f"The {name} expired on {last}."
    rejected = _latest(usable, Verdict.REJECTED)
    if rejected is not None:
        name = _name(rejected.kind, rulebook)
        return DossierState.REJECTED, f"The {name} was rejected{_why(rejected)}."
    if came and not usable:
        return DossierState.PARTIAL, _wrong_form(max(came, key=_received), rulebook)
    return DossierState.PARTIAL, f"The {_name(requirement.document, rulebook)} is missing."


def _wrong_form(document: Document, rulebook: Rulebook) -> str:
    form = rulebook.forms.get(document.form)
    takes = sorted(rulebook.forms[each].en for each in rulebook.accepted[document.kind])
    return (
        f"The {_name(document.kind, rulebook)} came as {form.en if form else document.form}, which "
        f"does not count; it must come as {' or '.join(takes)}."
    )


def _latest(documents: list[Document], verdict: Verdict) -> Document | None:
    return max((each for each in documents if each.verdict is verdict), key=_received, default=None)


def _received(document: Document) -> datetime:
    return document.received_at


def _expired(document: Document, rulebook: Rulebook, today: date | None) -> bool:
    if today is None or document.expires_on is None or document.verdict is not Verdict.ACCEPTED:
        return False
    last = ids.last_day(document, rulebook)
    return last is not None and last < today


def _lapsed(document: Document, rulebook: Rulebook, today: date | None) -> bool:
    return rulebook.dossier.expired_document == "lack" and _expired(document, rulebook, today)


def _warnings(
    documents: Collection[Document], rulebook: Rulebook, today: date | None
) -> tuple[str, ...]:
    unknown = {
        f"The rulebook {rulebook.reference} knows no document {each.kind}; it does not count."
        for each in documents
        if each.kind not in rulebook.documents
    }
    expired = {
        f"The {_name(each.kind, rulebook)} expired on {ids.last_day(each, rulebook)}."
        for each in documents
        if _expired(each, rulebook, today)
    }
    return tuple(sorted(unknown | expired))


def _name(kind: str, rulebook: Rulebook) -> str:
    named = rulebook.documents.get(kind)
    return named.en if named else kind


def _why(document: Document) -> str:
    return f": {document.reason.rstrip('.')}" if document.reason else ""
