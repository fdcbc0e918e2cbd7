"""Resellers and contracts in the database; never commits."""

from dataclasses import asdict, dataclass
from datetime import date

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from core.errors import Conflict, NotFound
from policy.tables import contract, reseller


@dataclass(frozen=True, slots=True, kw_only=True)
class Reseller:
    """Who brings subscribers; `ended_on` is the last day."""

    id: str
    name: str
    tax_code: str
    since: date
    ended_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract with a subscriber or a reseller; `ends_on` is its last day, None without one."""

    id: str
    subscriber_id: str | None
    reseller_id: str | None
    signed_on: date
    ends_on: date | None
    terms: str


def add_reseller(tx: Tx, new: Reseller) -> None:
    """Enter a reseller; raises Conflict when the id is taken."""
    try:
        tx.execute(insert(reseller).values(**asdict(new)))
    except IntegrityError as error:
        raise Conflict(f"There is a reseller {new.id!r} already.") from error


def reseller_named(tx: Tx, name: str) -> Reseller | None:
    """Return a reseller, None when there is no such entry."""
    row = tx.execute(select(reseller).where(reseller.c.id == name)).one_or_none()
    return None if row is None else Reseller(**row._mapping)


def resellers(tx: Tx) -> list[Reseller]:
    """Return all resellers by id."""
    return [
        Reseller(**row._mapping) for row in tx.execute(select(reseller).order_by(reseller.c.id))
    ]


def end_reseller(tx: Tx, name: str, on: date) -> None:
    """Record a reseller's last day; raises NotFound."""
    query = update(reseller).where(reseller.c.id == name).values(ended_on=on)
    if tx.execute(query).rowcount == 0:
        raise NotFound(f"There is no reseller {name!r}.")


def add_contract(tx: Tx, new: Contract) -> None:
    """Enter a contract; raises Conflict when the id is taken."""
    try:
        tx.execute(insert(contract).values(**asdict(new)))
    except IntegrityError as error:
        raise Conflict(f"There is a contract {new.id!r} already.") from error


def contracts_of(tx: Tx, party: str) -> list[Contract]:
    """Return the contracts of a subscriber or a reseller, oldest first."""
    own = (contract.c.subscriber_id == party) | (contract.c.reseller_id == party)
    query = select(contract).where(own).order_by(contract.c.signed_on, contract.c.id)
    return [Contract(**row._mapping) for row in tx.execute(query)]
