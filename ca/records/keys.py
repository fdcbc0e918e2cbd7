"""Public keys over all subscribers and over time: who has which, and which are blocked."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import BindParameter, Insert, bindparam, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ca.tables import blocked_key, certificate, subject_key
from core.database import Tx, chunked
from core.executemany import execute_all

_CLAIM: dict[str, Insert] = {
    "sqlite": sqlite_insert(subject_key).on_conflict_do_nothing(),
    "postgresql": postgresql_insert(subject_key).on_conflict_do_nothing(),
}


def claim_keys(tx: Tx, owners: Mapping[bytes, str]) -> dict[bytes, str]:
    """Bind each public key (by its hash) to a subscriber, for ever, unless one has it already.

    Returns whose each key is now. Two that claim one key at once: the first commit has it, and
    the other sees that here.
    """
    if not owners:
        return {}
    # In one order, so that two transactions with the same keys do not wait for each other.
    rows = [{"spki_sha256": spki, "subscriber": owners[spki]} for spki in sorted(owners)]
    execute_all(tx, _CLAIM[tx.dialect.name], rows)
    return owners_of(tx, owners)


_KEYS: BindParameter[bytes] = bindparam("keys", expanding=True)
_OWNED = select(subject_key).where(subject_key.c.spki_sha256.in_(_KEYS))
_BLOCKED = select(blocked_key).where(blocked_key.c.spki_sha256.in_(_KEYS))


def owners_of(tx: Tx, keys: Collection[bytes]) -> dict[bytes, str]:
    """Return the subscriber of each of these keys that has one."""
    found: dict[bytes, str] = {}
    for some in chunked(keys):
        rows = tx.execute(_OWNED, {"keys": some}).all()
        found |= {row.spki_sha256: row.subscriber for row in rows}
    return found


def block_keys(tx: Tx, keys: Iterable[bytes], *, at: datetime, actor: str, because: str) -> None:
    """Block public keys for ever; one that is blocked already keeps its first reason."""
    rows = [{"spki_sha256": spki, "at": at, "actor": actor, "because": because} for spki in keys]
    insert = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    if rows:
        tx.execute(insert(blocked_key).on_conflict_do_nothing(), rows)


def blocked(tx: Tx, keys: Collection[bytes]) -> dict[bytes, str]:
    """Return, of these keys, the blocked ones with the reason why."""
    found: dict[bytes, str] = {}
    for some in chunked(keys):
        rows = tx.execute(_BLOCKED, {"keys": some}).all()
        found |= {row.spki_sha256: row.because for row in rows}
    return found


def key_of(tx: Tx, certificate_id: int) -> bytes:
    """Return the hash of a certificate's public key."""
    query = select(certificate.c.spki_sha256).where(certificate.c.id == certificate_id)
    return bytes(tx.execute(query).scalar_one())
