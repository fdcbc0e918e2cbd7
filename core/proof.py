"""Proves the audit trail, from the database or for an auditor who has only a file.

`examine` finds what a tamperer with full power over the database would leave behind: changed,
removed, inserted and reordered entries, a rewritten chain, a cut tail. `export` writes the trail
so that deploy/verify_audit.py, which shares no code with us, finds the same.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Row, select

from core import sealing
from core.audit import audit_checkpoint, audit_entry, audit_link, audit_unsealed
from core.chain import START, Entry, Head, hash_of
from core.database import Tx
from core.errors import AntinError
from core.sealing import Checkpoint

FORMAT = 1
MOST_FINDINGS = 100
_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an examination came to; `findings` are sentences, empty for a sound trail.

    `sealed` entries stand in the chain, the first `signed` of them under a checkpoint; `waiting`
    entries are committed and not sealed yet.
    """

    sealed: int
    signed: int
    waiting: int
    checkpoints: int
    findings: tuple[str, ...]


@dataclass(slots=True)
class _Notes:
    """Findings, no more than anybody reads."""

    sentences: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        if len(self.sentences) < MOST_FINDINGS:
            self.sentences.append(sentence)


def examine(tx: Tx, key: ec.EllipticCurvePublicKey, *, kept: Sequence[Checkpoint] = ()) -> Report:
    """Examine the whole trail with the audit key's public half.

    `kept` are checkpoints from outside the database (see `sealing.read_checkpoint`): the trail
    must still hold what they sign. They alone prove that no tail was cut off.
    """
    notes = _Notes()
    stored = list(_checkpoints(tx, key, notes))
    wanted: dict[int, list[Checkpoint]] = {}
    for each in (*stored, *kept):
        wanted.setdefault(each.position, []).append(each)
    end = _walk(tx, wanted, notes)
    for position in sorted(wanted):
        if position > end.position:
            notes.add(
                f"The tail is cut off: a checkpoint of {wanted[position][0].at.isoformat()} signs "
                f"{position} entries, and the chain has {end.position}."
            )
    _look_at_waiting(tx, notes)
    return Report(
        sealed=end.position,
        signed=max((each.position for each in stored), default=0),
        waiting=sealing.waiting(tx),
        checkpoints=len(stored),
        findings=tuple(notes.sentences),
    )


def export(tx: Tx) -> Iterator[str]:
    """Yield the trail as lines of JSON: a head, the links in order with checkpoints, an end."""
    end, newest = sealing.head(tx), sealing.newest_checkpoint(tx)
    yield _json(
        {
            "antin_audit_export": FORMAT,
            "entries": end.position,
            "head": end.hash.hex(),
            "waiting": sealing.waiting(tx),
            "checkpoint": None if newest is None else newest.token,
        }
    )
    query = select(audit_checkpoint.c.position, audit_checkpoint.c.token)
    tokens = {row.position: row.token for row in tx.execute(query)}
    for row in _links(tx):
        line = "null" if row.id is None else _entry(row).line()
        yield f'{{"entry":{line},"hash":"{row.hash.hex()}","position":{row.position}}}'
        if row.position in tokens:
            yield _json({"checkpoint": tokens[row.position]})
    yield _json({"end": end.position})


def _walk(tx: Tx, wanted: dict[int, list[Checkpoint]], notes: _Notes) -> Head:
    """Follow the chain link by link; compare each with its entry and with what was signed."""
    end = START
    for row in _links(tx):
        if row.position != end.position + 1:
            notes.add(
                f"Links are missing: position {row.position} follows position {end.position}."
            )
        if row.id is None:
            notes.add(f"The entry {row.entry_id} at position {row.position} was removed.")
        elif hash_of(end.hash, _entry(row)) != row.hash:
            notes.add(
                f"The entry {row.entry_id} at position {row.position} was changed, moved, or put "
                "in another's place: its hash does not follow from it and the link before."
            )
        for each in wanted.get(row.position, ()):
            if each.hash != row.hash:
                notes.add(
                    f"The chain up to position {row.position} was rewritten: the checkpoint of "
                    f"{each.at.isoformat()} signs another one."
                )
        end = Head(position=row.position, hash=row.hash)
    return end


def _checkpoints(tx: Tx, key: ec.EllipticCurvePublicKey, notes: _Notes) -> Iterator[Checkpoint]:
    for row in tx.execute(select(audit_checkpoint).order_by(audit_checkpoint.c.position)):
        try:
            found = sealing.read_checkpoint(key, row.token)
        except AntinError as error:
            notes.add(f"The checkpoint at position {row.position} is not to be trusted: {error}")
            continue
        if found.position != row.position:
            notes.add(
                f"The checkpoint stored for position {row.position} signs position "
                f"{found.position}."
            )
        yield found


def _look_at_waiting(tx: Tx, notes: _Notes) -> None:
    """Every entry is sealed or waits, and what waits is there."""
    known = select(audit_link.c.entry_id)
    waits = select(audit_unsealed.c.entry_id)
    lost = select(audit_entry.c.id).where(
        audit_entry.c.id.not_in(known), audit_entry.c.id.not_in(waits)
    )
    for number in tx.execute(lost.order_by(audit_entry.c.id).limit(MOST_FINDINGS)).scalars():
        notes.add(f"The entry {number} is neither sealed nor waiting: it was put in by hand.")
    gone = waits.where(audit_unsealed.c.entry_id.not_in(select(audit_entry.c.id)))
    for number in tx.execute(gone.limit(MOST_FINDINGS)).scalars():
        notes.add(f"The entry {number} waited for its seal and was removed.")


def _links(tx: Tx) -> Iterable[Row[Any]]:
    query = (
        select(audit_link.c.position, audit_link.c.hash, audit_link.c.entry_id, *audit_entry.c)
        .join(audit_entry, audit_entry.c.id == audit_link.c.entry_id, isouter=True)
        .order_by(audit_link.c.position)
        .execution_options(yield_per=_ROWS)
    )
    return tx.execute(query)


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        actor=row.actor,
        act=row.act,
        subject=row.subject,
        detail=row.detail,
    )


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
