"""The instance's rulebooks: its own copies, in the folder `rulebooks` of its home."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from core import durable
from core.errors import NotFound
from policy import rulebook
from policy.rulebook import Rulebook

FOLDER = "rulebooks"


def write(home: Path, texts: Mapping[str, str]) -> None:
    """Check rulebook texts and write them by file name; raises Invalid before it writes."""
    for text in texts.values():
        rulebook.load(text)
    folder = home / FOLDER
    folder.mkdir()
    for name, text in texts.items():
        durable.write(folder / name, text.encode())


def load(home: Path) -> tuple[Rulebook, ...]:
    """Return the instance's rulebooks by file name; raises NotFound when there is none."""
    files = sorted((home / FOLDER).glob("*.toml"))
    if not files:
        raise NotFound(f"There is no rulebook in {home / FOLDER}.")
    return tuple(rulebook.load(each.read_text("utf-8")) for each in files)


def in_force(rulebooks: tuple[Rulebook, ...], now: datetime) -> Rulebook:
    """Return the one in force at `now`; raises NotFound."""
    return rulebook.choose(rulebooks, rulebooks[0].calendar.day(now))
