"""antin issue-all: many certificates from a file of requests."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app import bulk as issuance
from app.cli.desk import AsJson, Place, console, place, show
from core import serials
from policy import bulk, entries
from policy.bulk import Asked, Outcome, Result

app = typer.Typer()

_HEADER = ("line", "customer_id", "outcome", "serial", "sentence")


@app.command("issue-all")
def issue_all(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or workbook.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="The folder for certificates.")],
    result: Annotated[Path | None, typer.Option(help="Write every row's answer as CSV.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many issue at once.")] = 2,
    *,
    as_json: AsJson = False,
) -> None:
    """Issue a certificate for each row of a file: customer_id, request (PEM or file), years.

    A file that was brought before issues only what is new, so an interrupted run is simply
    repeated. Exit code 1 if a row was refused or failed.
    Example: antin issue-all requests.csv --out certificates --result answers.csv --processes 4
    """
    rows = list(bulk.read(file))
    out.mkdir(parents=True, exist_ok=True)
    found = [each for each in rows if isinstance(each, Result)]
    asked = [each for each in rows if isinstance(each, Asked)]
    try:
        for each in _issued(place(context), asked, processes, quiet=as_json):
            _keep(out, each)
            found.append(each)
    finally:
        found.sort(key=lambda each: each.line)
        if result is not None:
            _write(result, found)
    show([_told(each) for each in found if each.der is None], as_json=as_json)
    counts = Counter(each.outcome for each in found)
    if not as_json:
        told = ", ".join(f"{counts[each]} {each}" for each in Outcome)
        console.print(f"{len(found)} rows: {told}. The certificates are in {out}.")
    raise typer.Exit(1 if counts[Outcome.REFUSED] + counts[Outcome.FAILED] else 0)


def _issued(desk: Place, asked: list[Asked], processes: int, *, quiet: bool) -> Iterable[Result]:
    columns = (TextColumn("certificates"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet) as bar:
        task = bar.add_task("", total=len(asked))
        actor = f"operator:{desk.operator}"
        for each in issuance.issue(desk.home, actor, asked, processes=processes):
            bar.advance(task)
            yield each


def _keep(folder: Path, each: Result) -> None:
    if each.der is not None:
        certificate = x509.load_der_x509_certificate(each.der)
        path = folder / f"{serials.to_hex(certificate.serial_number)}.pem"
        # Not made durable: the database has it, and gives it again to who brings the file again.
        path.write_bytes(certificate.public_bytes(Encoding.PEM))


def _told(each: Result) -> dict[str, object]:
    serial = ""
    if each.der is not None:
        serial = serials.to_hex(x509.load_der_x509_certificate(each.der).serial_number)
    told = (each.line, entries.neutral(each.subscriber[:60]), each.outcome, serial, each.sentence)
    return dict(zip(_HEADER, told, strict=True))


def _write(path: Path, found: list[Result]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, _HEADER)
        writer.writeheader()
        writer.writerows(_told(each) for each in found)
