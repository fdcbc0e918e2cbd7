"""Remedy cases and tokens in the database; never commits."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from core.errors import Conflict, NotFound
from policy.model import CaseState
from policy.records.batches import batches
from policy.tables import case_extension, remedy_case, token
from policy.tokens import TokenState


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A remedy case as it stands; `assisted` when an officer leads it (several companies)."""

    id: str
    subscriber_id: str
    state: CaseState
    assisted: bool
    opened_at: datetime
    payment_requested_at: datetime | None
    paid_at: datetime | None
    token: str | None
    certificate_id: int | None
    token_received_at: datetime | None
    due_at: datetime | None
    closed_at: datetime | None
    contract_returned_at: datetime | None = None
    contract_parcel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A later date for a case; `evidence` is the number of a document of the case."""

    id: int
    case_id: str
    until: datetime
    evidence: int
    because: str
    asked_by: str
    asked_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None


def add_case(tx: Tx, new: Case) -> None:
    """Record a remedy case; raises Conflict when the id is taken."""
    try:
        tx.execute(insert(remedy_case).values(**asdict(new)))
    except IntegrityError as error:
        raise Conflict(f"There is a case {new.id!r} already.") from error


def case_named(tx: Tx, case_id: str, *, lock: bool = False) -> Case:
    """Return a case, locked if wished; raises NotFound."""
    query = select(remedy_case).where(remedy_case.c.id == case_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no case {case_id!r}.")
    return _case(row._mapping)


def cases_of(tx: Tx, subscribers: Iterable[str]) -> dict[str, list[Case]]:
    """Return the cases of these subscribers, oldest first, by subscriber."""
    found: dict[str, list[Case]] = {}
    for names in batches(subscribers):
        query = select(remedy_case).where(remedy_case.c.subscriber_id.in_(names))
        for row in tx.execute(query.order_by(remedy_case.c.opened_at, remedy_case.c.id)):
            found.setdefault(row.subscriber_id, []).append(_case(row._mapping))
    return found


def open_cases(tx: Tx) -> list[Case]:
    """Return the cases that are not closed, oldest first."""
    query = select(remedy_case).where(remedy_case.c.closed_at.is_(None))
    query = query.order_by(remedy_case.c.opened_at, remedy_case.c.id)
    return [_case(row._mapping) for row in tx.execute(query)]


def update_case(tx: Tx, case_id: str, **values: Any) -> None:  # noqa: ANN401 - columns
    """Change columns of a case."""
    tx.execute(update(remedy_case).where(remedy_case.c.id == case_id).values(**values))


def put_token(tx: Tx, serial: str, subscriber_id: str, state: TokenState, at: datetime) -> None:
    """Record that a token is in `state` from `at` on, whether it was known before or not."""
    values = {"subscriber_id": subscriber_id, "state": state, "changed_at": at}
    changed = tx.execute(update(token).where(token.c.serial == serial).values(**values))
    if changed.rowcount == 0:
        tx.execute(insert(token).values(serial=serial, **values))


def token_states(tx: Tx, tokens: Iterable[str] | None = None) -> dict[str, TokenState]:
    """Return the state of every known token, or of those named, by serial."""
    query = select(token.c.serial, token.c.state)
    if tokens is not None:
        query = query.where(token.c.serial.in_(list(tokens)))
    return {row.serial: TokenState(row.state) for row in tx.execute(query)}


def token_owner(tx: Tx, serial: str) -> str:
    """Return the subscriber that a token was sent to; raises NotFound."""
    owner: str | None = tx.execute(
        select(token.c.subscriber_id).where(token.c.serial == serial)
    ).scalar_one_or_none()
    if owner is None:
        raise NotFound(f"No remedy case has the token {serial!r}.")
    return owner


def case_of_token(tx: Tx, serial: str) -> Case | None:
    """Return the case that has this token now; None for one that was replaced."""
    row = tx.execute(select(remedy_case).where(remedy_case.c.token == serial)).one_or_none()
    return None if row is None else _case(row._mapping)


def contracts_to_return(tx: Tx) -> list[Case]:
    """Return the activated cases whose copy of the contract did not go back yet, oldest first."""
    query = select(remedy_case).where(
        remedy_case.c.state == CaseState.ACTIVATED, remedy_case.c.contract_returned_at.is_(None)
    )
    query = query.order_by(remedy_case.c.closed_at, remedy_case.c.id)
    return [_case(row._mapping) for row in tx.execute(query)]


def add_extension(tx: Tx, **values: Any) -> int:  # noqa: ANN401 - columns
    """Record that a later date is asked for; return its number."""
    key = tx.execute(insert(case_extension).values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def extension_named(tx: Tx, number: int) -> Extension:
    """Return an extension, locked; raises NotFound."""
    query = select(case_extension).where(case_extension.c.id == number).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no extension number {number}.")
    return Extension(**row._mapping)


def waiting_extensions(tx: Tx) -> list[Extension]:
    """Return the extensions that nobody approved yet, oldest first."""
    query = select(case_extension).where(case_extension.c.approved_at.is_(None))
    return [Extension(**row._mapping) for row in tx.execute(query.order_by(case_extension.c.id))]


def approve_extension(tx: Tx, number: int, actor: str, at: datetime) -> None:
    """Record who approved an extension."""
    tx.execute(
        update(case_extension)
        .where(case_extension.c.id == number)
        .values(approved_by=actor, approved_at=at)
    )


def _case(values: RowMapping) -> Case:
    return Case(**{**values, "state": CaseState(values["state"])})
