"""Every stored decision made again from its own facts.

Under its own rulebook the answer must be the same; under another one, it shows what that rulebook
would have done.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.database import Tx
from policy import rulebook as rulebook_of
from policy import rules
from policy.model import Decision, Refusal
from policy.records import decisions
from policy.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A decision that does not come out as stored; `sentence` says how."""

    decision: str
    sentence: str


def replay(tx: Tx, rulebooks: Sequence[Rulebook]) -> tuple[int, list[Difference]]:
    """Return how many decisions were made again, and those that came out otherwise."""
    found: list[Difference] = []
    count = 0
    for key, made in _stored(tx):
        count += 1
        rulebook = rulebook_of.named(rulebooks, made.rulebook)
        if rulebook is None:
            sentence = f"Its rulebook {made.rulebook} is not among the instance's."
            found.append(Difference(decision=key, sentence=sentence))
        elif rules.repeat(made, rulebook) != made:
            again = rules.repeat(made, rulebook)
            sentence = f"It was {_name(made)} and would be {_name(again)}."
            found.append(Difference(decision=key, sentence=sentence))
    return count, found


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a decision would have been under other rules; `was` and `would_be` are short words."""

    decision: str
    at: datetime
    subscriber: str
    was: str
    would_be: str
    because: str


def trial(tx: Tx, rulebook: Rulebook, since: datetime) -> tuple[int, list[Change]]:
    """Return how many decisions were made since then, and those that `rulebook` would change.

    The wording does not matter, only what is done and on which ground.
    """
    found: list[Change] = []
    count = 0
    for key, made in _stored(tx, since):
        count += 1
        again = rules.repeat(made, rulebook)
        if _outcome(again) != _outcome(made):
            found.append(
                Change(
                    decision=key,
                    at=made.at,
                    subscriber=made.facts.subscriber,
                    was=_outcome(made),
                    would_be=_outcome(again),
                    because=again.because if isinstance(again, Decision) else again.sentence,
                )
            )
    return count, found


def _outcome(ruling: Decision | Refusal) -> str:
    if isinstance(ruling, Refusal):
        return f"refused ({ruling.code})"
    return f"{ruling.action} ({ruling.ground})" if ruling.ground else str(ruling.action)


def _stored(tx: Tx, since: datetime | None = None) -> Iterator[tuple[str, Decision | Refusal]]:
    for row in decisions.decisions(tx, since=since):
        yield row["id"], decisions.read(row)


def _name(ruling: Decision | Refusal) -> str:
    if isinstance(ruling, Decision):
        return f"{ruling.action} ({ruling.clause}): {ruling.because}"
    return f"refused ({ruling.code}): {ruling.sentence}"
