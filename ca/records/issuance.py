"""The steps of an issuance: rows pending, then issued or lost; and which row follows which."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from ca.model import Certificate, Stage, Standing, Status, Succession
from ca.records import certificates, standings
from ca.tables import certificate, succession
from core.database import Tx, chunked
from core.errors import Conflict
from core.executemany import execute_all
from core.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A certificate that a decision began, with its to-be-signed bytes and its key's hash."""

    certificate: Certificate
    tbs: bytes
    spki_sha256: bytes


_BY_DECISION = certificate.c.decision.in_(bindparam("decisions", expanding=True))
_BEGUN = select(certificate).where(_BY_DECISION)


def begun(tx: Tx, decisions: Collection[str]) -> dict[str, Begun]:
    """Return what these decisions began, pending, issued or lost, by decision."""
    found: dict[str, Begun] = {}
    for some in chunked(decisions):
        rows = tx.execute(_BEGUN, {"decisions": some}).all()
        for row, each in zip(rows, certificates.with_holds(tx, rows), strict=True):
            found[row.decision] = Begun(certificate=each, tbs=row.tbs, spki_sha256=row.spki_sha256)
    return found


_ADD = insert(certificate)
_NUMBERS = select(certificate.c.decision, certificate.c.id).where(_BY_DECISION)


def add_pending(tx: Tx, rows: Sequence[Mapping[str, Any]], births: Sequence[Standing]) -> list[int]:
    """Record certificates that are about to be signed; return their row ids in order.

    Raises Conflict when a decision was used before or a serial is taken.
    """
    values = [
        {"stage": Stage.PENDING, **row, **standings.columns(standing)}
        for row, standing in zip(rows, births, strict=True)
    ]
    try:
        execute_all(tx, _ADD, values)
    except IntegrityError as error:
        raise Conflict(
            "A decision was used for an issuance already; ask for a new decision."
        ) from error
    ids: dict[str, int] = {}
    for some in chunked(row["decision"] for row in rows):
        found = tx.execute(_NUMBERS, {"decisions": some}).all()
        ids |= {row.decision: row.id for row in found}
    numbers = [ids[row["decision"]] for row in rows]
    for number, standing in zip(numbers, births, strict=True):
        for each in standing.holds:
            standings.insert_hold(tx, number, each)
    return numbers


_PENDING = (
    select(certificate.c.id)
    .where(
        certificate.c.id.in_(bindparam("ids", expanding=True)),
        certificate.c.stage == Stage.PENDING,
    )
    .order_by(certificate.c.id)
    .with_for_update()
)


def lock_pending(tx: Tx, certificate_ids: Iterable[int]) -> set[int]:
    """Return which of these rows are still pending, locked until the transaction ends."""
    found: set[int] = set()
    for some in chunked(sorted(certificate_ids)):
        found.update(tx.execute(_PENDING, {"ids": some}).scalars())
    return found


def mark_issued(tx: Tx, ders: Mapping[int, bytes]) -> None:
    """Turn pending rows, which the transaction has locked, into issued certificates."""
    rows = [{"row": number, "octets": der} for number, der in ders.items()]
    execute_all(tx, _ISSUED, rows)


_ISSUED = (
    update(certificate)
    .where(certificate.c.id == bindparam("row"))
    .values(stage=Stage.ISSUED, der=bindparam("octets"))
)


def mark_lost(tx: Tx, certificate_id: int) -> None:
    """Turn a pending, already revoked row into a lost one."""
    tx.execute(
        update(certificate)
        .where(certificate.c.id == certificate_id, certificate.c.stage == Stage.PENDING)
        .values(stage=Stage.LOST)
    )


def pending_since(tx: Tx, before: datetime) -> list[int]:
    """Return the row ids of certificates recorded before `before` and never issued, locked."""
    # Written out and not sorted there: else SQLite goes through every certificate instead of the
    # partial index.
    pending: BindParameter[str] = bindparam("pending", Stage.PENDING.value, literal_execute=True)
    query = select(certificate.c.id).where(
        certificate.c.stage == pending, certificate.c.created_at < before
    )
    return sorted(tx.execute(query.with_for_update(skip_locked=True)).scalars())


def add_succession(
    tx: Tx, *, successor_id: int, predecessor_id: int, kind: Succession, reason: Reason
) -> None:
    """Record that one certificate follows another."""
    tx.execute(
        insert(succession).values(
            successor_id=successor_id, predecessor_id=predecessor_id, kind=kind, reason=reason
        )
    )


def successors(tx: Tx, predecessor_id: int) -> list[tuple[int, Succession, Reason]]:
    """Return the certificates that follow one and live: issued or under way, and not revoked."""
    query = (
        select(succession)
        .join(certificate, certificate.c.id == succession.c.successor_id)
        .where(
            succession.c.predecessor_id == predecessor_id,
            certificate.c.status != Status.REVOKED,
        )
        .order_by(succession.c.successor_id)
    )
    return [
        (row.successor_id, Succession(row.kind), Reason(row.reason)) for row in tx.execute(query)
    ]


def predecessor(tx: Tx, successor_id: int) -> int | None:
    """Return the row of the certificate that this one follows, None when it is a first one."""
    query = select(succession.c.predecessor_id).where(succession.c.successor_id == successor_id)
    found: int | None = tx.execute(query).scalar_one_or_none()
    return found
