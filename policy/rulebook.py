"""The rulebook: every limit, ground, clause, requirement and term as versioned data (TOML).

`load` is the only way in. It refuses unknown keys, wrong types and contradictions, each with a full
sentence that names the key and the value, so that a rulebook that loads can be applied.
"""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, PrivateAttr, ValidationError, field_validator

from ca.model import Act, HoldSource
from core.errors import Invalid, NotFound
from core.reasons import FINAL_REASONS, Reason
from policy.calendar import Calendar
from policy.model import SubscriberKind
from policy.rulebook_parts import (
    Admit,
    Campaigns,
    Clause,
    Dossiers,
    Fee,
    Form,
    FourEyes,
    Ground,
    Ids,
    Limits,
    Named,
    Names,
    OwnDays,
    Part,
    Remedy,
    Requirement,
    Resellers,
    Sentence,
    Word,
)

_PAPER_PROFILE = "paper"
_NO_PROFILE = "regime"
_JOINED = "+"
# What of a rulebook judges dossiers; the rest governs acts.
_OF_DOSSIERS = ("forms", "documents", "accepted", "requirements", "dossier", "ids")
_CAMPAIGN_GROUNDS = (
    ("campaign.hold_ground", Act.SUSPEND, HoldSource.DOSSIER),
    ("campaign.contested_ground", Act.SUSPEND, HoldSource.DOSSIER),
    ("admit.issue_on_hold.ground", Act.SUSPEND, HoldSource.NOT_ACTIVATED),
    ("campaign.revoke_ground", Act.REVOKE, None),
    ("campaign.forged_ground", Act.REVOKE, None),
    ("remedy.forfeit_ground", Act.REVOKE, None),
)


class Rulebook(Part):
    """One version of the rules; `reference` names it in every decision."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
    version: int = Field(ge=1)
    title: Sentence
    regime: Sentence
    profile: Word
    effective_from: date
    effective_until: date | None = None
    reviewed_by_counsel: bool
    zone: str
    contract_clauses: frozenset[Clause]
    own_days: OwnDays = Field(alias="calendar")
    forms: dict[Word, Form]
    documents: dict[Word, Named]
    accepted: dict[Word, frozenset[Word]]
    requirements: dict[SubscriberKind, tuple[Requirement, ...]]
    dossier: Dossiers
    ids: Ids = Ids()
    grounds: dict[Word, Ground]
    admit: Admit
    campaign: Campaigns
    remedy: Remedy
    four_eyes: FourEyes = FourEyes()
    names: Names
    limits: Limits
    fee: Fee | None = None
    resellers: Resellers | None = None
    _judged_by: str = PrivateAttr(default="")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is no time zone of the IANA table") from error
        return name

    @cached_property
    def reference(self) -> str:
        """Its name in decisions: lcs-2024/1; with an older dossier's, nd23-2025/1+lcs-2024/1."""
        own = f"{self.id}/{self.version}"
        return f"{own}{_JOINED}{self._judged_by}" if self._judged_by else own

    @cached_property
    def calendar(self) -> Calendar:
        """The civil calendar in which its terms are counted."""
        return Calendar(
            zone=ZoneInfo(self.zone),
            days_off=frozenset(self.own_days.days_off),
            days_worked=frozenset(self.own_days.days_worked),
        )

    def in_force(self, day: date) -> bool:
        """Whether acts of the civil `day` fall under it; `effective_until` is its last day."""
        return self.effective_from <= day and (
            self.effective_until is None or day <= self.effective_until
        )

    def payment_due(self, requested_at: datetime) -> datetime:
        """Return the last instant (inclusive) for paying what was requested at `requested_at`."""
        return self.remedy.payment.due(requested_at, self.calendar)

    def dossier_due(self, token_received_at: datetime) -> datetime:
        """Return the last instant (inclusive) at which the remedy dossier may be received."""
        return self.remedy.clock.due(token_received_at, self.calendar)

    def forfeits_from(self, due: datetime) -> datetime:
        """Return the first instant at which a remedy dossier that was missed at `due` forfeits."""
        hour = self.remedy.forfeit_hour
        return due if hour is None else self.calendar.next_morning(due, hour)

    def find_grounds(self, act: Act, text: str) -> tuple[str, ...]:
        """Return the names of the grounds for `act` that `text` means: a name or a clause."""
        return tuple(
            name
            for name, ground in self.grounds.items()
            if ground.act is act and text in {name, ground.clause}
        )


