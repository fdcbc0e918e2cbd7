"""antin replay, demo: a recorded spring lived through again."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from app import demo as story
from app import recording, report, serve, shipped
from app import replay as replays
from app.cli.desk import console, place
from app.create import Plan
from app.replay import Progress
from app.wiring import Works
from core.clock import SystemClock
from core.errors import Conflict

app = typer.Typer()

_REPORT = "report.json"


@app.command()
def replay(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The recording.")],
    out: Annotated[Path, typer.Option("--report", help="Where to write the report (JSON).")],
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the instance in --home; else it is temporary.")
    ] = False,
) -> None:
    """Replay a recording with the clock set to its instants, and write the report.

    Example: antin replay data/spring --report report.json
    """
    recorded = recording.read(data)
    with _home(place(context).home if keep else None) as home, _progress() as progress:
        outcome = replays.replay(
            recorded,
            home,
            dates=replays.Dates(),
            plan=Plan(),
            progress=progress,
        )
        text = json.dumps(report.build(outcome), ensure_ascii=False, indent=1)
    out.write_text(text + "\n", encoding="utf-8")
    for event, sentence in outcome.refused:
        console.print(f"{event.customer} {event.name}: {sentence}", markup=False)
    console.print(f"The report on {len(recorded.enrolments)} customers is in {out}.")


@app.command()
def demo(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Another recording.")
    ] = None,
    *,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End after the table.")] = False,
) -> None:
    """Replay the sample spring so that it ends in the past week, then serve it on localhost.

    Example: antin demo --no-serve
    """
    home = place(context).home
    _make_room(home)
    with _progress() as progress:
        outcome = story.run(data or shipped.sample(), home, SystemClock(), progress)
    text = json.dumps(report.build(outcome), ensure_ascii=False, indent=1)
    (home / _REPORT).write_text(text + "\n", encoding="utf-8")
    works = story.bring_up_to_date(home)
    _print_outcome(works)
    lines = story.commands(works, story.write_samples(works))
    if no_serve:
        return
    sys.exit(serve.together(home, ready=lambda: _print_commands(works, lines)))


def _print_outcome(works: Works) -> None:
    table = Table(title="What the spring came to")
    for column in ("Act", "Count", "Reason or hold", "Clause"):
        table.add_column(column, justify="right" if column == "Count" else "left")
    for row in story.outcome_rows(works):
        table.add_row(row.act, str(row.count), row.reason, row.clause)
    console.print(table)


def _print_commands(works: Works, lines: list[str]) -> None:
    listen = works.instance.config.listen
    console.print(f"Responder http://{listen.responder}   portal http://{listen.portal}")
    console.print("Try, in another terminal (Ctrl-C here stops the servers):\n")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _make_room(home: Path) -> None:
    """Remove an earlier demo's instance; raises Conflict for anything else that is in the way."""
    if not home.exists() or not any(home.iterdir()):
        return
    if not (home / _REPORT).exists():
        raise Conflict(f"The folder {home} is not an earlier demo's; choose another with --home.")
    shutil.rmtree(home)


@contextmanager
def _home(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="antin-replay-") as folder:
        yield Path(folder)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("Making the instance", total=None)

        def advance(done: int, of: int, now: datetime) -> None:
            bar.update(task, completed=done, total=of, description=f"{now:%Y-%m-%d}")

        yield advance
