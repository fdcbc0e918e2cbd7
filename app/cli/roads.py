"""antin feed, loss, reseller: what reaches the office by other roads than the desk."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from app.cli.desk import AsJson, console, place, show
from ca import records as engine
from ca.model import HoldSource
from core import serials
from policy import feed as feeds
from policy import orders, resellers
from policy.filed import Outcome, Result
from policy.model import Party, Request, Wanted

feed = typer.Typer(no_args_is_help=True, help="Lists from outside.")
loss = typer.Typer(no_args_is_help=True, help="Reports of lost tokens, at any hour.")
reseller = typer.Typer(no_args_is_help=True, help="Files of resellers.")

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file or workbook.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without, only answer.")]
Serial = Annotated[str, typer.Argument(help="The certificate's serial in hex.")]
Reference = Annotated[str, typer.Option(help="The call or letter it rests on.")]
_LOSS, _KEY_LOST = "loss_reported", "key_lost"


@feed.command()
def dissolved(
    context: typer.Context, file: File, *, apply: Apply = False, as_json: AsJson = False
) -> None:
    """Revoke for subscribers that ended: tax_code, ended_on, source; every row is answered.

    A file that was brought before does nothing twice. Exit code 1 if a row is refused.
    Example: antin feed dissolved giai-the.csv --apply
    """
    _answer(feeds.carry_out(place(context).office, file, apply=apply), as_json=as_json)


@reseller.command(name="file")
def reseller_file(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The reseller, as the register names it.")],
    file: File,
    *,
    campaign: Annotated[str, typer.Option(help="The campaign it belongs to.")] = "",
    verified: Annotated[bool, typer.Option("--verified", help="The letters were checked.")] = False,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Suspend, restore or revoke for a reseller's customers: serial, act, reference.

    Example: antin reseller file DL01 yeu-cau.csv --verified --apply
    """
    found = resellers.carry_out(
        place(context).office, file, name, campaign=campaign, verified=verified, apply=apply
    )
    _answer(found, as_json=as_json)


@loss.command()
def report(context: typer.Context, serial: Serial, reference: Reference) -> None:
    """Hold a certificate whose token is reported lost, before anybody verified the caller.

    Example: antin loss report 4F0A12C3 --reference "gọi 0912 lúc 02:14"
    """
    request = Request(by=Party.SUBSCRIBER, ground=_LOSS, reference=reference)
    orders.ask(place(context).office, serials.parse(serial), Wanted.SUSPEND, request)
    console.print(f"{serial} is on hold; the report waits for its verification.")


@loss.command(name="list")
def list_losses(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the reports that wait for their verification. Example: antin loss list --json."""
    with place(context).works.db.read() as tx:
        waiting = engine.by_ids(tx, engine.held_by(tx, HoldSource.LOSS))
    rows = [
        {
            "serial": serials.to_hex(each.serial),
            "subscriber": each.subscriber,
            "reported": next(
                hold.placed_at for hold in each.standing.holds if hold.source is HoldSource.LOSS
            ),
            "verified": False,
        }
        for each in waiting
    ]
    show(rows, as_json=as_json)


@loss.command()
def verify(context: typer.Context, serial: Serial, reference: Reference) -> None:
    """Revoke: the subscriber was verified, and the token is lost or the key exposed.

    Example: antin loss verify 4F0A12C3 --reference "video call 17"
    """
    request = Request(by=Party.SUBSCRIBER, ground=_KEY_LOST, verified=True, reference=reference)
    orders.ask(place(context).office, serials.parse(serial), Wanted.REVOKE, request)
    console.print(f"{serial} is revoked for ever.")


@loss.command()
def withdraw(context: typer.Context, serial: Serial, reference: Reference) -> None:
    """Lift the hold: the subscriber was verified, and the token was found.

    Example: antin loss withdraw 4F0A12C3 --reference "video call 18"
    """
    request = Request(
        by=Party.SUBSCRIBER, source=HoldSource.LOSS, verified=True, reference=reference
    )
    orders.ask(place(context).office, serials.parse(serial), Wanted.RESTORE, request)
    console.print(f"The report on {serial} is withdrawn.")


def _answer(found: Iterable[Result], *, as_json: bool) -> None:
    results = list(found)
    rows = [
        {
            "line": each.line,
            "outcome": each.outcome,
            "serial": each.serial,
            "sentence": each.sentence,
        }
        for each in results
    ]
    show(rows, as_json=as_json)
    counts = Counter(each.outcome for each in results)
    if not as_json:
        console.print(f"{', '.join(f'{counts[each]} {each}' for each in Outcome)}.")
    raise typer.Exit(1 if counts[Outcome.REFUSED] else 0)
