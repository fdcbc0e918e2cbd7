"""What every use case of the registration authority works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from core import audit
from core.clock import Clock
from core.database import Database, Tx
from policy import rulebook
from policy.model import Facts
from policy.rulebook import Rulebook
from policy.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Signs the plans of campaigns as compact JWS, and reads what it signed.

    `read` raises Refused for a text that it did not sign.
    """

    sign: Callable[[Mapping[str, Any]], str]
    read: Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The registration authority at work; `actor` is who acts, as `kind:name` (operator:lan)."""

    db: Database
    clock: Clock
    vault: Vault
    rulebooks: Sequence[Rulebook]
    actor: str
    seal: Seal
    _chosen: dict[tuple[date, date | None], Rulebook] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def note(self, tx: Tx, act: str, subject: str, **detail: Any) -> None:  # noqa: ANN401 - any JSON value
        """Put what the actor does now in the audit trail, in the acting transaction."""
        now = self.clock.now()
        audit.append(tx, at=now, actor=self.actor, act=act, subject=subject, **detail)

    def day(self, instant: datetime) -> date:
        """Return the civil day of `instant` in the authority's own zone."""
        return self.rulebooks[0].calendar.day(instant)

    def rulebook(self, now: datetime, known: Facts | None = None) -> Rulebook:
        """Return the rulebook for acts on the civil day of `now`; raises NotFound.

        With facts that are `known`, the dossier among them is judged by the rules of its own day.
        """
        calendar = self.rulebooks[0].calendar
        since = known.dossier_since if known else None
        days = (calendar.day(now), None if since is None else calendar.day(since))
        found = self._chosen.get(days)
        if found is None:
            found = self._chosen[days] = rulebook.applied(self.rulebooks, *days)
        return found