def load(text: str) -> Rulebook:
    """Read a rulebook from TOML `text`; raises Invalid with one sentence for each thing wrong."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"The rulebook is not TOML: {error}.") from error
    try:
        rulebook = Rulebook.model_validate(data)
    except ValidationError as error:
        raise Invalid(" ".join(_sentence(each) for each in error.errors())) from error
    wrong = list(_contradictions(rulebook))
    if wrong:
        raise Invalid(" ".join(wrong))
    return rulebook


def choose(rulebooks: Iterable[Rulebook], day: date) -> Rulebook:
    """Return the rulebook for acts of the civil `day`; raises NotFound when none is in force.

    Of several, a profile that this CA put on top of a regime goes before the regime alone; then it
    is the one that came into force last, then the one with the highest version.
    """
    fitting = [each for each in rulebooks if each.in_force(day)]
    if not fitting:
        raise NotFound(f"No rulebook is in force on {day.isoformat()}.")
    return max(
        fitting, key=lambda each: (each.profile != _NO_PROFILE, each.effective_from, each.version)
    )


def applied(rulebooks: Sequence[Rulebook], act_day: date, dossier_day: date | None) -> Rulebook:
    """Return the rulebook for an act of `act_day` on a dossier that was opened on `dossier_day`.

    The act falls under the rules of its own day, the dossier is judged by those of the day on which
    it was opened (or reopened). A dossier older than every rulebook is judged by the act's.
    """
    act = choose(rulebooks, act_day)
    if dossier_day is None:
        return act
    try:
        own = choose(rulebooks, min(dossier_day, act_day))
    except NotFound:
        return act
    return act if own is act else composed(act, own)


def composed(act: Rulebook, dossier: Rulebook) -> Rulebook:
    """Return the rulebook that treats acts as `act` does and judges dossiers as `dossier` does."""
    values = {
        field.alias or name: getattr(dossier if name in _OF_DOSSIERS else act, name)
        for name, field in Rulebook.model_fields.items()
    }
    both = Rulebook.model_construct(**values)
    both._judged_by = dossier.reference  # noqa: SLF001 - its own class's
    return both


def named(rulebooks: Iterable[Rulebook], reference: str) -> Rulebook | None:
    """Return the rulebook that a decision names, composed where it names two; None if missing."""
    known = {each.reference: each for each in rulebooks}
    act, _, dossier = reference.partition(_JOINED)
    if not dossier:
        return known.get(act)
    if act not in known or dossier not in known:
        return None
    return composed(known[act], known[dossier])


def _sentence(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    key = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "extra_forbidden":
        return f"The rulebook has the unknown key {key}; check its spelling."
    if error["type"] == "missing":
        return f"The rulebook lacks the key {key}."
    why = error["msg"].removeprefix("Value error, ")
    return f"The rulebook's key {key} is {error['input']!r}, which cannot be: {why}."


def _contradictions(rulebook: Rulebook) -> Iterator[str]:
    yield from _wrong_dates(rulebook)
    yield from _wrong_forms(rulebook)
    yield from _wrong_requirements(rulebook)
    yield from _wrong_ids(rulebook)
    yield from _wrong_review(rulebook)
    yield from _wrong_grounds(rulebook)
    yield from _wrong_uses(rulebook)
    yield from _wrong_replacements(rulebook)
    yield from _wrong_resellers(rulebook)
    yield from _wrong_admissions(rulebook)
    yield from _wrong_waves(rulebook)


def _wrong_dates(rulebook: Rulebook) -> Iterator[str]:
    until = rulebook.effective_until
    if until is not None and until < rulebook.effective_from:
        yield (
            f"The rulebook ends on {until} (effective_until), before it begins on "
            f"{rulebook.effective_from} (effective_from)."
        )
    for day in sorted(set(rulebook.own_days.days_off) & set(rulebook.own_days.days_worked)):
        yield f"The day {day} is both in calendar.days_off and in calendar.days_worked."


def _wrong_forms(rulebook: Rulebook) -> Iterator[str]:
    for document, forms in sorted(rulebook.accepted.items()):
        if document not in rulebook.documents:
            yield f"The table accepted names the unknown document {document}."
        for form in sorted(forms):
            if form not in rulebook.forms:
                yield f"The key accepted.{document} names the unknown form {form}."
            elif rulebook.profile == _PAPER_PROFILE and not rulebook.forms[form].paper:
                yield f"The profile is paper, but accepted.{document} takes {form}, which is not."


def _wrong_requirements(rulebook: Rulebook) -> Iterator[str]:
    for kind in SubscriberKind:
        if not rulebook.requirements.get(kind):
            yield f"The table requirements asks nothing of the kind {kind}."
    for kind, requirements in rulebook.requirements.items():
        for document in (each for requirement in requirements for each in requirement.kinds):
            if document not in rulebook.documents:
                yield f"The key requirements.{kind} names the unknown document {document}."
            elif not rulebook.accepted.get(document):
                yield (
                    f"The key requirements.{kind} asks for {document}, but accepted.{document} "
                    "names no form in which it may come."
                )


def _wrong_ids(rulebook: Rulebook) -> Iterator[str]:
    ids = rulebook.ids
    for document in sorted(ids.documents - rulebook.documents.keys()):
        yield f"The key ids.documents names the unknown document {document}."
    if ids.documents and not ids.kinds:
        yield "The key ids.documents names documents, but ids.kinds names no kind of ID."
    for extension in ids.extensions:
        for kind in extension.ids:
            if kind not in ids.kinds:
                yield f"The table ids.extensions names the unknown kind of ID {kind}."
        if not extension.expiring_from <= extension.expiring_until <= extension.valid_until:
            yield (
                f"The extension of IDs that expire from {extension.expiring_from} has its days out "
                "of order."
            )


def _wrong_review(rulebook: Rulebook) -> Iterator[str]:
    unread = sorted(name for name, each in rulebook.grounds.items() if "-" in each.clause)
    if unread and rulebook.reviewed_by_counsel:
        yield (
            f"The grounds {', '.join(unread)} name a range of articles, which nobody has read, so "
            "counsel cannot have reviewed the rulebook."
        )


def _wrong_grounds(rulebook: Rulebook) -> Iterator[str]:
    for name, ground in sorted(rulebook.grounds.items()):
        if ground.clause in rulebook.contract_clauses and not ground.contract_clause:
            yield (
                f"The ground {name} rests on {ground.clause}, a condition of the contract, but "
                "names no contract_clause."
            )
        if ground.act is Act.SUSPEND and ground.source is None:
            yield f"The ground {name} suspends, but names no hold source."
        if ground.act is Act.SUSPEND and ground.reason is not Reason.CERTIFICATE_HOLD:
            yield f"The ground {name} suspends with {ground.reason}; holds carry certificateHold."
        if ground.act is Act.REVOKE and ground.source is not None:
            yield f"The ground {name} revokes, so it cannot place a hold of source {ground.source}."
        if ground.act is Act.REVOKE and ground.reason not in FINAL_REASONS:
            yield f"The ground {name} revokes with {ground.reason}, which is no final reason."
        if ground.act is Act.SUSPEND and ground.bad_since_issue:
            yield f"The ground {name} suspends; only a revocation can say bad_since_issue."


def _wrong_uses(rulebook: Rulebook) -> Iterator[str]:
    """Check the grounds that the rules themselves invoke, with nobody asking."""
    for key, act, source in _CAMPAIGN_GROUNDS:
        name = _at(rulebook, key)
        ground = rulebook.grounds.get(name)
        if ground is None:
            yield f"The key {key} names the unknown ground {name}."
        elif ground.act is not act or ground.source != source:
            yield f"The key {key} names {name}, which does not {act} with source {source}."
        elif act is Act.REVOKE and not ground.contract_clause:
            yield (
                f"The key {key} names {name}: a revocation for a dossier rests only on the "
                "contract (Điều 29(1)(d)), so it must name a contract_clause."
            )


def _wrong_replacements(rulebook: Rulebook) -> Iterator[str]:
    for key in ("remedy.refused_ground", "remedy.lost_ground"):
        ground = rulebook.grounds.get(_at(rulebook, key))
        if ground is None or ground.act is not Act.REVOKE:
            yield f"The key {key} is {_at(rulebook, key)}, which is no ground to revoke."


def _wrong_resellers(rulebook: Rulebook) -> Iterator[str]:
    terms = rulebook.resellers
    if terms is None:
        return
    for key, name, taken in (
        ("suspend_ground", terms.suspend_ground, rulebook.admit.suspend.grounds),
        ("revoke_ground", terms.revoke_ground, rulebook.admit.revoke.grounds),
        ("restore_source", terms.restore_source, tuple(rulebook.admit.restore)),
    ):
        if name not in taken:
            yield f"The key resellers.{key} is {name}, for which the table admit has no place."


def _wrong_admissions(rulebook: Rulebook) -> Iterator[str]:
    for act, names in (
        (Act.SUSPEND, rulebook.admit.suspend.grounds),
        (Act.REVOKE, rulebook.admit.revoke.grounds),
    ):
        for name in names:
            ground = rulebook.grounds.get(name)
            if ground is None:
                yield f"The key admit.{act}.grounds names the unknown ground {name}."
            elif ground.act is not act:
                yield f"The key admit.{act}.grounds names {name}, which is there to {ground.act}."
            elif not ground.by:
                yield f"The key admit.{act}.grounds names {name}, for which nobody may ask (by)."
    restore = rulebook.admit.restore
    if HoldSource.NOT_ACTIVATED in restore:
        yield "The hold not_activated ends by activation only; drop admit.restore.not_activated."
    dossier = restore.get(HoldSource.DOSSIER)
    if dossier is not None and not dossier.complete_dossier:
        yield "The table admit.restore.dossier must say complete_dossier = true."


def _wrong_waves(rulebook: Rulebook) -> Iterator[str]:
    for key in ("campaign.notice.days_before_hold", "campaign.notice.days_before_revocation"):
        days = _at(rulebook, key)
        if list(days) != sorted(set(days), reverse=True):
            yield f"The key {key} is {list(days)}; write each day once, the farthest first."
    after = list(rulebook.campaign.notice.days_after_hold)
    if after != sorted(set(after)):
        yield (
            f"The key campaign.notice.days_after_hold is {after}; write each day once, the nearest "
            "first."
        )


def _at(rulebook: Rulebook, key: str) -> Any:  # noqa: ANN401 - a value of the rulebook
    value: Any = rulebook
    for part in key.split("."):
        value = getattr(value, part)
    return value
