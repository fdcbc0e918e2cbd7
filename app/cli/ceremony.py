"""antin ceremony: keys and CA certificates made by a script, with a transcript."""

from pathlib import Path
from typing import Annotated

import typer

from app.ceremony import Conductor
from app.cli.desk import console, place
from app.script import parse

app = typer.Typer(no_args_is_help=True, help="Key ceremonies.")

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The script (TOML).")]
Pem = Annotated[Path, typer.Option(exists=True, dir_okay=False)]


@app.command()
def run(
    context: typer.Context,
    file: File,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
) -> None:
    """Hold the ceremony that a script describes; overwrites nothing.

    Example: antin ceremony run ceremony.toml --dry-run
    """
    conductor = Conductor(place(context).works, parse(file.read_text("utf-8")), console.print)
    if dry_run:
        for number, step in enumerate(conductor.check(), start=1):
            console.print(f"{number}. {step}")
        return
    console.print(f"The transcript is in {conductor.run()}.")


@app.command()
def accept(
    context: typer.Context,
    file: File,
    certificate: Pem,
    root: Pem,
) -> None:
    """Go on with the certificate that an external root gave for the request.

    Example: antin ceremony accept ceremony.toml --certificate issuing.pem --root national-root.pem
    """
    conductor = Conductor(place(context).works, parse(file.read_text("utf-8")), console.print)
    folder = conductor.accept(certificate.read_bytes(), root.read_bytes())
    console.print(f"The transcript is in {folder}.")
