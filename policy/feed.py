"""The feed of ended subscribers: tax codes with the day and the source, matched to certificates.

Each live certificate of a matched subscriber is asked to be revoked on the rulebook's ground for
ended subscribers, with the source as reference. Nothing is done before somebody says so.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from ca import records as engine
from core import audit
from core.errors import AntinError, Invalid
from policy import tabular
from policy.filed import Outcome, Result, Wish, do, key
from policy.model import Party, Request, Wanted
from policy.office import Office
from policy.records import subscribers
from policy.tabular import Row

COLUMNS = {"tax_code": "Mã số thuế", "ended_on": "Ngày chấm dứt", "source": "Nguồn"}
"""The columns of the feed, by the name in CSV files, with the header in workbooks."""

GROUND = "subscriber_ended"


def carry_out(office: Office, path: Path, *, apply: bool = False) -> Iterator[Result]:
    """Answer each row of the feed, one result for each live certificate; with `apply` revoke them.

    A row that was done before is told so. Raises Invalid for a file that is refused whole.
    """
    sha256 = tabular.digest(path)
    rows = tabular.rows(path, tuple(COLUMNS), _column_of)
    if apply:
        with office.db.begin() as tx:
            now = office.clock.now()
            audit.append(
                tx, at=now, actor=office.actor, act="feed.dissolved", subject="feed", sha256=sha256
            )
    for row in rows:
        try:
            yield from _answers(office, row, sha256, apply=apply)
        except AntinError as error:
            yield Result(line=row.line, outcome=Outcome.REFUSED, sentence=str(error))


def _answers(office: Office, row: Row, file: str, *, apply: bool) -> Iterator[Result]:
    tax_code, ended_on, source = _read(office, row)
    reference = f"{source}, {ended_on.isoformat()}"
    now = office.clock.now()
    with office.db.read() as tx:
        names = subscribers.ids_by_tax_code(tx, tax_code)
        issued = [each for name in names for each in engine.of_subscriber(tx, name) if each.der]
    row_key = key("dissolved", tax_code, ended_on.isoformat(), source)
    asked = 0
    for each in issued:
        if each.expired(now):
            continue
        asked += 1
        wish = Wish(
            line=row.line,
            key=key(row_key, str(each.serial)),
            wanted=Wanted.REVOKE,
            request=Request(by=Party.CA, ground=GROUND, verified=True, reference=reference),
            file=file,
        )
        yield do(office, each.serial, wish, apply=apply)
    if not asked:
        what = "no subscriber" if not names else "no live certificate"
        yield Result(
            line=row.line,
            outcome=Outcome.UNKNOWN,
            sentence=f"The tax code {tax_code} has {what} here.",
        )


def _read(office: Office, row: Row) -> tuple[str, date, str]:
    if row.unreadable:
        raise Invalid(row.unreadable)
    tax_code, ended_on, source = (row.values[each].strip() for each in COLUMNS)
    if not tax_code or not source:
        raise Invalid("The row needs a tax code and the source that says so.")
    try:
        day = date.fromisoformat(ended_on)
    except ValueError:
        raise Invalid(f"The day {ended_on[:20]!r} cannot be read; write 2024-04-20.") from None
    if day > office.day(office.clock.now()):
        raise Invalid(f"The day {day} lies ahead; bring the row again when it has come.")
    return tax_code[:20], day, source[:200]


def _column_of(header: str) -> str | None:
    text = header.strip().casefold()
    return next((n for n, other in COLUMNS.items() if text in {n, other.casefold()}), None)
