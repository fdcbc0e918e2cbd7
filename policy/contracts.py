"""Resellers, and the contracts with them and with subscribers."""

from datetime import date

from core.database import Tx
from core.errors import Invalid, NotFound, Refused
from policy.office import Office
from policy.records import contracts, subscribers
from policy.records.contracts import Contract, Reseller


def add_reseller(office: Office, new: Reseller) -> None:
    """Enter a reseller; raises Conflict when the id is taken, Invalid without a name."""
    if not (new.id.strip() and new.name.strip()):
        raise Invalid("A reseller needs an id and a name.")
    with office.db.begin() as tx:
        contracts.add_reseller(tx, new)
        office.note(tx, "reseller.add", f"reseller:{new.id}")


def end_reseller(office: Office, name: str, on: date) -> None:
    """Record a reseller's last day; their files are refused after it. Raises NotFound."""
    with office.db.begin() as tx:
        contracts.end_reseller(tx, name, on)
        office.note(tx, "reseller.end", f"reseller:{name}")


def add_contract(office: Office, new: Contract) -> None:
    """Enter a contract with one party that is known; raises Refused, NotFound, Conflict."""
    party = new.subscriber_id or new.reseller_id
    if party is None or (new.subscriber_id and new.reseller_id):
        raise Invalid("A contract is with one subscriber or one reseller.")
    if new.ends_on is not None and new.ends_on < new.signed_on:
        raise Refused(
            f"The contract {new.id} would end on {new.ends_on}, before it was signed.",
            code="ends_before_it_begins",
        )
    with office.db.begin() as tx:
        if new.subscriber_id:
            known = bool(subscribers.kinds_of(tx, [party]))
        else:
            known = contracts.reseller_named(tx, party) is not None
        if not known:
            raise NotFound(f"There is nobody {party!r} to have a contract with.")
        contracts.add_contract(tx, new)
        office.note(tx, "contract.add", f"contract:{new.id}")


def check_reseller(tx: Tx, name: str, today: date) -> None:
    """Raise Refused (reseller_ended) for a reseller whose last day has passed."""
    found = contracts.reseller_named(tx, name)
    if found is not None and found.ended_on is not None and found.ended_on < today:
        raise Refused(
            f"{name} is no reseller since the end of {found.ended_on}.", code="reseller_ended"
        )
