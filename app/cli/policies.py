"""antin campaign, rules: campaigns from draft to close, and the rulebooks."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from app.cli.desk import AsJson, console, day, instant, place, show
from ca.model import Act
from core import serials
from policy import replay, rulebook, sweep
from policy.records import campaigns

campaign = typer.Typer(no_args_is_help=True, help="Campaigns for complete dossiers.")
rules = typer.Typer(no_args_is_help=True, help="The rulebooks.")

Name = Annotated[str, typer.Argument(help="The campaign's name.")]


@campaign.command()
def new(
    context: typer.Context,
    name: Name,
    hold_at: Annotated[str, typer.Option(help="When incomplete dossiers are held.")],
    revoke_at: Annotated[str, typer.Option(help="When those still held are revoked.")],
) -> None:
    """Draft a campaign over every certificate.

    Example: antin campaign new spring --hold-at 2024-04-20T00:00:00+07:00
    --revoke-at 2024-05-02T00:00:00+07:00
    """
    office = place(context).office
    sweep.plan(office, name, hold_at=instant(hold_at), revoke_at=instant(revoke_at))
    console.print(f"The campaign {name} is drafted; simulate it next.")


@campaign.command()
def simulate(context: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """Show who would be held and why, if nobody mended anything.

    Example: antin campaign simulate spring
    """
    found = sweep.simulate(place(context).office, name)
    rows = [
        {
            "subscriber": each.facts.subscriber,
            "serial": each.facts.certificate.serial if each.facts.certificate else "",
            "clause": each.clause,
            "because": each.because,
        }
        for each in found.holds
    ]
    show(rows, as_json=as_json, title=f"{len(rows)} of {found.active} would be held")


@campaign.command()
def approve(context: typer.Context, name: Name) -> None:
    """Approve what another operator simulated. Example: antin --as mai campaign approve spring."""
    sweep.approve(place(context).office, name)
    console.print(f"The campaign {name} is approved.")


@campaign.command()
def announce(context: typer.Context, name: Name) -> None:
    """Announce: who lacks papers is told. Example: antin campaign announce spring."""
    told = sweep.announce(place(context).office, name)
    console.print(f"The campaign {name} is announced; {told} subscribers are told.")


@campaign.command()
def enforce(
    context: typer.Context,
    name: Name,
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke those still held.")] = False,
) -> None:
    """Hold, or with --revoke revoke, whoever the date has reached; can be run again at any time.

    Example: antin campaign enforce spring
    """
    act = Act.REVOKE if revoke else Act.SUSPEND
    with Progress(console=console) as bar:
        task = bar.add_task(f"{act} for {name}", total=None)
        acted = sweep.enforce(
            place(context).office,
            name,
            act,
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    for each in acted:
        console.print(f"{serials.to_hex(each.serial)} of {each.subscriber}: {each.standing.status}")
    console.print(f"{len(acted)} certificates were acted on.")


@campaign.command()
def report(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the campaigns with stage, dates and counts. Example: antin campaign report --json."""
    with place(context).works.db.read() as tx:
        found = campaigns.campaigns(tx)
        rows = [
            {
                "campaign": each.id,
                "stage": each.stage,
                "author": each.author,
                "approver": each.approver,
                "announced": each.announced_at,
                "hold": each.hold_at,
                "revoke": each.revoke_at,
                "members": len(campaigns.members(tx, each.id)),
            }
            for each in found
        ]
    show(rows, as_json=as_json)


@campaign.command()
def close(context: typer.Context, name: Name) -> None:
    """End a campaign; what it held stays held. Example: antin campaign close spring."""
    sweep.close(place(context).office, name)
    console.print(f"The campaign {name} is closed.")


@rules.command(name="list")
def list_rules(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the rulebooks and their grounds. Example: antin rules list."""
    rows = [
        {
            "rulebook": book.reference,
            "ground": name,
            "act": ground.act,
            "clause": ground.clause,
            "reason": ground.reason,
            "by": list(ground.by),
        }
        for book in place(context).works.rulebooks
        for name, ground in book.grounds.items()
    ]
    show(rows, as_json=as_json)


@rules.command()
def check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A rulebook.")],
) -> None:
    """Check a rulebook file. Example: antin rules check lcs-2024.toml."""
    book = rulebook.load(file.read_text("utf-8"))
    counsel = "reviewed" if book.reviewed_by_counsel else "NOT reviewed"
    console.print(f"{book.reference} is sound; counsel has {counsel} it.")


@rules.command(name="try")
def try_rules(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A rulebook.")],
    since: Annotated[str, typer.Option(help="The first day of the decisions to try it on.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what a rulebook would have done with the decisions made since a day.

    Example: antin rules try new.toml --since 2025-11-01
    """
    book = rulebook.load(file.read_text("utf-8"))
    start = book.calendar.midnight(day(since))
    with place(context).works.db.read() as tx:
        count, changes = replay.trial(tx, book, start)
    if as_json:
        show([asdict(each) for each in changes], as_json=True)
        return
    for (was, would_be), times in sorted(Counter((c.was, c.would_be) for c in changes).items()):
        console.print(f"{times} times {was} would be {would_be}.", markup=False)
    show([asdict(each) for each in changes], as_json=False)
    console.print(f"{book.reference} would change {len(changes)} of {count} decisions.")


@rules.command(name="replay")
def replay_decisions(context: typer.Context) -> None:
    """Make every stored decision again; exit code 1 if one differs. Example: antin rules replay."""
    works = place(context).works
    with works.db.read() as tx:
        count, differences = replay.replay(tx, works.rulebooks)
    for each in differences:
        console.print(f"{each.decision}: {each.sentence}", markup=False)
    console.print(f"{count} decisions were made again, {len(differences)} differ.")
    raise typer.Exit(1 if differences else 0)
