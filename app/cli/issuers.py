"""antin issuer: the CA certificates under which this instance issues, or did."""

from typing import Annotated

import typer

from app import generations
from app.cli.desk import AsJson, console, place, show
from ca import records, rollover
from hsm.mechanisms import KeyKind

issuer = typer.Typer(help="Issuers and their generations.", no_args_is_help=True)


@issuer.command("list")
def list_issuers(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the issuers, oldest first, and which of them issues now.

    Example: antin issuer list --json
    """
    works = place(context).works
    with works.db.read() as tx:
        found = records.issuers(tx)
    rows = [
        {
            "name": each.name,
            "from": each.not_before,
            "to": each.not_after,
            "retired": each.retired_at,
            "issues": each.name == works.instance.config.issuer and each.retired_at is None,
            "key_here": works.signs_for(each.name),
        }
        for each in found
    ]
    show(rows, as_json=as_json)


@issuer.command()
def establish(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its short name, as in [keys.issuers].")],
    common_name: Annotated[str, typer.Option(help="The common name in its certificate.")],
    years: Annotated[int, typer.Option(min=1, max=15, help="How long it is valid.")] = 5,
    kind: Annotated[KeyKind, typer.Option("--key", help="The kind of its key.")] = KeyKind.RSA_2048,
    *,
    wrappable: Annotated[
        bool, typer.Option("--wrappable", help="Make a key that can be backed up.")
    ] = False,
) -> None:
    """Make the key of the next generation of the issuing CA, and let the root certify it.

    Example: antin issuer establish issuing-2 --common-name "Example Issuing CA 2"
    """
    desk = place(context)
    made = generations.establish_next(
        desk.works,
        name,
        common_name=common_name,
        years=years,
        kind=kind,
        actor=f"operator:{desk.operator}",
        wrappable=wrappable,
    )
    console.print(f"{name} may issue until {made.issuer.not_after}; docs/lifecycle.md goes on.")


@issuer.command()
def retire(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The issuer that is to issue no more.")],
    successor: Annotated[str, typer.Option(help="The issuer that issues from now on.")],
) -> None:
    """Let an issuer issue no more, for ever; its CRLs and OCSP answers go on.

    Example: antin issuer retire issuing --successor issuing-2
    """
    office = place(context).office
    retired = rollover.retire(
        office.db, office.clock, name, successor=successor, actor=office.actor
    )
    console.print(f"{name} issues no more since {retired.retired_at}; {successor} does.")
