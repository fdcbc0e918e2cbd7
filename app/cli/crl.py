"""antin crl: the lists of revoked and suspended certificates, published, shown, examined."""

import itertools
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

import ca.records
from app.cli.desk import AsJson, Place, console, place, show
from core import serials
from core.errors import Invalid, NotFound
from crl import explain, paths, reading, watch
from crl.model import WHOLE, Crl, Kind
from crl.records import signed

app = typer.Typer(help="Certificate revocation lists.", no_args_is_help=True)

IssuerName = Annotated[
    str, typer.Option("--issuer", help="The issuer's short name; the issuing CA by default.")
]
Partition = Annotated[int, typer.Option(help="A partition by its number; 0 is the full list.")]
Delta = Annotated[bool, typer.Option("--delta", help="The delta rather than the full list.")]
Which = Annotated[
    str, typer.Argument(help="A number from `antin crl list`, a DER file, or `newest`.")
]


@app.command()
def publish(
    context: typer.Context,
    issuer: IssuerName = "",
    *,
    if_due: Annotated[bool, typer.Option("--if-due", help="Only if one is due.")] = False,
) -> None:
    """Sign a new CRL, examine it, and bring it to every target.

    Example: antin crl publish
    """
    here = place(context)
    made = here.works.publish_crl(_name(here, issuer), only_if_due=if_due)
    if made is None:
        console.print("No new CRL is due.")
        return
    for crl in made.crls:
        path = paths.current(_name(here, issuer), crl.partition, crl.kind)
        console.print(
            f"{path}: number {crl.number}, {crl.entries} entries, {crl.size} octets, "
            f"until {crl.next_update:%Y-%m-%d %H:%M} UTC."
        )


@app.command("list")
def list_(
    context: typer.Context,
    issuer: IssuerName = "",
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the CRLs that were signed, newest first.

    Example: antin crl list --limit 5
    """
    here = place(context)
    with here.works.db.read() as tx:
        owner = ca.records.issuer_named(tx, _name(here, issuer))
        crls = signed.history(tx, owner.id, limit=limit)
    show([_row(each) for each in crls], as_json=as_json, title=f"CRLs of {owner.name}")


@app.command("show")
def show_(
    context: typer.Context,
    which: Which = "newest",
    issuer: IssuerName = "",
    partition: Partition = WHOLE,
    *,
    delta: Delta = False,
    limit: Annotated[int, typer.Option(min=0, help="How many entries at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what a CRL says: its heading and its entries.

    Example: antin crl show 57 --limit 10
    """
    data = _find(place(context), which, issuer, partition=partition, delta=delta)
    entries = [_entry(each) for each in itertools.islice(explain.listing(data), limit)]
    if as_json:
        show([_heading(data) | {"entries": entries}], as_json=True)
        return
    for name, value in _heading(data).items():
        if value is not None:
            console.print(f"{name.replace('_', ' ')}: {value}", markup=False)
    show(entries, as_json=False)


@app.command()
def check(context: typer.Context, issuer: IssuerName = "", *, as_json: AsJson = False) -> None:
    """Examine what is published, and compare it with every certificate; exit code 1 on a finding.

    Example: antin crl check
    """
    here = place(context)
    works = here.works
    found = watch.check(
        works.db,
        works.clock.now(),
        issuer=_name(here, issuer),
        settings=here.instance.crl_settings,
        targets=here.instance.crl_targets,
    )
    rows = [{"rule": each.rule, "finding": each.sentence} for each in found]
    if rows or as_json:
        show(rows, as_json=as_json)
    else:
        console.print("Every published CRL is the newest, signed, fresh and complete.")
    if rows:
        raise typer.Exit(1)


@app.command("diff")
def diff_(
    context: typer.Context,
    before: Which,
    after: Which = "newest",
    issuer: IssuerName = "",
    partition: Partition = WHOLE,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two full CRLs, and the decisions behind it.

    Example: antin crl diff 56 57
    """
    here = place(context)
    old, new = (
        _find(here, each, issuer, partition=partition, delta=False) for each in (before, after)
    )
    with here.works.db.read() as tx:
        owner = ca.records.issuer_named(tx, _name(here, issuer))
        rows = [_step(each) for each in explain.steps(tx, owner, old, new)]
    show(rows, as_json=as_json)


def _name(here: Place, issuer: str) -> str:
    return issuer or here.instance.config.issuer


def _find(here: Place, which: str, issuer: str, *, partition: int, delta: bool) -> bytes:
    """Return the bytes of a CRL: a file's, or those of a number, from database or history."""
    if Path(which).is_file():
        return Path(which).read_bytes()
    if which != "newest" and not which.isdecimal():
        raise Invalid(f"{which!r} is no number of a CRL, no file, and not `newest`.")
    kind = Kind.DELTA if delta else Kind.FULL
    with here.works.db.read() as tx:
        owner = ca.records.issuer_named(tx, _name(here, issuer))
        if which == "newest":
            chosen = signed.newest(tx, owner.id, partition=partition, kind=kind)
        else:
            same = signed.numbered(tx, owner.id, int(which))
            scope = (partition, kind)
            chosen = next((each for each in same if (each.partition, each.kind) == scope), None)
        if chosen is None:
            raise NotFound(f"There is no such CRL of {owner.name}; see `antin crl list`.")
        if signed.has_content(tx, chosen.id):
            return signed.content(tx, chosen.id)
    path = paths.history(owner.name, partition, kind, chosen.number)
    data = here.instance.crl_folder.read(path)
    if data is None:
        raise NotFound(f"The history no longer keeps {path}.")
    return data


def _row(crl: Crl) -> dict[str, Any]:
    return {
        "number": crl.number,
        "partition": crl.partition,
        "kind": crl.kind.value,
        "base": crl.base_number,
        "this_update": crl.this_update,
        "next_update": crl.next_update,
        "entries": crl.entries,
        "octets": crl.size,
        "sha256": crl.sha256.hex(),
    }


def _heading(data: bytes) -> dict[str, Any]:
    said = reading.outline(data).heading
    return {
        "number": said.number,
        "base_number": said.base_number,
        "this_update": said.this_update,
        "next_update": said.next_update,
        "key_id": said.key_id.hex(),
        "distribution_point": said.distribution_point,
        "freshest": said.freshest,
        "expired_since": said.expired_since,
    }


def _entry(line: explain.Line) -> dict[str, Any]:
    return {
        "serial": serials.to_hex(line.serial),
        "since": line.since,
        "reason": line.reason or "unspecified",
        "invalidity_date": line.invalidity_date,
    }


def _step(step: explain.Step) -> dict[str, Any]:
    return {
        "serial": serials.to_hex(step.serial),
        "before": _told(step.before),
        "after": _told(step.after),
        "subscriber": step.subscriber,
        "because": [
            f"{_time(each.at)} {each.act}: {each.because} [{each.clause}, {each.decision}]"
            for each in step.events
        ],
    }


def _told(line: explain.Line | None) -> str:
    return "not listed" if line is None else f"{line.reason or 'unspecified'} {_time(line.since)}"


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
