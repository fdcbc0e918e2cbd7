"""Proofs of contacts, and who represented whom, in the database; never commits."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update

from core.database import Tx
from core.errors import NotFound
from policy.tables import contact_proof, representation


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That a contact was asked for a code, or is proved; `digest` is the code's."""

    mark: bytes
    digest: bytes | None
    ends_at: datetime
    tries: int
    verified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Represented:
    """One representation; `person` is sealed for `owner`."""

    id: int
    subscriber_id: str
    person: bytes
    from_on: date
    to_on: date | None
    evidence: int


def put(tx: Tx, *, subscriber_id: str, kind: str, **values: Any) -> None:  # noqa: ANN401 - columns
    """Begin the proof of a contact anew."""
    tx.execute(delete(contact_proof).where(*_of(subscriber_id, kind)))
    tx.execute(
        insert(contact_proof).values(subscriber_id=subscriber_id, kind=kind, tries=0, **values)
    )


def proof_of(tx: Tx, subscriber_id: str, kind: str, *, lock: bool = False) -> Proof | None:
    """Return how far the proof of a contact came, locked if wished; None without any."""
    query = select(contact_proof).where(*_of(subscriber_id, kind))
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    return Proof(
        mark=row.mark,
        digest=row.digest,
        ends_at=row.ends_at,
        tries=row.tries,
        verified_at=row.verified_at,
    )


def verify(tx: Tx, subscriber_id: str, kind: str, at: datetime) -> None:
    """Record that a contact is proved; its code proves nothing more."""
    values = {"verified_at": at, "digest": None}
    tx.execute(update(contact_proof).where(*_of(subscriber_id, kind)).values(**values))


def count_try(tx: Tx, subscriber_id: str, kind: str) -> None:
    """Count a wrong code."""
    more = contact_proof.c.tries + 1
    tx.execute(update(contact_proof).where(*_of(subscriber_id, kind)).values(tries=more))


def add_representation(tx: Tx, **values: Any) -> int:  # noqa: ANN401 - columns
    """Record who represents a company; return its number."""
    key = tx.execute(insert(representation).values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def representations_of(tx: Tx, subscriber_id: str) -> list[Represented]:
    """Return who represented a company, oldest first."""
    query = select(representation).where(representation.c.subscriber_id == subscriber_id)
    query = query.order_by(representation.c.from_on, representation.c.id)
    return [_represented(row) for row in tx.execute(query)]


def represented_by(tx: Tx, mark: bytes, day: date) -> set[str]:
    """Return the companies that the person behind `mark` represents on a civil day."""
    query = select(representation.c.subscriber_id).where(
        representation.c.mark == mark, *_covering(day)
    )
    return set(tx.execute(query).scalars())


def marks_on(tx: Tx, subscriber_id: str, day: date) -> set[bytes]:
    """Return the marks of who represents a company on a civil day."""
    query = select(representation.c.mark).where(
        representation.c.subscriber_id == subscriber_id,
        representation.c.mark.is_not(None),
        *_covering(day),
    )
    return set(tx.execute(query).scalars())


def _covering(day: date) -> tuple[Any, ...]:
    last = representation.c.to_on
    return representation.c.from_on <= day, or_(last.is_(None), last >= day)


def representation_named(tx: Tx, number: int) -> Represented:
    """Return a representation, locked; raises NotFound."""
    query = select(representation).where(representation.c.id == number).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no representation number {number}.")
    return _represented(row)


def end_representation(tx: Tx, number: int, to_on: date) -> None:
    """Record the last day of a representation."""
    own = representation.c.id == number
    tx.execute(update(representation).where(own).values(to_on=to_on))


def _represented(row: Row[Any]) -> Represented:
    return Represented(
        id=row.id,
        subscriber_id=row.subscriber_id,
        person=row.person,
        from_on=row.from_on,
        to_on=row.to_on,
        evidence=row.evidence,
    )


def _of(subscriber_id: str, kind: str) -> tuple[Any, Any]:
    return contact_proof.c.subscriber_id == subscriber_id, contact_proof.c.kind == kind
