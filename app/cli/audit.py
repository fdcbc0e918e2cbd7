"""antin audit: the audit trail examined, and exported for who examines it elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from app import handover, trail
from app.cli.desk import AsJson, console, counting, place, show
from app.wiring import AUDIT_FOLDER

app = typer.Typer(no_args_is_help=True, help="The audit trail.")


@app.command()
def verify(
    context: typer.Context,
    *,
    kept: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A checkpoint kept elsewhere; repeatable."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The audit key in PEM, not the token's."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Examine the whole trail: chain, checkpoints, truncated tail; exit code 1 when it is wrong.

    Example: antin audit verify --kept /mnt/elsewhere/checkpoint.jws
    """
    works = place(context).works
    with counting("Examining", trail.length(works)) as progress:
        report = trail.examine(
            works, trail.public_key(works, key), kept=tuple(kept or ()), progress=progress
        )
    if as_json:
        counts = {name: getattr(report, name) for name in _COUNTS}
        show([{"sound": not report.findings, **counts, "findings": report.findings}], as_json=True)
    else:
        for sentence in report.findings:
            console.print(sentence, markup=False, soft_wrap=True)
        verdict = "is NOT sound" if report.findings else "is sound"
        console.print(
            f"The trail of {report.sealed} entries {verdict}; the first {report.signed} are signed "
            f"by {report.checkpoints} checkpoints, {report.waiting} wait for their seal."
        )
    raise typer.Exit(1 if report.findings else 0)


_COUNTS = ("sealed", "signed", "waiting", "checkpoints")


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write the trail.")],
) -> None:
    """Write the trail with its checkpoints and public key; goes on where it was interrupted.

    Example: antin audit export trail.jsonl && deploy/verify_audit.py trail.jsonl --key audit.pem
    """
    works = place(context).works
    with counting("Exporting", trail.length(works)) as progress:
        entries = trail.export(works, file, progress)
    console.print(f"{entries} entries are in {file}.")


@app.command("hand-over")
def hand_over(
    context: typer.Context,
    *,
    wrappable: Annotated[
        bool, typer.Option("--wrappable", help="Make a key that can be backed up.")
    ] = False,
) -> None:
    """Hand the trail over from the audit key to the key of audit_next, which is made if need be.

    Example: antin audit hand-over
    """
    desk = place(context)
    signed = handover.hand_over(desk.works, actor=f"operator:{desk.operator}", wrappable=wrappable)
    public = desk.home / AUDIT_FOLDER / handover.PUBLIC
    console.print(
        f"The new key signed the first {signed.position} entries; its public half is in {public}. "
        "Now name it as audit in the table [keys] of the configuration, leave audit_next out, and "
        "start the processes anew.",
        soft_wrap=True,
    )
