"""Seals the audit trail: a hash chain over the entries, and signed checkpoints of its end.

The acting transactions share no row: each leaves its entry and a note that it waits. One sealer
after another takes what waits and gives it the next places in the chain. So an act never waits for
another one, and the chain keeps the order of commits:

- on PostgreSQL numbers are drawn before the commit, and a lower one may become visible after a
  higher one was sealed; it then gets a later place. Nothing is skipped, because waiting is a row
  and not a guess from numbers;
- of two acts of which one was committed before the other began, the first stands first: whoever
  sees the second sees the first too, and its number is lower.

A checkpoint is a JSON Web Signature by the key of the role `audit`. What is not yet under a
checkpoint is as safe as the database is; a checkpoint that is kept elsewhere also proves that the
trail was not cut off. No checkpoint is signed over a chain that does not go on from the ones
before: whoever cut or rewrote the trail does not get the signature that would hide it.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from core import jws
from core.audit import audit_checkpoint, audit_entry, audit_link, audit_unsealed
from core.chain import START, Entry, Head, extend
from core.database import Database, Tx, chunked
from core.errors import Conflict

CHECKPOINT = "antin-audit-checkpoint+jws"
"""The `typ` of a checkpoint's signature."""

_BATCH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed end of the chain; `token` is the JWS, the other fields are what it signs."""

    position: int
    hash: bytes
    at: datetime
    token: str


def seal(db: Database, *, batch: int = _BATCH) -> int:
    """Give every waiting entry its place in the chain; return how many there were.

    Each batch is one commit. Several sealers may run: they take turns.
    """
    sealed = 0
    while True:
        with db.begin() as tx:  # COMMIT: the links of one batch
            count = _seal_batch(tx, batch)
        sealed += count
        if count < batch:
            return sealed


def is_due(tx: Tx, now: datetime, *, entries: int, interval: timedelta) -> bool:
    """Whether a checkpoint is due: for so many unsigned entries, or so long after the last one."""
    end, newest = head(tx), newest_checkpoint(tx)
    if newest is None:
        return end != START
    unsigned = end.position - newest.position
    return unsigned >= entries or (unsigned > 0 and now >= newest.at + interval)


def checkpoint(
    db: Database,
    now: datetime,
    key: ec.EllipticCurvePrivateKey,
    *,
    kept: Checkpoint | None = None,
) -> Checkpoint | None:
    """Sign the end of the chain and store that; None when the newest checkpoint says it already.

    `kept` is a checkpoint from outside the database. Raises Conflict when the chain does not go on
    from it or from the newest stored one, SigningUnavailable when no token signs: sealing goes on.
    """
    with db.read() as tx:
        end, newest = head(tx), newest_checkpoint(tx)
        for earlier in (newest, kept):
            _require_continued(tx, earlier)
    if end == START or (newest is not None and newest.position == end.position):
        return None
    signed = _sign(end, now, key)
    # Two workers may sign the same end at once: the one that stored it first is enough.
    with suppress(IntegrityError), db.begin() as tx:  # COMMIT: the checkpoint
        tx.execute(
            insert(audit_checkpoint).values(position=end.position, at=now, token=signed.token)
        )
    return signed


def head(tx: Tx) -> Head:
    """Return the end of the chain as this transaction sees it."""
    query = select(audit_link.c.position, audit_link.c.hash)
    row = tx.execute(query.order_by(audit_link.c.position.desc()).limit(1)).one_or_none()
    return START if row is None else Head(position=row.position, hash=row.hash)


def newest_checkpoint(tx: Tx) -> Checkpoint | None:
    """Return the newest checkpoint as it is stored, None before the first."""
    query = select(audit_checkpoint.c.token).order_by(audit_checkpoint.c.position.desc())
    token = tx.execute(query.limit(1)).scalar_one_or_none()
    return None if token is None else _read(token)


def waiting(tx: Tx) -> int:
    """Return how many entries wait for their seal."""
    return int(tx.execute(select(func.count()).select_from(audit_unsealed)).scalar_one())


def waiting_since(tx: Tx) -> datetime | None:
    """Return the instant of the oldest entry that waits for its seal, None when none waits."""
    query = (
        select(audit_entry.c.at)
        .join(audit_unsealed, audit_unsealed.c.entry_id == audit_entry.c.id)
        .order_by(audit_entry.c.id)
        .limit(1)
    )
    found: datetime | None = tx.execute(query).scalar_one_or_none()
    return found


def read_checkpoint(key: ec.EllipticCurvePublicKey, token: str) -> Checkpoint:
    """Return the checkpoint in `token`; raises Refused when `key` did not sign it, or Invalid."""
    jws.verify(key, token, typ=CHECKPOINT)
    return _read(token)


def _seal_batch(tx: Tx, batch: int) -> int:
    _let_no_other_seal(tx)
    query = (
        select(audit_entry)
        .join(audit_unsealed, audit_unsealed.c.entry_id == audit_entry.c.id)
        .order_by(audit_entry.c.id)
        .limit(batch)
    )
    entries = [Entry(**row._mapping) for row in tx.execute(query)]
    links = [
        {"position": link.position, "entry_id": link.entry_id, "hash": link.hash}
        for link in extend(head(tx), entries)
    ]
    if links:
        tx.execute(insert(audit_link), links)
    for numbers in chunked(each.id for each in entries):
        tx.execute(delete(audit_unsealed).where(audit_unsealed.c.entry_id.in_(numbers)))
    return len(entries)


def _let_no_other_seal(tx: Tx) -> None:
    """Wait until no other transaction seals; readers and acts go on. SQLite has one writer."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("LOCK TABLE audit_link IN SHARE ROW EXCLUSIVE MODE"))


def _require_continued(tx: Tx, earlier: Checkpoint | None) -> None:
    if earlier is None:
        return
    query = select(audit_link.c.hash).where(audit_link.c.position == earlier.position)
    if tx.execute(query).scalar_one_or_none() != earlier.hash:
        raise Conflict(
            f"The audit trail does not go on from the checkpoint of {earlier.at.isoformat()} over "
            f"{earlier.position} entries: it was cut or rewritten. No further checkpoint is "
            "signed; run `antin audit verify`, keep the database as it is, and investigate."
        )


def _sign(end: Head, now: datetime, key: ec.EllipticCurvePrivateKey) -> Checkpoint:
    at = now.astimezone(UTC)
    payload = {
        "position": end.position,
        "hash": end.hash.hex(),
        "at": at.isoformat(timespec="microseconds"),
    }
    token = jws.sign(key, payload, typ=CHECKPOINT)
    return Checkpoint(position=end.position, hash=end.hash, at=at, token=token)


def _read(token: str) -> Checkpoint:
    _, payload = jws.read(token)
    try:
        return Checkpoint(
            position=int(payload["position"]),
            hash=bytes.fromhex(payload["hash"]),
            at=datetime.fromisoformat(payload["at"]),
            token=token,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Conflict(
            "A checkpoint of the audit trail is damaged; restore it from its copy outside."
        ) from error
