"""antin plan: revocations that wait for their date."""

from typing import Annotated

import typer

from app.cli.desk import AsJson, console, place, show
from ca import plan as plans
from ca import records
from core import serials

plan = typer.Typer(help="Planned revocations.", no_args_is_help=True)


@plan.command("list")
def list_plans(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the revocations that are planned, soonest first.

    Example: antin plan list --json
    """
    with place(context).works.db.read() as tx:
        rows = [
            {
                "serial": serials.to_hex(records.by_id(tx, each.certificate_id).serial),
                "due": each.due_at,
                "reason": each.reason,
                "clause": each.clause,
                "because": each.because,
            }
            for each in records.open_plans(tx)
        ]
    show(rows, as_json=as_json)


@plan.command()
def cancel(
    context: typer.Context,
    serial: Annotated[str, typer.Argument(help="The certificate's serial in hex.")],
    because: Annotated[str, typer.Option(help="Why it is not to be revoked.")],
) -> None:
    """Cancel the planned revocation of a certificate.

    Example: antin plan cancel 4F0A12C3 --because "The subscriber goes on."
    """
    desk = place(context)
    office = desk.office
    with office.db.begin() as tx:
        plans.cancel(
            tx, serials.parse(serial), office.clock.now(), actor=office.actor, because=because
        )
    console.print(f"The planned revocation of {serial} is cancelled.")
