"""What every use case of the registration authority works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.clock import Clock
from core.database import Database
from policy import rulebook
from policy.rulebook import Rulebook
from policy.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The registration authority at work; `actor` is who acts, as `kind:name` (operator:lan)."""

    db: Database
    clock: Clock
    vault: Vault
    rulebooks: Sequence[Rulebook]
    actor: str

    def rulebook(self, now: datetime) -> Rulebook:
        """Return the rulebook in force on the civil day of `now`; raises NotFound."""
        local = self.rulebooks[0].calendar.day(now)
        return rulebook.choose(self.rulebooks, local)
