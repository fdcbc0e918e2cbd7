"""Registers as Excel workbooks: a template to fill in, an export, and results beside each row.

Every cell is text, and none begins like a formula, whoever opens the file.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from policy import entries

ID_TYPES = ("CCCD", "CC", "CMND", "HC")
_WIDTH = 24
_LAST_ROW = 20_001
_LISTS = {"kind": tuple(entries.KINDS), "id_type": ID_TYPES}
_HEADER = PatternFill("solid", fgColor="1F3864")
_COLOURS = {
    "new": PatternFill("solid", fgColor="C6E0B4"),
    "unchanged": PatternFill("solid", fgColor="EDEDED"),
    "amended": PatternFill("solid", fgColor="FFE699"),
    "refused": PatternFill("solid", fgColor="F8CBAD"),
}
_OUTCOMES = {
    "new": "Đã ghi",
    "unchanged": "Đã có, không đổi",
    "amended": "Đã sửa",
    "refused": "Không nhận",
}


def write_register(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write a register; without rows, it is the template that an office fills in."""
    book = openpyxl.Workbook(write_only=True)
    sheet = _sheet(book, "Khách hàng", list(entries.COLUMNS.values()))
    for row in rows:
        sheet.append([_text(sheet, row[each]) for each in entries.COLUMNS])
    _add_lists(sheet)
    book.save(path)


def write_results(path: Path, results: Iterable[tuple[dict[str, str], int, str, str]]) -> None:
    """Write what became of each row: its texts, its line, the outcome, and the sentences."""
    book = openpyxl.Workbook(write_only=True)
    headers = [*entries.COLUMNS.values(), "Dòng", "Kết quả", "Ghi chú"]
    sheet = _sheet(book, "Kết quả", headers)
    for row, line, outcome, sentences in results:
        cells = [_text(sheet, row.get(each, "")) for each in entries.COLUMNS]
        verdict = _text(sheet, _OUTCOMES[outcome])
        verdict.fill = _COLOURS[outcome]
        note = _text(sheet, sentences)
        note.alignment = Alignment(wrap_text=True)
        sheet.append([*cells, line, verdict, note])
    book.save(path)


def write_table(
    path: Path, title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write a plain table; every value becomes text."""
    write_tables(path, [(title, headers, rows)])


def write_tables(
    path: Path, tables: Iterable[tuple[str, Sequence[str], Iterable[Sequence[object]]]]
) -> None:
    """Write plain tables, each by its title, headers and rows on a sheet of its own."""
    book = openpyxl.Workbook(write_only=True)
    for title, headers, rows in tables:
        sheet = _sheet(book, title, headers)
        for row in rows:
            sheet.append([_text(sheet, str(each)) for each in row])
    book.save(path)


def _sheet(book: Any, title: str, headers: Sequence[str]) -> Any:  # noqa: ANN401 - no types
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "B2"
    for number, _ in enumerate(headers, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = _WIDTH
    sheet.append([_header(sheet, each) for each in headers])
    return sheet


def _header(sheet: Any, text: str) -> Any:  # noqa: ANN401 - no types
    cell = WriteOnlyCell(sheet, text)
    cell.font = Font(bold=True, color="FFFFFF")
    cell.fill = _HEADER
    return cell


def _text(sheet: Any, text: str) -> Any:  # noqa: ANN401 - no types
    # Control characters cannot stand in a workbook; they stay visible as what they are.
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    cell = WriteOnlyCell(sheet, entries.neutral(shown)[:32_000])
    cell.data_type = "s"
    cell.number_format = "@"
    return cell


def _add_lists(sheet: Any) -> None:  # noqa: ANN401 - no types
    for number, column in enumerate(entries.COLUMNS, start=1):
        if column not in _LISTS:
            continue
        choices = DataValidation(
            type="list", formula1=f'"{",".join(_LISTS[column])}"', allow_blank=True
        )
        letter = get_column_letter(number)
        choices.add(f"{letter}2:{letter}{_LAST_ROW}")
        sheet.data_validations.append(choices)
