"""antin notice: what subscribers were told, how it reached them, and what to do when it did not."""

from enum import StrEnum
from typing import Annotated

import typer

from app.cli.desk import AsJson, console, place, show
from core import audit
from core.errors import Invalid
from policy import deliver
from policy.records import deliveries, outbox, subscribers
from policy.wording import Language

notice = typer.Typer(no_args_is_help=True, help="Notices to subscribers, and how they fared.")

Number = Annotated[int, typer.Argument(help="The notice's number (antin notice list).")]


class Which(StrEnum):
    """The notices to list."""

    ALL = "all"
    WAITING = "waiting"
    ASIDE = "aside"


@notice.command(name="list")
def list_notices(
    context: typer.Context,
    which: Annotated[Which, typer.Option(help="all, waiting, or put aside.")] = Which.ALL,
    subscriber: Annotated[str, typer.Option(help="Only those to this subscriber.")] = "",
    most: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 1000,
    *,
    as_json: AsJson = False,
) -> None:
    """List notices, oldest first, without their texts. Example: antin notice list --which aside."""
    with place(context).works.db.read() as tx:
        if which is Which.ASIDE:
            found = outbox.troubled_notices(tx)[:most]
        else:
            waiting = which is Which.WAITING
            found = outbox.notices(tx, subscriber=subscriber or None, waiting=waiting, most=most)
        made = deliveries.deliveries_of(tx, [each.id for each in found])
    rows = [
        {
            "number": each.id,
            "subscriber": each.subscriber_id,
            "kind": each.template,
            "queued": each.queued_at,
            "due": each.due_at,
            "deliveries": [f"{one.channel}: {one.state}" for one in made[each.id]],
            "trouble": each.trouble,
        }
        for each in found
        if subscriber in ("", each.subscriber_id)
    ]
    show(rows, as_json=as_json, title="Notices")


@notice.command(name="show")
def show_notice(context: typer.Context, number: Number, *, as_json: AsJson = False) -> None:
    """Show how one notice fared on each channel. Example: antin notice show 12."""
    with place(context).works.db.read() as tx:
        found = outbox.notice_named(tx, number)
        made = deliveries.deliveries_of(tx, [number])[number]
    rows = [
        {
            "channel": each.channel,
            "state": each.state,
            "attempts": each.attempts,
            "begun": each.begun_at,
            "changed": each.changed_at,
            "sentence": each.sentence,
            "reference": each.reference,
        }
        for each in made
    ]
    title = f"Notice {found.id} to {found.subscriber_id}: {found.template}"
    show(rows, as_json=as_json, title=title)
    if found.trouble and not as_json:
        console.print(found.trouble, markup=False)


@notice.command()
def retry(
    context: typer.Context,
    number: Annotated[int | None, typer.Argument(help="The notice's number.")] = None,
    *,
    aside: Annotated[bool, typer.Option("--aside", help="All that are put aside.")] = False,
) -> None:
    """Send notices again, from their first channel on. Example: antin notice retry --aside."""
    desk = place(context)
    if (number is None) != aside:
        raise Invalid("Name one notice by its number, or all that are put aside by --aside.")
    if number is None:
        with desk.works.db.read() as tx:
            numbers = [each.id for each in outbox.troubled_notices(tx)]
    else:
        numbers = [number]
    for each in numbers:
        deliver.retry(desk.office, each)
    console.print(f"{len(numbers)} notices are due again.")


@notice.command()
def bounced(context: typer.Context, number: Number) -> None:
    """Say that a notice came back: the next channel is tried. Example: antin notice bounced 12."""
    channel = deliver.bounced(place(context).office, number)
    console.print(f"The notice {number} came back from {channel}; the next channel is due.")


@notice.command()
def language(
    context: typer.Context,
    subscriber: Annotated[str, typer.Argument(help="The subscriber's id in the register.")],
    chosen: Annotated[Language, typer.Argument(help="vi, en or both.")],
) -> None:
    """Say in which language a subscriber is written to. Example: antin notice language KH1 en."""
    office = place(context).office
    with office.db.begin() as tx:
        subscribers.set_language(tx, subscriber, chosen)
        audit.append(
            tx,
            at=office.clock.now(),
            actor=office.actor,
            act="subscriber.language",
            subject=f"subscriber:{subscriber}",
            language=chosen.value,
        )
    console.print(f"{subscriber} is written to in {chosen}.")
