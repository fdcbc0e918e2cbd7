"""antin campaign revise, pause, resume, extend, exempt: a campaign that is under way is steered."""

from typing import Annotated

import typer

from app.cli.campaigns import Name
from app.cli.desk import console, instant, place
from core import serials
from core.errors import Invalid
from policy import planning, steering

app = typer.Typer()

Because = Annotated[str, typer.Option(help="Why, for the audit trail.")]


@app.command()
def revise(
    context: typer.Context,
    name: Name,
    *,
    hold_at: Annotated[str, typer.Option(help="The other hold.")] = "",
    revoke_at: Annotated[str, typer.Option(help="The other revocation.")] = "",
) -> None:
    """Give a campaign that is not announced yet other dates; it is simulated and approved again.

    Example: antin campaign revise spring --hold-at 2024-04-27T00:00:00+07:00
    """
    if not hold_at and not revoke_at:
        raise Invalid("Name another date with --hold-at or --revoke-at.")
    planning.revise(
        place(context).office,
        name,
        hold_at=instant(hold_at) if hold_at else None,
        revoke_at=instant(revoke_at) if revoke_at else None,
    )
    console.print(f"The campaign {name} is a draft again; simulate it next.")


@app.command()
def pause(context: typer.Context, name: Name, because: Because) -> None:
    """Stop a campaign; a run that is going on ends at its next row.

    Example: antin campaign pause spring --because "The post is on strike."
    """
    steering.pause(place(context).office, name, because)
    console.print(f"The campaign {name} is paused.")


@app.command()
def resume(context: typer.Context, name: Name, because: Because) -> None:
    """Let a paused campaign go on.

    Example: antin campaign resume spring --because "The strike is over."
    """
    steering.resume(place(context).office, name, because)
    console.print(f"The campaign {name} goes on; run enforce again when its date has come.")


@app.command()
def extend(
    context: typer.Context,
    name: Name,
    *,
    hold_at: Annotated[str, typer.Option(help="The later hold.")] = "",
    revoke_at: Annotated[str, typer.Option(help="The later revocation.")] = "",
    because: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    approve: Annotated[
        bool, typer.Option("--approve", help="Approve what another operator asked for.")
    ] = False,
) -> None:
    """Ask for later dates, or with --approve let those count that another operator asked for.

    Example: antin campaign extend spring --revoke-at 2024-05-15T00:00:00+07:00 --because "Flood."
    """
    office = place(context).office
    if approve:
        if hold_at or revoke_at or because:
            raise Invalid("An extension is approved as it was asked for; give --approve alone.")
        done = steering.approve_extension(office, name)
        console.print(
            f"The campaign {name} now holds at {done.hold_at.isoformat()} and revokes at "
            f"{done.revoke_at.isoformat()}."
        )
        return
    steering.extend(
        office,
        name,
        hold_at=instant(hold_at) if hold_at else None,
        revoke_at=instant(revoke_at) if revoke_at else None,
        because=because,
    )
    console.print("Another operator approves the extension: antin campaign extend NAME --approve.")


@app.command()
def exempt(
    context: typer.Context,
    name: Name,
    serial: Annotated[str, typer.Argument(help="The certificate's serial, in hex.")],
    until: Annotated[str, typer.Option(help="The end; the certificate is then judged again.")],
    because: Because,
) -> None:
    """Leave one certificate alone until an end.

    Example: antin campaign exempt spring 4F0A11 --until 2024-06-01T00:00:00+07:00
    --because "Its office burnt down."
    """
    steering.exempt(place(context).office, name, serials.parse(serial), instant(until), because)
    console.print(f"The certificate {serial} is exempt from {name}.", markup=False)
