"""antin campaign: campaigns from draft to close."""

import csv
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from app.cli.desk import AsJson, Place, console, counting, day, instant, place, show
from ca.model import Act
from core import serials
from core.errors import Invalid, Refused
from policy import closing, forecast, planning, reports, sweep
from policy.closing import Reconciliation
from policy.model import CampaignStage, DossierState, SubscriberKind
from policy.pace import Pace
from policy.records import campaigns
from policy.scope import Scope
from policy.sweep import Share

campaign = typer.Typer(no_args_is_help=True, help="Campaigns for complete dossiers.")

Name = Annotated[str, typer.Argument(help="The campaign's name.")]
Report = Annotated[
    Path | None, typer.Option(dir_okay=False, help="Write the whole report: .html or .xlsx.")
]
_SERIAL = "serial"


@campaign.command()
def new(
    context: typer.Context,
    name: Name,
    hold_at: Annotated[str, typer.Option(help="When incomplete dossiers are held.")],
    revoke_at: Annotated[str, typer.Option(help="When those still held are revoked.")],
    *,
    kind: Annotated[SubscriberKind | None, typer.Option(help="Only subscribers so.")] = None,
    reseller: Annotated[str, typer.Option(help="Only whom this reseller sold to.")] = "",
    province: Annotated[str, typer.Option(help="Only subscribers of this province.")] = "",
    issued_from: Annotated[str, typer.Option(help="Only issued on this day or later.")] = "",
    issued_until: Annotated[str, typer.Option(help="Only issued on this day or before.")] = "",
    lacking: Annotated[str, typer.Option(help="Only dossiers that lack this document.")] = "",
    state: Annotated[DossierState | None, typer.Option(help="Only dossiers so.")] = None,
    listed: Annotated[
        Path | None,
        typer.Option("--list", exists=True, dir_okay=False, help="Only the serials of this CSV."),
    ] = None,
) -> None:
    """Draft a campaign over every certificate, or over those that the options take.

    Example: antin campaign new spring --hold-at 2024-04-20T00:00:00+07:00
    --revoke-at 2024-05-02T00:00:00+07:00 --kind organisation --lacking contract
    """
    at = place(context)
    book = at.office.rulebook(at.works.clock.now())
    if lacking and lacking not in book.documents:
        known = ", ".join(sorted(book.documents))
        raise Invalid(f"The rulebook {book.reference} knows no document {lacking!r}: {known}.")
    midnight = book.calendar.midnight
    scope = Scope(
        kind=kind,
        reseller=reseller,
        province=province,
        issued_from=midnight(day(issued_from)) if issued_from else None,
        issued_until=midnight(day(issued_until) + timedelta(days=1)) if issued_until else None,
        lacking=lacking,
        state=state,
        serials=_serials(listed) if listed else None,
    )
    dates = {"hold_at": instant(hold_at), "revoke_at": instant(revoke_at)}
    planning.plan(at.office, name, **dates, scope=scope)
    console.print(f"The campaign {name} is drafted; simulate it next.")


@campaign.command()
def simulate(
    context: typer.Context, name: Name, *, report: Report = None, as_json: AsJson = False
) -> None:
    """Show who would be held and why, if nobody mended anything; the plan is stored and signed.

    Example: antin campaign simulate spring --report spring.html
    """
    at = place(context)
    found = planning.simulate(at.office, name)
    if report is not None:
        reports.write(report, forecast.foresee(at.office, name, found))
    rows = [
        {
            "subscriber": each.facts.subscriber,
            "serial": each.facts.certificate.serial if each.facts.certificate else "",
            "clause": each.clause,
            "because": each.because,
        }
        for each in found.holds
    ]
    show(rows, as_json=as_json, title=f"{len(rows)} of {found.active} would be held")
    if not as_json:
        console.print(f"The plan is {found.digest}; another operator approves it.")
    if report is not None and not as_json:
        console.print(f"The report is in {report}.", markup=False)


@campaign.command()
def approve(
    context: typer.Context,
    name: Name,
    plan: Annotated[str, typer.Option(help="The plan that is approved, by its digest.")] = "",
) -> None:
    """Approve what another operator simulated. Example: antin --as mai campaign approve spring."""
    digest = planning.approve(place(context).office, name, plan or None)
    console.print(f"The campaign {name} is approved, with the plan {digest}.")


@campaign.command()
def announce(context: typer.Context, name: Name) -> None:
    """Announce: who lacks papers is told. Example: antin campaign announce spring."""
    told = sweep.announce(place(context).office, name)
    console.print(f"The campaign {name} is announced; {told} subscribers are told.")


