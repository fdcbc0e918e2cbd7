"""antin sheet: what the business needs of the engine's history, as CSV or a workbook."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from app.cli.desk import AsJson, console, place, show
from core.errors import Invalid
from policy import sheets, workbook
from policy.entries import neutral

app = typer.Typer(help="Sheets for the tax authority and for fees.", no_args_is_help=True)

Month = Annotated[str, typer.Option(help="The civil month, as 2024-04.")]
Out = Annotated[Path | None, typer.Option(dir_okay=False, help="The file, .csv or .xlsx.")]

_INVOICE = ("MST", "TTChuc", "Seri", "TNgay", "DNgay", "HThuc", "customer_id", "at")
_FEE = ("customer_id", "MST", "Seri", "dong")


@app.command()
def invoices(
    context: typer.Context, month: Month, out: Out = None, *, as_json: AsJson = False
) -> None:
    """List what taxpayers have to register on form 01/ĐKTĐ-HĐĐT after the acts of a month.

    HThuc: 1 add, 2 renew, 3 stop. Example: antin sheet invoices --month 2024-04 --out thang-4.xlsx
    """
    office = place(context).office
    begin, end = sheets.month_of(office, _month(month))
    with office.db.read() as tx:
        rows = [
            (
                each.tax_code,
                each.issuer,
                each.serial,
                f"{each.valid_from:%Y-%m-%dT%H:%M:%S}",
                f"{each.valid_to:%Y-%m-%dT%H:%M:%S}",
                int(each.form),
                each.customer_id,
                f"{each.at:%Y-%m-%dT%H:%M:%S}",
            )
            for each in sheets.invoice_lines(office, tx, begin, end)
        ]
    _give("01-ĐKTĐ-HĐĐT", _INVOICE, rows, out, as_json=as_json)


@app.command()
def fees(context: typer.Context, month: Month, out: Out = None, *, as_json: AsJson = False) -> None:
    """List the certificates that bear the status fee in a month, and the sum.

    Example: antin sheet fees --month 2024-04
    """
    office = place(context).office
    with office.db.read() as tx:
        rows = [
            (each.customer_id, each.tax_code, each.serial, each.dong)
            for each in sheets.fee_lines(office, tx, _month(month))
        ]
    _give("Phí", _FEE, rows, out, as_json=as_json)
    if not as_json:
        console.print(f"{len(rows)} certificates, {sum(row[3] for row in rows)} VND.")


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Invalid(f"{text[:20]!r} is no month; write it as 2024-04.") from None


def _give(
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    if out is None:
        named = [dict(zip(headers, row, strict=True)) for row in rows]
        show(named, as_json=as_json, title=title)
        return
    if out.suffix.lower() == ".xlsx":
        workbook.write_table(out, title, headers, rows)
    else:
        _write_csv(out, headers, rows)
    console.print(f"{len(rows)} lines are written to {out}.")


def _write_csv(path: Path, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(headers)
        writer.writerows([neutral(str(each)) for each in row] for row in rows)
