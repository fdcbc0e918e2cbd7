"""The register in and out as a file: each row is answered, and a file brought twice adds nothing.

Rows are entered in batches, one commit each. Whoever was interrupted brings the same file again:
what is entered already is found unchanged. A row that differs from the register is told, for an
officer to look at; only an import that is asked to amend writes what changed.
"""

import csv
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from core.database import Tx
from policy import enrol, entries, tabular, workbook
from policy.office import Office
from policy.records import subscribers
from policy.register import Subscriber
from policy.tabular import Row

_BATCH = 200


class Outcome(StrEnum):
    """What became of a row."""

    NEW = "new"
    UNCHANGED = "unchanged"
    AMENDED = "amended"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one row; `sentences` say why it was refused, or what is to be checked."""

    line: int
    values: dict[str, str]
    outcome: Outcome
    sentences: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Name line and outcome only, so that no traceback or log shows a person."""
        return f"Result(line={self.line}, outcome={self.outcome})"


def import_register(
    office: Office,
    path: Path,
    *,
    dry_run: bool = False,
    amend: bool = False,
    progress: Callable[[int], None] = lambda _line: None,
) -> Generator[Result, None, None]:
    """Enter the subscribers of a CSV file or workbook, yielding what became of each row.

    Raises Invalid before the first row for a file that is refused whole; what comes later (a file
    that turns out to be broken in the middle) leaves the rows that were yielded before entered.
    With `dry_run` nothing is written, and the answers are the same. With `amend` a row that differs
    from the register changes it; who the subscriber is (the kind) never changes.
    """
    sha256 = tabular.digest(path)
    needed = tuple(each for each in entries.COLUMNS if each not in entries.OPTIONAL)
    table = tabular.rows(path, needed, entries.column_of)
    seen: set[str] = set()
    counts = dict.fromkeys(Outcome, 0)
    while batch := list(islice(table, _BATCH)):
        results = _enter(office, batch, seen, _How(dry_run=dry_run, amend=amend))
        for each in results:
            counts[each.outcome] += 1
        progress(batch[-1].line)
        yield from results
    if not dry_run:
        with office.db.begin() as tx:
            told = {each.value: count for each, count in counts.items()}
            office.note(tx, "register.import", "register", sha256=sha256, **told)


def export_register(office: Office, path: Path) -> int:
    """Write the whole register to a CSV file or (`.xlsx`) workbook; return how many rows.

    The reading of so much personal data is itself in the audit trail, before the file is written.
    """
    with office.db.begin() as tx:
        names = subscribers.subscriber_ids(tx)
        office.note(tx, "register.export", "register", sha256="", unchanged=len(names))
    rows = _exported(office, names)
    if path.suffix.lower() == ".xlsx":
        workbook.write_register(path, rows)
    else:
        _write_csv(path, rows)
    path.chmod(0o600)
    return len(names)


def _exported(office: Office, names: list[str]) -> Iterator[dict[str, str]]:
    with office.db.read() as tx:
        for name in names:
            yield entries.written(subscribers.subscriber_of(tx, office.vault, name))


def _write_csv(path: Path, rows: Iterable[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(entries.COLUMNS))
        writer.writeheader()
        for row in rows:
            writer.writerow({column: entries.neutral(text) for column, text in row.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    dry_run: bool
    amend: bool


def _enter(office: Office, batch: list[Row], seen: set[str], how: _How) -> list[Result]:
    """Answer one batch; what is entered is one commit, in a dry run none."""
    with office.db.read() if how.dry_run else office.db.begin() as tx:
        return [_answer(office, tx, row, seen, how) for row in batch]


def _answer(office: Office, tx: Tx, row: Row, seen: set[str], how: _How) -> Result:
    if row.unreadable:
        return _refused(row, row.unreadable)
    now = office.clock.now()
    read = entries.read(row.values, now)
    if isinstance(read, tuple):
        return _refused(row, *(f"{entries.COLUMNS[f.column]}: {f.sentence}" for f in read))
    key = read.id.casefold()
    if key in seen:
        return _refused(row, "The subscriber stands in the file already, further up.")
    seen.add(key)
    if subscribers.openings_of(tx, [read.id]):
        return _known(office, tx, row, read, how)
    found = () if how.dry_run else enrol.add(tx, office, read)
    return Result(line=row.line, values=row.values, outcome=Outcome.NEW, sentences=found)


def _known(office: Office, tx: Tx, row: Row, read: Subscriber, how: _How) -> Result:
    there = subscribers.subscriber_of(tx, office.vault, read.id)
    read = entries.kept(there, read, row.values)
    differing = entries.differences(there, read)
    if not differing:
        return Result(line=row.line, values=row.values, outcome=Outcome.UNCHANGED)
    if how.amend and read.kind is there.kind:
        found = () if how.dry_run else enrol.amend(tx, office, read, differing)
        return Result(line=row.line, values=row.values, outcome=Outcome.AMENDED, sentences=found)
    names = ", ".join(entries.COLUMNS[each] for each in differing)
    return _refused(row, f"The register has this subscriber with other values: {names}.")


def _refused(row: Row, *sentences: str) -> Result:
    return Result(line=row.line, values=row.values, outcome=Outcome.REFUSED, sentences=sentences)
