"""antin reseller add, end, list; antin contract: with whom the CA has contracts."""

from typing import Annotated

import typer

from app.cli.desk import AsJson, console, day, place, show
from policy import contracts
from policy.records import contracts as kept
from policy.records.contracts import Contract, Reseller

app = typer.Typer()
contract = typer.Typer(no_args_is_help=True, help="Contracts with subscribers and resellers.")

Name = Annotated[str, typer.Argument(help="The reseller, as the register names it.")]


@app.command()
def add(
    context: typer.Context,
    name: Name,
    company: Annotated[str, typer.Option("--name", help="The company's name.")],
    since: Annotated[str, typer.Option(help="The first day.")],
    tax_code: Annotated[str, typer.Option(help="The company's tax code.")] = "",
) -> None:
    """Enter a reseller. Example: antin reseller add DL01 --name "Đại lý Một" --since 2023-01-01."""
    new = Reseller(id=name, name=company, tax_code=tax_code, since=day(since))
    contracts.add_reseller(place(context).office, new)
    console.print(f"The reseller {name} is entered.")


@app.command()
def end(
    context: typer.Context, name: Name, on: Annotated[str, typer.Option(help="The last day.")]
) -> None:
    """Record a reseller's last day. Example: antin reseller end DL01 --on 2024-06-30."""
    contracts.end_reseller(place(context).office, name, day(on))
    console.print(f"The reseller {name} ends on {on}.")


@app.command(name="list")
def list_resellers(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the resellers. Example: antin reseller list --json."""
    with place(context).works.db.read() as tx:
        found = kept.resellers(tx)
    rows = [
        {
            "reseller": each.id,
            "name": each.name,
            "tax_code": each.tax_code,
            "since": each.since,
            "ended": each.ended_on,
        }
        for each in found
    ]
    show(rows, as_json=as_json)


@contract.command(name="add")
def add_contract(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="The contract's number.")],
    signed: Annotated[str, typer.Option(help="The day on which it was signed.")],
    terms: Annotated[str, typer.Option(help="The version of its conditions.")],
    *,
    subscriber: Annotated[str, typer.Option(help="The subscriber it is with.")] = "",
    reseller: Annotated[str, typer.Option(help="The reseller it is with.")] = "",
    ends: Annotated[str, typer.Option(help="Its last day.")] = "",
) -> None:
    """Enter a contract with a subscriber or a reseller.

    Example: antin contract add HD-17 --subscriber KH00001 --signed 2024-03-01 --terms 2023-2
    """
    new = Contract(
        id=number,
        subscriber_id=subscriber or None,
        reseller_id=reseller or None,
        signed_on=day(signed),
        ends_on=day(ends) if ends else None,
        terms=terms,
    )
    contracts.add_contract(place(context).office, new)
    console.print(f"The contract {number} is entered.")


@contract.command(name="list")
def list_contracts(
    context: typer.Context,
    party: Annotated[str, typer.Argument(help="The subscriber or the reseller.")],
    *,
    as_json: AsJson = False,
) -> None:
    """List the contracts of a subscriber or a reseller. Example: antin contract list KH00001."""
    with place(context).works.db.read() as tx:
        found = kept.contracts_of(tx, party)
    rows = [
        {
            "contract": each.id,
            "signed": each.signed_on,
            "ends": each.ends_on,
            "terms": each.terms,
        }
        for each in found
    ]
    show(rows, as_json=as_json)
