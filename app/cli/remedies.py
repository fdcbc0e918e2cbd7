"""antin case, token: the remedy, step by step, and the tokens sent to subscribers."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.desk import AsJson, console, instant, place, show
from core import serials
from core.errors import Invalid
from policy import relief, remedy
from policy.cases import CaseEvent
from policy.records import cases

case = typer.Typer(no_args_is_help=True, help="Remedy cases.")
token = typer.Typer(no_args_is_help=True, help="The tokens sent to subscribers.")

Name = Annotated[str, typer.Argument(help="The case's name (antin case list).")]


@case.command(name="open")
def open_case(
    context: typer.Context,
    subscriber: Annotated[str, typer.Argument(help="The subscriber's id in the register.")],
) -> None:
    """Open a case for a subscriber who sent photos. Example: antin case open KH00012."""
    opened = remedy.open_case(place(context).office, subscriber)
    console.print(f"The case {opened.id} is {opened.state}.")


@case.command(name="list")
def list_cases(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the remedy cases that are open. Example: antin case list --json."""
    with place(context).works.db.read() as tx:
        found = cases.open_cases(tx)
    show([_case(each) for each in found], as_json=as_json)


@case.command(name="show")
def show_case(context: typer.Context, name: str, *, as_json: AsJson = False) -> None:
    """Show one remedy case. Example: antin case show KH00012-1."""
    with place(context).works.db.read() as tx:
        found = cases.case_named(tx, name)
    show([_case(found)], as_json=as_json)


@case.command()
def advance(
    context: typer.Context,
    name: Name,
    event: CaseEvent,
    *,
    parcel: Annotated[str, typer.Option(help="The parcel in which the contract goes back.")] = "",
) -> None:
    """Take a case one step further. Example: antin case advance KH00012-1 video_verified."""
    office = place(context).office
    match event:
        case CaseEvent.TOKEN_RECEIVED:
            after = remedy.deliver(office, name)
        case CaseEvent.TOKEN_REFUSED | CaseEvent.TOKEN_LOST:
            after = relief.replace_token(office, name, event)
        case CaseEvent.CONTRACT_RETURNED:
            after = relief.return_contract(office, name, parcel)
        case CaseEvent.TOKEN_SHIPPED:
            raise Invalid("A token is sent with its request: antin case ship.")
        case _:
            after = remedy.step(office, name, event)
    console.print(f"The case {name} is {after.state}.")


@case.command()
def ship(
    context: typer.Context,
    name: Name,
    serial: Annotated[str, typer.Option("--token", help="The token's serial.")],
    csr: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The token's PKCS#10 request.")
    ],
) -> None:
    """Issue the case's certificate on hold and send the token inactive; safe to repeat.

    Example: antin case ship KH00012-1 --token LCS1CF015DD --csr token.pem
    """
    where = place(context)
    desk = where.works.desk(f"operator:{where.operator}")
    issued = remedy.ship(desk, name, serial, csr.read_bytes())
    console.print(f"{serials.to_hex(issued.serial)} is on hold in the token {serial}.")


@case.command()
def extend(
    context: typer.Context,
    name: Name,
    until: Annotated[str, typer.Option(help="The later date, with its zone.")],
    evidence: Annotated[int, typer.Option(help="The number of the paper that proves it.")],
    because: Annotated[str, typer.Option(help="What happened, in a sentence.")],
) -> None:
    """Ask for a later date, for force majeure; another operator approves it.

    Example: antin case extend KH00012-1 --until 2024-05-10T00:00:00+07:00 --evidence 17
    --because "Bão số 3, bưu cục đóng cửa."
    """
    office = place(context).office
    number = relief.ask_extension(office, name, instant(until), evidence=evidence, because=because)
    console.print(f"The extension {number} waits for another operator's approval.")


@case.command()
def approve(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The extension's number.")],
) -> None:
    """Approve a later date that another operator asked for.

    Example: antin --as mai case approve 3
    """
    after = relief.approve_extension(place(context).office, number)
    console.print(f"The case {after.id} is due by {after.due_at}.")


@case.command()
def waiting(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List what waits for a hand: extensions to approve, contracts to send back.

    Example: antin case waiting --json
    """
    with place(context).works.db.read() as tx:
        extensions, contracts = cases.waiting_extensions(tx), cases.contracts_to_return(tx)
    rows = [
        {"what": "approve", "case": each.case_id, "extension": each.id, "until": each.until}
        for each in extensions
    ]
    rows += [
        {"what": "return the contract", "case": each.id, "extension": None, "until": None}
        for each in contracts
    ]
    show(rows, as_json=as_json)


@token.command(name="list")
def list_tokens(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the tokens and their states. Example: antin token list."""
    with place(context).works.db.read() as tx:
        states = cases.token_states(tx)
    rows = [{"token": serial, "state": state} for serial, state in sorted(states.items())]
    show(rows, as_json=as_json)


@token.command()
def lock(context: typer.Context, serial: str) -> None:
    """Record that a token whose lock was ordered is locked, for ever.

    Example: antin token lock LCS1CF015DD
    """
    remedy.confirm_lock(place(context).office, serial)
    console.print(f"The token {serial} is locked for ever.")


def _case(found: cases.Case) -> dict[str, object]:
    return {
        "case": found.id,
        "subscriber": found.subscriber_id,
        "state": found.state,
        "opened": found.opened_at,
        "token": found.token,
        "due": found.due_at,
    }
