"""Tables from outside, read row by row: CSV in UTF-8, or the first sheet of an Excel workbook.

A file that is not what it seems is refused whole, before its first row: another encoding, an
archive that unpacks to more than it may, a header that lacks a column or has one too many. A row
that is wrong is the caller's to judge; a row that cannot be read comes with its sentence.
"""

import csv
import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, TextIO
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.utils.exceptions import InvalidFileException

from core.errors import Invalid, NotFound

MOST_FILE_BYTES = 64 * 1024 * 1024
MOST_UNPACKED_BYTES = 512 * 1024 * 1024
MOST_ROWS = 200_000
_MOST_COLUMNS = 64
_MOST_LINE_CHARACTERS = 1024 * 1024
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row by column; `line` is where it stands, `unreadable` says why it cannot be used."""

    line: int
    values: dict[str, str]
    unreadable: str = ""


def digest(path: Path) -> str:
    """Return the file's SHA-256 in hex; raises NotFound or Invalid (too large)."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    if not 0 < size <= MOST_FILE_BYTES:
        raise Invalid(f"The file {path} has {size} bytes; it must have 1 to {MOST_FILE_BYTES}.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rows(
    path: Path, columns: Sequence[str], column_of: Callable[[str], str | None]
) -> Iterator[Row]:
    """Yield the rows of a table that has all `columns`, in any order; raises Invalid.

    `column_of` says which column a header means.
    """
    digest(path)
    with path.open("rb") as file:
        is_workbook = file.read(len(_ZIP)) == _ZIP
    table = _workbook(path) if is_workbook else _csv(path)
    _, header, _ = next(table, (0, [], ""))
    order = _order(path, header, columns, column_of)
    count = 0
    for line, texts, unreadable in table:
        if not unreadable and not any(texts):
            continue
        count += 1
        if count > MOST_ROWS:
            raise Invalid(f"The file {path} has more than {MOST_ROWS} rows; split it.")
        # In a workbook, cells at the end of a row that are empty are not in the file.
        missing = max(0, len(order) - len(texts)) if is_workbook else 0
        yield _row(line, order, [*texts, *[""] * missing], unreadable)


def _row(line: int, order: Sequence[str], texts: Sequence[str], unreadable: str) -> Row:
    why = unreadable
    if not why and len(texts) != len(order):
        why = f"The row has {len(texts)} fields; the header has {len(order)}."
    return Row(line=line, values=dict(zip(order, texts, strict=False)), unreadable=why)


def _order(
    path: Path,
    header: Sequence[str],
    columns: Sequence[str],
    column_of: Callable[[str], str | None],
) -> list[str]:
    order = [column_of(each) for each in header]
    known = [each for each in order if each is not None]
    unknown = [text[:40] for text, each in zip(header, order, strict=True) if each is None]
    missing = [each for each in columns if each not in known]
    twice = sorted({each for each in known if known.count(each) > 1})
    for what, found in (("lacks", missing), ("has unknown", unknown), ("has twice", twice)):
        if found:
            raise Invalid(f"The header of {path} {what} columns: {', '.join(map(repr, found))}.")
    return known


def _csv(path: Path) -> Iterator[tuple[int, list[str], str]]:
    with path.open(encoding="utf-8-sig", newline="") as text:
        try:
            yield from _csv_rows(path, text)
        except UnicodeDecodeError:
            raise Invalid(f"The file {path} is not UTF-8 text; save it as CSV UTF-8.") from None
        except csv.Error as error:
            raise Invalid(f"The file {path} is no CSV: {error}.") from error


def _csv_rows(path: Path, text: TextIO) -> Iterator[tuple[int, list[str], str]]:
    reader = csv.reader(_lines(path, text), strict=True)
    for texts in reader:
        yield reader.line_num, texts, ""


def _lines(path: Path, text: TextIO) -> Iterator[str]:
    number = 0
    while line := text.readline(_MOST_LINE_CHARACTERS + 1):
        number += 1
        if len(line) > _MOST_LINE_CHARACTERS:
            raise Invalid(f"Line {number} of {path} is longer than {_MOST_LINE_CHARACTERS}.")
        if "\0" in line:
            raise Invalid(f"Line {number} of {path} has a NUL character; this is no text file.")
        yield line


def _workbook(path: Path) -> Iterator[tuple[int, list[str], str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(each.file_size for each in archive.infolist())
        if unpacked > MOST_UNPACKED_BYTES:
            raise Invalid(f"The workbook {path} unpacks to {unpacked} bytes; that is too much.")
        book = openpyxl.load_workbook(path, read_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what the file claims of its size is not believed
            for line, cells in enumerate(sheet.iter_rows(max_col=_MOST_COLUMNS), start=1):
                yield _sheet_row(line, cells)
        finally:
            book.close()
    except (
        zipfile.BadZipFile, InvalidFileException, DefusedXmlException, ParseError,
        KeyError, IndexError, ValueError, TypeError, OSError,
    ) as error:  # fmt: skip
        raise Invalid(f"The file {path} is no workbook that can be read.") from error


def _sheet_row(line: int, cells: Sequence[Any]) -> tuple[int, list[str], str]:
    values = list(cells)
    while values and values[-1].value is None:
        values.pop()
    try:
        return line, [_text(each) for each in values], ""
    except Invalid as error:
        return line, [], str(error)


def _text(cell: Any) -> str:  # noqa: ANN401 - openpyxl has no types
    """Return a cell's text; raises Invalid for what is no text and no date."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        raise Invalid(f"The cell {cell.coordinate} holds a formula.")
    if cell.data_type == "e" or isinstance(value, bool):
        raise Invalid(f"The cell {cell.coordinate} holds no text.")
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        raise Invalid(
            f"The cell {cell.coordinate} holds a number, which keeps no leading zeros; format the "
            "column as text."
        )
    return str(value)
