"""What every command shares: the instance it works on, who acts, and how answers are printed."""

import getpass
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.instance import Instance
from app.wiring import Works
from core.errors import Invalid
from policy.office import Office

console = Console()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@dataclass(frozen=True)
class Place:
    """The instance that `--home` or ANTIN_HOME names, and the operator who acts."""

    home: Path
    operator: str

    @cached_property
    def works(self) -> Works:
        """The instance at work; raises NotFound when there is none."""
        return Works(self.home)

    @property
    def instance(self) -> Instance:
        """The instance's folder and configuration."""
        return self.works.instance

    @property
    def office(self) -> Office:
        """The registration authority with the operator at the desk."""
        return self.works.office(f"operator:{self.operator}")


def place(context: typer.Context) -> Place:
    """Return the place that the command works on."""
    found = context.find_root().obj
    if not isinstance(found, Place):
        raise TypeError("The command was started without its entry point.")
    return found


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "") -> None:
    """Print rows as JSON or as a table whose columns are the first row's keys."""
    if as_json:
        console.print_json(json.dumps(list(rows), default=_plain, ensure_ascii=False))
        return
    if not rows:
        console.print("Nothing found.")
        return
    table = Table(title=title or None)
    for column in rows[0]:
        table.add_column(str(column).replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show a bar on the terminal while something long goes on; told how far it came of what."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    aside = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=aside, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, of=total: bar.update(task, completed=done, total=of)


def instant(text: str) -> datetime:
    """Read an instant with its zone; raises Invalid."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid(
            f"The instant {text[:40]!r} cannot be read; write it with its zone, for example "
            "2024-04-20T09:30:00+07:00."
        )
    return found


def day(text: str) -> date:
    """Read a civil day; raises Invalid."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text[:40]!r} is no day; write it as 2025-11-01.") from None


def user() -> str:
    """Return the name of the operating system's user."""
    return getpass.getuser()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(str(each) for each in value)
    return str(value)
