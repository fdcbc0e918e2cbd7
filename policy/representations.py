"""Who represented a company from when to when, and by which document."""

from dataclasses import dataclass
from datetime import date

from core.database import Tx
from core.errors import Conflict, Invalid, Refused
from policy.office import Office
from policy.records import documents, proofs, subscribers
from policy.register import Subscriber


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """One person at one company; `to_on` is the last day, None while it goes on."""

    number: int
    name: str
    id_type: str
    id_number: str
    from_on: date
    to_on: date | None
    evidence: int

    def __repr__(self) -> str:
        """Name number and days only, so that no traceback or log shows a person."""
        return f"Representation(number={self.number}, {self.from_on} to {self.to_on})"


def add(
    office: Office,
    subscriber_id: str,
    person: tuple[str, str, str],
    *,
    from_on: date,
    evidence: int,
) -> int:
    """Record that a `person` (name, kind and number of the ID) represents a company.

    `evidence` is the number of a document of that company. Raises Refused, NotFound.
    """
    name, id_type, id_number = (each.strip() for each in person)
    if not name:
        raise Invalid("A representation needs the person's name.")
    with office.db.begin() as tx:
        subscribers.subscriber_of(tx, office.vault, subscriber_id)
        owner, _ = documents.owner_of(tx, evidence)
        if owner != subscriber_id:
            raise Refused(
                f"The document {evidence} is not among the papers of {subscriber_id}.",
                code="foreign_evidence",
            )
        values = {"name": name, "id_type": id_type, "id_number": id_number}
        number = proofs.add_representation(
            tx,
            subscriber_id=subscriber_id,
            person=office.vault.seal(_owner(subscriber_id), values),
            mark=subscribers.person_mark(office.vault, name, id_type, id_number),
            from_on=from_on,
            evidence=evidence,
        )
        subject = f"subscriber:{subscriber_id}"
        office.note(tx, "representation.add", subject, representation=number)
        return number


def several(office: Office, tx: Tx, subscriber: Subscriber, day: date) -> bool:
    """Whether who represents a subscriber on a civil `day` does so for other companies too.

    Known from the register's entries and from the representations that cover the day.
    """
    marks = proofs.marks_on(tx, subscriber.id, day)
    entered = subscribers.representative_mark(office.vault, subscriber.personal)
    if entered is not None:
        marks.add(entered)
    companies = {subscriber.id}
    for mark in marks:
        companies |= subscribers.companies_of_representative(tx, mark)
        companies |= proofs.represented_by(tx, mark, day)
    return len(companies) > 1


def end(office: Office, number: int, to_on: date) -> None:
    """Record a representation's last day; raises Refused before its first, Conflict if it ended."""
    with office.db.begin() as tx:
        found = proofs.representation_named(tx, number)
        if found.to_on is not None:
            raise Conflict(f"The representation {number} ended on {found.to_on}.")
        if to_on < found.from_on:
            raise Refused(
                f"The representation {number} began on {found.from_on}, after {to_on}.",
                code="ends_before_it_begins",
            )
        proofs.end_representation(tx, number, to_on)
        subject = f"subscriber:{found.subscriber_id}"
        office.note(tx, "representation.end", subject, representation=number)


def of(office: Office, tx: Tx, subscriber_id: str) -> list[Representation]:
    """Return who represented a company, oldest first."""
    return [
        Representation(
            number=each.id,
            from_on=each.from_on,
            to_on=each.to_on,
            evidence=each.evidence,
            **office.vault.open(_owner(subscriber_id), each.person),
        )
        for each in proofs.representations_of(tx, subscriber_id)
    ]


def _owner(subscriber_id: str) -> str:
    return f"{subscriber_id}|representation"
