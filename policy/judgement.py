"""The judgement on a dossier, pure: documents and a rulebook in, the dossier's state out.

A requirement is met by one document of its kind that an officer accepted in an accepted form. The
order of the documents says nothing, and time alone never makes a dossier better: it can only let a
document expire.
"""

from collections.abc import Collection, Iterable, Mapping
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
    """Why one requirement is not met; `state` is the dossier's if all else were in order."""

    state: DossierState
    lack: Lack


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
    came = _by_kind(documents)
    needed = [
        each for each in rulebook.requirements[kind] if each.when is None or each.when in conditions
    ]
    met = [_met(each, came, rulebook, today) for each in needed]
    if any(each.verdict in _SUSPECT for each in documents):
        return _suspect(documents, _lacks(needed, met, came, rulebook), rulebook, today)
    instants = [each for each in met if each is not None]
    warnings = _warnings(documents, rulebook, today)
    if len(instants) == len(needed):
        return Judgement(
            state=DossierState.VERIFIED,
            complete=True,
            warnings=warnings,
            completed_at=max(instants),
        )
    lacks = _lacks(needed, met, came, rulebook)
    return Judgement(
        state=_state(lacks) if documents else DossierState.NONE,
        complete=False,
        lacks=tuple(each.lack for each in lacks),
        warnings=warnings,
    )


def _by_kind(documents: Collection[Document]) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for each in documents:
        found.setdefault(each.kind, []).append(each)
    return found


def _met(
    requirement: Requirement,
    came: Mapping[str, list[Document]],
    rulebook: Rulebook,
    today: date | None,
) -> datetime | None:
    """Return when the first document that meets the requirement was received, None if none does."""
    first = None
    for kind in requirement.kinds:
        for each in came.get(kind, ()):
            if (
                each.verdict is Verdict.ACCEPTED
                and each.form in rulebook.accepted[kind]
                and (first is None or each.received_at < first)
                and not ids.refusal(each, rulebook)
                and not _lapsed(each, rulebook, today)
            ):
                first = each.received_at
    return first


def _suspect(
    documents: Collection[Document],
    lacks: list[_Finding],
    rulebook: Rulebook,
    today: date | None,
) -> Judgement:
    """Judge a dossier with a document of doubtful truth: the worst verdict names its state."""
    verdict = next(each for each in _SUSPECT if any(d.verdict is each for d in documents))
    state, says = _SUSPECT[verdict]
    suspects = (
        Lack(document=each.kind, why=f"The {_name(each.kind, rulebook)} {says}{_why(each)}.")
        for each in _sorted(documents)
        if each.verdict is verdict
    )
    return Judgement(
        state=state,
        complete=False,
        lacks=(*suspects, *(each.lack for each in lacks)),
        warnings=_warnings(documents, rulebook, today),
    )


def _state(findings: list[_Finding]) -> DossierState:
    states = {each.state for each in findings}
    return next(state for state in _WORST_FIRST if state in states)


def _lacks(
    needed: list[Requirement],
    met: list[datetime | None],
    came: Mapping[str, list[Document]],
    rulebook: Rulebook,
) -> list[_Finding]:
    found = []
    for requirement, instant in zip(needed, met, strict=True):
        if instant is None:
            own = _sorted(each for kind in requirement.kinds for each in came.get(kind, ()))
            usable = [each for each in own if each.form in rulebook.accepted[each.kind]]
            state, why = _lack(requirement, own, usable, rulebook)
            found.append(_Finding(state, Lack(document=requirement.document, why=why)))
    return found


def _sorted(documents: Iterable[Document]) -> list[Document]:
    return sorted(documents, key=lambda each: each.order)


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
    found = set()
    for each in documents:
        if each.kind not in rulebook.documents:
            found.add(
                f"The rulebook {rulebook.reference} knows no document {each.kind}; it does not "
                "count."
            )
        if _expired(each, rulebook, today):
            last = ids.last_day(each, rulebook)
            found.add(f"The {_name(each.kind, rulebook)} expired on {last}.")
    return tuple(sorted(found))


def _name(kind: str, rulebook: Rulebook) -> str:
    named = rulebook.documents.get(kind)
    return named.en if named else kind


def _why(document: Document) -> str:
    return f": {document.reason.rstrip('.')}" if document.reason else ""
