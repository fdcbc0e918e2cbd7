"""antin dossier import, export, template: the register as a file."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from app.cli.desk import AsJson, console, place, show
from policy import exchange, workbook
from policy.exchange import Outcome, Result

app = typer.Typer()

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file or workbook.")]
Target = Annotated[Path, typer.Argument(dir_okay=False, help="The file to write, .csv or .xlsx.")]


@app.command(name="import")
def import_register(
    context: typer.Context,
    file: File,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Answer, but enter nothing.")] = False,
    amend: Annotated[
        bool, typer.Option("--amend", help="Let rows that differ change the register.")
    ] = False,
    result: Annotated[Path | None, typer.Option(help="Write the answers into a workbook.")] = None,
    as_json: AsJson = False,
) -> None:
    """Enter the subscribers of a file; every row is answered. Exit code 1 if one is refused.

    A file that was brought before adds nothing, so an interrupted import is simply repeated.
    Example: antin dossier import khach-hang.xlsx --result ket-qua.xlsx
    """
    desk = place(context)
    with Progress(console=console, disable=as_json) as bar:
        task = bar.add_task("rows", total=None)
        found = list(
            exchange.import_register(
                desk.office,
                file,
                dry_run=dry_run,
                amend=amend,
                progress=lambda line: bar.update(task, completed=line),
            )
        )
    if result is not None:
        workbook.write_results(
            result, ((each.values, each.line, each.outcome, _text(each)) for each in found)
        )
    rows = [_row(each) for each in found if each.sentences]
    show(rows, as_json=as_json)
    counts = Counter(each.outcome for each in found)
    if not as_json:
        told = ", ".join(f"{counts[each]} {each}" for each in Outcome)
        console.print(f"{len(found)} rows: {told}{' (nothing was entered)' if dry_run else ''}.")
    raise typer.Exit(1 if counts[Outcome.REFUSED] else 0)


@app.command(name="export")
def export_register(context: typer.Context, file: Target) -> None:
    """Write the register to a file; that is noted in the audit trail.

    Example: antin dossier export khach-hang.xlsx
    """
    count = exchange.export_register(place(context).office, file)
    console.print(f"{count} subscribers are written to {file}.")


@app.command()
def template(file: Target) -> None:
    """Write an empty workbook to fill in, with lists to choose from.

    Example: antin dossier template mau.xlsx
    """
    workbook.write_register(file, [])
    console.print(f"The template is {file}.")


def _text(result: Result) -> str:
    return "\n".join(result.sentences)


def _row(result: Result) -> dict[str, object]:
    return {
        "line": result.line,
        "customer": result.values.get("customer_id", "")[:60],
        "outcome": result.outcome,
        "sentences": list(result.sentences),
    }