@campaign.command()
def enforce(
    context: typer.Context,
    name: Name,
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke those still held.")] = False,
    per_second: Annotated[
        float | None, typer.Option(min=0.001, help="At most so many in a second.")
    ] = None,
    share: Annotated[
        str, typer.Option(help="Only a slice, so that several processes share: 1/2 and 2/2.")
    ] = "1/1",
) -> None:
    """Hold, or with --revoke revoke, whoever the date has reached; can be run again at any time.

    Example: antin campaign enforce spring --per-second 50
    """
    act = Act.REVOKE if revoke else Act.SUSPEND
    at = place(context)
    office = at.office
    rulebook = office.rulebook(at.works.clock.now())
    with counting(f"{act} for {name}") as bar:
        acted = sweep.enforce(
            office,
            name,
            act,
            share=_share(share),
            pace=Pace(per_second or rulebook.campaign.mass.most_per_second),
            progress=bar,
        )
    for each in acted:
        console.print(f"{serials.to_hex(each.serial)} of {each.subscriber}: {each.standing.status}")
    console.print(f"{len(acted)} certificates were acted on.")
    _say_if_paused(at, name)


@campaign.command()
def report(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="One campaign; all without it.")] = "",
    *,
    file: Annotated[Path | None, typer.Option(dir_okay=False, help="Write .xlsx.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the campaigns, or account for one's certificates. Example: antin campaign report."""
    at = place(context)
    with at.works.db.read() as tx:
        if name:
            _show(closing.reconcile(at.office, tx, name), file, as_json=as_json)
            return
        rows = [
            {
                "campaign": each.id,
                "stage": each.stage,
                "author": each.author,
                "approver": each.approver,
                "announced": each.announced_at,
                "hold": each.hold_at,
                "revoke": each.revoke_at,
                "members": campaigns.size(tx, each.id),
            }
            for each in campaigns.campaigns(tx)
        ]
    show(rows, as_json=as_json)


@campaign.command()
def close(
    context: typer.Context,
    name: Name,
    *,
    file: Annotated[Path | None, typer.Option(dir_okay=False, help="Write .xlsx.")] = None,
    as_json: AsJson = False,
) -> None:
    """End a campaign and account for its scope; what it held stays held.

    Example: antin campaign close spring --file spring.xlsx
    """
    done = closing.close(place(context).office, name)
    _show(done, file, as_json=as_json)
    if not as_json:
        console.print(f"The campaign {name} is closed.")


def _show(done: Reconciliation, file: Path | None, *, as_json: bool) -> None:
    if file is not None:
        reports.write_reconciliation(file, done)
    counts = [{"outcome": key, "certificates": count} for key, count in done.counts.items()]
    sums = [{"outcome": "scope", "certificates": done.scope}]
    told = [{"outcome": f"told {key}", "certificates": count} for key, count in done.waves.items()]
    show([*counts, *sums, *told], as_json=as_json, title=f"The campaign {done.campaign}")
    if done.exemptions and not as_json:
        show([asdict(each) for each in done.exemptions], as_json=False, title="Exempted")


def _say_if_paused(at: Place, name: str) -> None:
    with at.works.db.read() as tx:
        stage = campaigns.campaign_named(tx, name).stage
    if stage is not CampaignStage.ENFORCING:
        raise Refused(
            f"The campaign {name} is {stage}, so the run ended; run it again when it goes on.",
            code="campaign_paused",
        )


def _serials(path: Path) -> frozenset[str]:
    """Read the serials of a CSV: its column `serial`, or its first one when it has no heading."""
    rows = [row for row in csv.reader(path.read_text("utf-8-sig").splitlines()) if any(row)]
    headings = [each.strip().lower() for each in rows[0]] if rows else []
    column = headings.index(_SERIAL) if _SERIAL in headings else 0
    listed = rows[1:] if _SERIAL in headings else rows
    found = set()
    for line, row in enumerate(listed, start=1):
        if len(row) <= column:
            raise Invalid(f"Row {line} of {path} has no serial.")
        found.add(serials.to_hex(serials.parse(row[column])))
    if not found:
        raise Invalid(f"{path} names no serial.")
    return frozenset(found)


def _share(text: str) -> Share:
    number, slash, of = text.partition("/")
    if not (slash and number.isascii() and number.isdigit() and of.isascii() and of.isdigit()):
        raise Invalid(f"The share {text!r} cannot be read; write 1/2 for the first of two.")
    if not 1 <= int(number) <= int(of):
        raise Invalid(f"There is no share {text}; the first of two is 1/2, the second 2/2.")
    return Share(int(number), int(of))
