"""antin takeover: another CA's issuer, certificates, revocations and numbers go on here."""

import csv
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from app import takeover as taking
from app.cli.desk import AsJson, console, counting, place, show
from ca import takeover as gathering
from ca.gathered import Finding, Gathered
from core.errors import Invalid

app = typer.Typer()

LEFT_OUT = frozenset({"unparsable", "wrong_issuer", "duplicate", "no_certificate", "no_crl"})
"""The findings for which something is not taken over as its files say."""

_SHOWN = 20


@app.command()
def takeover(
    context: typer.Context,
    sources: Annotated[
        list[Path], typer.Argument(exists=True, help="Folders or files: PEM, DER, index.txt, CSV.")
    ],
    issuer: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The issuer's certificate.")
    ],
    name: Annotated[str, typer.Option(help="The issuer's short name here.")],
    *,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where to write all findings (CSV).")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write it; without, only say what would be.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take over another CA; without --apply only reconcile its files and say what is found.

    Example: antin takeover demoCA crl.pem --issuer demoCA/cacert.pem --name former --apply
    """
    desk = place(context)
    plan = taking.Plan(
        name=_short(name),
        issuer=taking.read_issuer(issuer.read_bytes()),
        actor=f"operator:{desk.operator}",
    )
    named = list(taking.files(sources))
    with tempfile.TemporaryDirectory(prefix="antin-takeover-") as folder:
        found = Gathered(Path(folder) / "gathered.db")
        with counting("Reading files", len(named)) as progress:
            gathering.gather(named, plan.issuer, found, progress)
        certificates, listed, booked = found.counts()
        row: dict[str, object] = {
            "certificates": certificates,
            "crl_number": found.number,
            "crl_entries": listed,
            "book_lines": booked,
        }
        if apply:
            with counting("Taking over") as progress:
                done = taking.apply(desk.works, plan, found, progress)
            row |= {
                "added": done.certificates,
                "added_bare_serials": done.bare_serials,
                "changed": done.changed,
                "here_already": done.known,
            }
        else:
            row |= {"would_take": taking.try_out(found)}
        taking.look_for_holders(desk.works, found)
        row |= {"applied": apply, "findings": found.kinds()}
        if report is not None:
            _write(report, found)
        _say(row, found, as_json=as_json)
        left_out = LEFT_OUT & found.kinds().keys()
        found.close()
    raise typer.Exit(1 if left_out else 0)


def _short(name: str) -> str:
    if not (name.isascii() and name.replace("-", "").isalnum() and name[0].isalpha()):
        raise Invalid(f"The short name {name[:60]!r} is not of letters, digits and hyphens.")
    return name.lower()


def _write(path: Path, found: Gathered) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("kind", "serial", "sentence"))
        rows.writerows((each.kind, each.serial, each.sentence) for each in found.findings())


def _say(row: dict[str, object], found: Gathered, *, as_json: bool) -> None:
    if as_json:
        show([row], as_json=True)
        return
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.kinds().items())
    show([{"of": k, "": v} for k, v in (row | {"findings": kinds}).items()], as_json=False)
    shown: dict[str, int] = {}
    for each in found.findings():
        shown[each.kind] = shown.get(each.kind, 0) + 1
        if shown[each.kind] <= _SHOWN:
            console.print(_sentence(each), markup=False, soft_wrap=True)
    for kind, count in shown.items():
        if count > _SHOWN:
            console.print(f"{kind}: {count - _SHOWN} more; --report writes them all.")


def _sentence(finding: Finding) -> str:
    return f"{finding.kind} {finding.serial}: {finding.sentence}".replace(" :", ":")
