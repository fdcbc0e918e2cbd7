"""Every stored decision made again from its own facts: the same rulebook must say the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.database import Tx
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
    known = {each.reference: each for each in rulebooks}
    found: list[Difference] = []
    count = 0
    for key, made in _stored(tx):
        count += 1
        rulebook = known.get(made.rulebook)
        if rulebook is None:
            sentence = f"Its rulebook {made.rulebook} is not among the instance's."
            found.append(Difference(decision=key, sentence=sentence))
        elif rules.repeat(made, rulebook) != made:
            again = rules.repeat(made, rulebook)
            sentence = f"It was {_name(made)} and would be {_name(again)}."
            found.append(Difference(decision=key, sentence=sentence))
    return count, found


def _stored(tx: Tx) -> Iterator[tuple[str, Decision | Refusal]]:
    for row in decisions.decisions(tx):
        yield row["id"], decisions.read(row)


def _name(ruling: Decision | Refusal) -> str:
    if isinstance(ruling, Decision):
        return f"{ruling.action} ({ruling.clause}): {ruling.because}"
    return f"refused ({ruling.code}): {ruling.sentence}"
