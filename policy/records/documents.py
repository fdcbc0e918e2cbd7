"""Dossiers in the database: a transaction in, values out; never commits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from core.database import Tx
from core.errors import NotFound
from policy.model import Document, Verdict
from policy.records.batches import batches
from policy.tables import document, document_file


def add_document(
    tx: Tx, subscriber_id: str, case_id: str | None, new: Document, judged_at: datetime | None
) -> int:
    """Add a document to a subscriber's original dossier or to a case's; return its number."""
    key = tx.execute(
        insert(document).values(
            subscriber_id=subscriber_id,
            case_id=case_id,
            kind=new.kind,
            form=new.form,
            verdict=new.verdict,
            received_at=new.received_at,
            judged_at=judged_at,
            reason=new.reason,
            expires_on=new.expires_on,
            id_kind=new.id_kind,
        )
    ).inserted_primary_key
    return int(key[0]) if key else 0


def add_file(tx: Tx, document_id: int, values: Mapping[str, Any], at: datetime) -> None:
    """Record a document's file: its `address`, `media_type` and `size`."""
    tx.execute(insert(document_file).values(document_id=document_id, stored_at=at, **values))


def file_of(tx: Tx, document_id: int) -> tuple[str, str, str, int]:
    """Return a document's subscriber and its file's address, type and size; raises NotFound."""
    query = (
        select(document.c.subscriber_id, document_file)
        .join(document_file, document_file.c.document_id == document.c.id)
        .where(document.c.id == document_id)
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"The document number {document_id} has no file.")
    return row.subscriber_id, row.address, row.media_type, row.size


def owner_of(tx: Tx, document_id: int) -> tuple[str, str | None]:
    """Return the subscriber and the case that a document belongs to; raises NotFound."""
    row = tx.execute(select(document).where(document.c.id == document_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no document number {document_id}.")
    return row.subscriber_id, row.case_id


def verdict_of(tx: Tx, document_id: int) -> Verdict:
    """Return the officer's verdict on a document."""
    query = select(document.c.verdict).where(document.c.id == document_id)
    return Verdict(tx.execute(query).scalar_one())


def set_verdict(tx: Tx, document_id: int, verdict: Verdict, reason: str, at: datetime) -> str:
    """Write an officer's verdict on a document; return its subscriber's id; raises NotFound."""
    owner, _ = owner_of(tx, document_id)
    tx.execute(
        update(document)
        .where(document.c.id == document_id)
        .values(verdict=verdict, reason=reason, judged_at=at)
    )
    return owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a paper lies, and how many copies of it there are."""

    office: str = ""
    box: str = ""
    shelf: str = ""
    copies: int = 1

    def __str__(self) -> str:
        """Write office, box and shelf in one line."""
        return " / ".join(each for each in (self.office, self.box, self.shelf) if each)


def set_place(tx: Tx, document_id: int, place: Place) -> str:
    """Record where a paper lies; return its subscriber's id; raises NotFound."""
    owner, _ = owner_of(tx, document_id)
    values = {name: getattr(place, name) for name in Place.__slots__}
    tx.execute(update(document).where(document.c.id == document_id).values(**values))
    return owner


def places_of(tx: Tx, subscriber_id: str) -> dict[int, Place]:
    """Return where each paper of a subscriber lies, by its number."""
    columns = (document.c.office, document.c.box, document.c.shelf, document.c.copies)
    query = select(document.c.id, *columns).where(document.c.subscriber_id == subscriber_id)
    return {
        row.id: Place(office=row.office, box=row.box, shelf=row.shelf, copies=row.copies)
        for row in tx.execute(query)
    }


def addresses_of(tx: Tx, subscriber_id: str) -> list[str]:
    """Return the addresses of a subscriber's files."""
    own = select(document.c.id).where(document.c.subscriber_id == subscriber_id)
    query = select(document_file.c.address).where(document_file.c.document_id.in_(own))
    return sorted(set(tx.execute(query).scalars()))


def forget_files(tx: Tx, subscriber_id: str) -> None:
    """Remove the entries of a subscriber's files, whose bytes are gone."""
    own = select(document.c.id).where(document.c.subscriber_id == subscriber_id)
    tx.execute(delete(document_file).where(document_file.c.document_id.in_(own)))


def forget_reasons(tx: Tx, subscriber_id: str) -> None:
    """Remove what officers wrote of a subscriber's papers: it may name a person."""
    own = document.c.subscriber_id == subscriber_id
    tx.execute(update(document).where(own).values(reason="", expires_on=None))


_DOCUMENT = (
    document.c.kind, document.c.form, document.c.verdict, document.c.received_at,
    document.c.reason, document.c.expires_on, document.c.id_kind,
)  # fmt: skip
"""What the rules look at."""

_OF_SUBSCRIBERS = (
    select(document.c.subscriber_id, document.c.case_id, *_DOCUMENT)
    .where(document.c.subscriber_id.in_(bindparam("names", expanding=True)))
    .order_by(document.c.id)
)


def documents_of(
    tx: Tx, subscribers: Iterable[str]
) -> dict[tuple[str, str | None], tuple[Document, ...]]:
    """Return the documents of these subscribers by (subscriber, case), the original under None."""
    found: dict[tuple[str, str | None], list[Document]] = {}
    for names in batches(subscribers):
        for owner, case, *values in tx.execute(_OF_SUBSCRIBERS, {"names": names}):
            found.setdefault((owner, case), []).append(_document(values))
    return {key: tuple(documents) for key, documents in found.items()}


def numbered_documents(tx: Tx, subscriber_id: str) -> list[tuple[int, str | None, Document]]:
    """Return one subscriber's documents as (number, case, document), in the order of arrival."""
    query = (
        select(document.c.id, document.c.case_id, *_DOCUMENT)
        .where(document.c.subscriber_id == subscriber_id)
        .order_by(document.c.received_at, document.c.id)
    )
    return [(number, case, _document(values)) for number, case, *values in tx.execute(query)]


def _document(values: Sequence[Any]) -> Document:
    """Return the document of these values of _DOCUMENT."""
    kind, form, verdict, received_at, reason, expires_on, id_kind = values
    return Document(
        kind=kind,
        form=form,
        verdict=Verdict(verdict),
        received_at=received_at,
        reason=reason,
        expires_on=expires_on,
        id_kind=id_kind,
    )
