"""One question put to the rules: facts, rulebook and instant, with what all answers need.

Only papers that the office had by `now` count. At the very stroke of a date the commit that came
first wins: papers recorded before the hold save the certificate, those recorded after it lift the
hold at once.
"""

from dataclasses import dataclass
from datetime import datetime

from ca.model import HoldSource, Status
from policy.judgement import judge
from policy.model import Action, Decision, Document, Facts, Judgement, Refusal, Wanted
from policy.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked; `wanted` is None when time and dossier ask by themselves."""

    facts: Facts
    rulebook: Rulebook
    now: datetime
    wanted: Wanted | None = None

    @property
    def holds(self) -> tuple[HoldSource, ...]:
        """The sources that hold the certificate now."""
        return () if self.facts.certificate is None else self.facts.certificate.holds

    def judgement(self, until: datetime | None = None) -> Judgement:
        """Judge the dossier on the papers received by now, and by `until` (inclusive) if given."""
        return judge(
            self.facts.kind,
            [each for each in self.facts.documents if self._counts(each, until)],
            self.rulebook,
            conditions=self.facts.conditions,
            today=self.rulebook.calendar.day(self.now),
        )

    def ended(self) -> str:
        """Say why the certificate takes no further act, or return an empty text."""
        certificate = self.facts.certificate
        if certificate is None:
            return "There is no certificate."
        if certificate.status is Status.REVOKED:
            return f"The certificate {certificate.serial} is revoked, and revoked is final."
        if certificate.expired(self.now):
            return (
                f"The certificate {certificate.serial} expired after "
                f"{self.when(certificate.not_after)}; an expired certificate takes no further act."
            )
        return ""

    def when(self, instant: datetime) -> str:
        """Write `instant` in the CA's local time, for sentences."""
        return self.rulebook.calendar.local(instant).isoformat(sep=" ", timespec="seconds")

    def nothing(self, because: str) -> Decision:
        """Return the decision that nothing is to be done."""
        return self.decision(Action.NOTHING, self.rulebook.dossier.clause, because)

    def decision(
        self,
        action: Action,
        clause: str,
        because: str,
        *,
        source: HoldSource | None = None,
        lacks: tuple[str, ...] = (),
    ) -> Decision:
        """Return a decision without a ground."""
        return Decision(
            action=action,
            clause=clause,
            because=because,
            rulebook=self.rulebook.reference,
            at=self.now,
            facts=self.facts,
            wanted=self.wanted,
            source=source,
            lacks=lacks,
        )

    def on_ground(
        self, action: Action, ground: str, because: str, *, lacks: tuple[str, ...] = ()
    ) -> Decision:
        """Return a decision on a ground of the rulebook, with its clauses, source and reason."""
        terms = self.rulebook.grounds[ground]
        return Decision(
            action=action,
            clause=terms.clause,
            because=because,
            rulebook=self.rulebook.reference,
            at=self.now,
            facts=self.facts,
            wanted=self.wanted,
            source=terms.source,
            reason=terms.reason,
            ground=ground,
            contract_clause=terms.contract_clause,
            invalidity_date=self._bad_since() if terms.bad_since_issue else None,
            lacks=lacks,
        )

    def refusal(
        self, code: str, sentence: str, *, clause: str = "", reasons: tuple[str, ...] = ()
    ) -> Refusal:
        """Return the refusal of what was wanted; raises ValueError when nothing was."""
        if self.wanted is None:
            raise ValueError("Nobody asked for an act, so none can be refused.")
        return Refusal(
            code=code,
            sentence=sentence,
            clause=clause or self.rulebook.dossier.clause,
            rulebook=self.rulebook.reference,
            at=self.now,
            facts=self.facts,
            wanted=self.wanted,
            reasons=reasons,
        )

    def _bad_since(self) -> datetime | None:
        # An invalidity date never lies after the revocation (RFC 5280 5.3.2).
        certificate = self.facts.certificate
        return None if certificate is None else min(certificate.not_before, self.now)

    def _counts(self, document: Document, until: datetime | None) -> bool:
        if until is not None and document.received_at > until:
            return False
        return document.received_at <= self.now


def sentences(judgement: Judgement) -> tuple[str, ...]:
    """Return why the dossier is not complete, as full sentences."""
    return tuple(lack.why for lack in judgement.lacks)
