"""Proves the audit trail, from the database or for an auditor who has only a file.

`examine` finds what a tamperer with full power over the database would leave behind: changed,
removed, inserted and reordered entries, a rewritten chain, a cut tail. `export` writes the trail
so that deploy/verify_audit.py, which shares no code with us, finds the same. Both read the trail in
pieces: memory does not grow with its length.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Row, Select, bindparam, exists, select

from core import handover, sealing
from core.audit import audit_checkpoint, audit_entry, audit_link, audit_unsealed
from core.chain import START, Entry, Head, hash_of
from core.database import Tx
from core.errors import AntinError
from core.handover import Keys
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


Progress = Callable[[int], None]
"""Told, now and then, the position that was reached."""


def examine(
    tx: Tx,
    key: ec.EllipticCurvePublicKey,
    *,
    kept: Sequence[Checkpoint] = (),
    progress: Progress = lambda _position: None,
) -> Report:
    """Examine the whole trail with the public half of the audit key, of whichever generation.

    `kept` are checkpoints from outside the database (see `sealing.read_checkpoint`): the trail
    must still hold what they sign. They alone prove that no tail was cut off.
    """
    notes = _Notes()
    keys = _keys(tx, key, notes)
    stored = list(_checkpoints(tx, keys, notes))
    wanted: dict[int, list[Checkpoint]] = {}
    for each in (*stored, *kept):
        wanted.setdefault(each.position, []).append(each)
    end = _walk(tx, wanted, notes, progress)
    for position in sorted(wanted):
        if position > end.position:
            notes.add(
                f"The tail is cut off: a checkpoint of {wanted[position][0].at.isoformat()} signs "
                f"{position} entries, and the chain has {end.position}."
            )
    _look_at_waiting(tx, notes)
    return Report(
        sealed=end.position,
        signed=max((each.position for each in stored if keys.trusted(each.position)), default=0),
        waiting=sealing.waiting(tx),
        checkpoints=len(stored),
        findings=tuple(notes.sentences),
    )


def heading(tx: Tx, key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """Return the first line of an export of the trail as it stands now; `key` is the newest."""
    end, newest = sealing.head(tx), sealing.newest_checkpoint(tx)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "antin_audit_export": FORMAT,
        "entries": end.position,
        "head": end.hash.hex(),
        "key": pem.decode("ascii"),
        "handovers": sealing.handovers(tx),
        "waiting": sealing.waiting(tx),
        "checkpoint": None if newest is None else newest.token,
    }


def belongs(tx: Tx, position: int, digest: str) -> bool:
    """Whether the chain has the hash `digest` (hex) at `position`; all begin alike at 0."""
    if position == 0:
        return True
    query = select(audit_link.c.hash).where(audit_link.c.position == position)
    found = tx.execute(query).scalar_one_or_none()
    return found is not None and bytes(found).hex() == digest


def export(tx: Tx, first: dict[str, Any], *, after: int = 0) -> Iterator[str]:
    """Yield the trail as lines of JSON: `first` (see `heading`), the links in order, an end.

    Behind a link comes the checkpoint that signs its position, if there is one. `after` goes on
    with an export that was interrupted behind that position: the chain only grows, so that its
    first part is the same.
    """
    last = first["entries"]
    if after == 0:
        yield encode(first)
    query = select(audit_checkpoint.c.position, audit_checkpoint.c.token)
    tokens = {row.position: row.token for row in tx.execute(query)}
    for row in tx.execute(_links().where(_BETWEEN), {"after": after, "last": last}):
        line = "null" if row.id is None else _entry(row).line()
        yield f'{{"entry":{line},"hash":"{row.hash.hex()}","position":{row.position}}}'
        if row.position in tokens:
            yield encode({"checkpoint": tokens[row.position]})
    yield encode({"end": last})


def _walk(tx: Tx, wanted: dict[int, list[Checkpoint]], notes: _Notes, progress: Progress) -> Head:
    """Follow the chain link by link; compare each with its entry and with what was signed."""
    end = START
    for row in tx.execute(_links()):
        if row.position % _ROWS == 0:
            progress(row.position)
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


def _keys(tx: Tx, key: ec.EllipticCurvePublicKey, notes: _Notes) -> Keys:
    try:
        return handover.follow(key, sealing.handovers(tx), sealing.CHECKPOINT)
    except AntinError as error:
        notes.add(str(error))
        return handover.alone(key)


def _checkpoints(tx: Tx, keys: Keys, notes: _Notes) -> Iterator[Checkpoint]:
    for row in tx.execute(select(audit_checkpoint).order_by(audit_checkpoint.c.position)):
        try:
            found = sealing.read_kept(keys, row.token)
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
    known = exists().where(audit_link.c.entry_id == audit_entry.c.id)
    waits = exists().where(audit_unsealed.c.entry_id == audit_entry.c.id)
    lost = select(audit_entry.c.id).where(~known, ~waits).order_by(audit_entry.c.id)
    for number in tx.execute(lost.limit(MOST_FINDINGS)).scalars():
        notes.add(f"The entry {number} is neither sealed nor waiting: it was put in by hand.")
    there = exists().where(audit_entry.c.id == audit_unsealed.c.entry_id)
    gone = select(audit_unsealed.c.entry_id).where(~there)
    for number in tx.execute(gone.limit(MOST_FINDINGS)).scalars():
        notes.add(f"The entry {number} waited for its seal and was removed.")


def _links() -> Select[Any]:
    return (
        select(audit_link.c.position, audit_link.c.hash, audit_link.c.entry_id, *audit_entry.c)
        .join(audit_entry, audit_entry.c.id == audit_link.c.entry_id, isouter=True)
        .order_by(audit_link.c.position)
        .execution_options(yield_per=_ROWS)
    )


_BETWEEN = (audit_link.c.position > bindparam("after")) & (
    audit_link.c.position <= bindparam("last")
)


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        actor=row.actor,
        act=row.act,
        subject=row.subject,
        detail=row.detail,
    )


def encode(value: dict[str, Any]) -> str:
    """Return one line of an export."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
