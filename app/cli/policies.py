"""antin rules: the rulebooks."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.cli.desk import AsJson, console, day, place, show
from policy import replay, rulebook

rules = typer.Typer(no_args_is_help=True, help="The rulebooks.")


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
