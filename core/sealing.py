"""Seals the audit trail: a hash chain over the entries, and signed checkpoints of its end.

The acting transactions share no row: each leaves its entry and a note that it waits. One sealer
after another takes what waits and gives it the next places in the chain. So an act never waits for
another one, and the chain keeps the order of commits:

- on PostgreSQL numbers are drawn before the commit, and a lower one may become visible after a
  higher one was sealed; it then gets a later place. Nothing is skipped, because waiting is a row
  and not a guess from numbers;
- of two acts of which one was committed before the other began, the first stands first: whoever
  sees the second sees the first too, and its number is lower.

A checkpoint is a JSON Web Signature by the key of the role `audit`; another key follows that one
only by a handover (see `handover`). What is not yet under a checkpoint is as safe as the database
is; a checkpoint that is kept elsewhere also proves that the trail was not cut off. No checkpoint is
signed over a chain that does not go on from the ones before: whoever cut or rewrote the trail does
not get the signature that would hide it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, func, insert, select, text

from core import handover, jws
from core.audit import audit_checkpoint, audit_entry, audit_link, audit_unsealed
from core.chain import START, Entry, Head, extend
from core.database import Database, Tx, chunked
from core.errors import Conflict, Refused
from core.handover import Keys

CHECKPOINT = "antin-audit-checkpoint+jws"
"""The `typ` of a checkpoint's signature."""

_BATCH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed end of the chain; `token` is the JWS, the other fields are what it signs.

    A handover names the key that signs from there on in `following` (DER), others nobody.
    """

    position: int
    hash: bytes
    at: datetime
    token: str
    following: bytes = b""


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
    from it or from the newest stored one, or when `key` is not the one that signs now;
    SigningUnavailable when no token signs: sealing goes on.
    """
    end, newest = _end(db, key, kept)
    if end == START or (newest is not None and newest.position == end.position):
        return None
    signed = _sign(end, now, key)
    # Two workers may sign the same end at once: the one that stored it first is enough.
    _store(db, signed, key)
    return signed


def hand_over(
    db: Database,
    now: datetime,
    key: ec.EllipticCurvePrivateKey,
    to: ec.EllipticCurvePublicKey,
    *,
    kept: Checkpoint | None = None,
) -> Checkpoint:
    """Sign the end of the chain for the last time with `key`, and name the key that signs then.

    Raises as `checkpoint`, and Conflict when the end is signed already.
    """
    end, _ = _end(db, key, kept)
    signed = _sign(end, now, key, to=to)
    if not _store(db, signed, key):
        raise Conflict("The end of the audit trail was signed at the same moment; try again.")
    return signed


def _end(
    db: Database, key: ec.EllipticCurvePrivateKey, kept: Checkpoint | None
) -> tuple[Head, Checkpoint | None]:
    with db.read() as tx:
        end, newest = head(tx), newest_checkpoint(tx)
        for earlier in (newest, kept):
            _require_continued(tx, earlier)
    _require_in_force(newest, key)
    return end, newest


def _store(db: Database, signed: Checkpoint, key: ec.EllipticCurvePrivateKey) -> bool:
    """Store a checkpoint unless its end is signed; a handover in between is not passed over."""
    with db.begin() as tx:  # COMMIT: the checkpoint
        _let_no_other_seal(tx)
        newest = newest_checkpoint(tx)
        _require_in_force(newest, key)
        if newest is not None and newest.position >= signed.position:
            return False
        tx.execute(
            insert(audit_checkpoint).values(
                position=signed.position, at=signed.at, token=signed.token
            )
        )
        return True


def _require_in_force(newest: Checkpoint | None, key: ec.EllipticCurvePrivateKey) -> None:
    """Raise Conflict when another key than `key` signed last, or was named to sign from now on."""
    if newest is None:
        return
    own = handover.octets(key.public_key())
    if newest.following not in {b"", own}:
        raise Conflict(
            f"The audit trail was handed over to the key {handover.fingerprint(newest.following)}; "
            f"{handover.fingerprint(own)} signs it no more. Name the new key as audit in the table "
            "[keys] of the configuration."
        )
    if newest.following != own:
        try:
            read_checkpoint(key.public_key(), newest.token)
        except Refused as error:
            raise Conflict(
                f"The newest checkpoint is not by the audit key {handover.fingerprint(own)}, and "
                "nothing was handed over to that one; name the key that signed it, and use "
                "`antin audit hand-over`."
            ) from error


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


def handovers(tx: Tx) -> list[str]:
    """Return the checkpoints that are handovers, in their order, as they are stored."""
    query = select(audit_checkpoint.c.token).order_by(audit_checkpoint.c.position)
    return [token for token in tx.execute(query).scalars() if "next" in jws.read(token)[1]]


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


def read_kept(keys: Keys, token: str) -> Checkpoint:
    """Return the checkpoint in `token`, signed by the key whose turn it was; raises likewise."""
    return read_checkpoint(keys.at(_read(token).position), token)


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


def _sign(
    end: Head,
    now: datetime,
    key: ec.EllipticCurvePrivateKey,
    *,
    to: ec.EllipticCurvePublicKey | None = None,
) -> Checkpoint:
    payload = {
        "position": end.position,
        "hash": end.hash.hex(),
        "at": now.astimezone(UTC).isoformat(timespec="microseconds"),
    }
    if to is not None:
        payload |= handover.statement(key.public_key(), to)
    return _read(jws.sign(key, payload, typ=CHECKPOINT))


def _read(token: str) -> Checkpoint:
    _, payload = jws.read(token)
    try:
        return Checkpoint(
            position=int(payload["position"]),
            hash=bytes.fromhex(payload["hash"]),
            at=datetime.fromisoformat(payload["at"]),
            token=token,
            following=handover.octets_of(payload, "next") if "next" in payload else b"",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Conflict(
            "A checkpoint of the audit trail is damaged; restore it from its copy outside."
        ) from error
