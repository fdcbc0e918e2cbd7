"""antin confirm, suspend, extend, restore, revoke: acts on one certificate, through the rules."""

from typing import Annotated

import typer

from app.cli.desk import AsJson, Place, console, instant, place, show
from ca import records
from ca.model import Act, Certificate, HoldSource
from ca.profiles import Kind
from core import serials
from core.errors import Invalid, Refused
from core.reasons import Reason
from policy import orders
from policy.model import Party, Request, Wanted

app = typer.Typer()

Serial = Annotated[str, typer.Argument(help="The certificate's serial in hex.")]
Ground = Annotated[
    str, typer.Option(help="A ground of the rulebook, by name or clause (antin rules list).")
]
Why = Annotated[Reason | None, typer.Option("--reason", help="The RFC 5280 reason to expect.")]
By = Annotated[Party, typer.Option(help="Who asks for it.")]
Verified = Annotated[bool, typer.Option("--verified", help="The request was verified.")]
Reference = Annotated[str, typer.Option(help="The letter or order it rests on.")]
Silent = Annotated[
    bool, typer.Option("--silent", help="An authority orders that the subscriber is not told.")
]


@app.command()
def confirm(
    context: typer.Context,
    serial: Serial,
    by: By = Party.SUBSCRIBER,
    *,
    verified: Verified = False,
    reference: Reference = "",
) -> None:
    """Record that the subscriber confirmed what stands in a certificate; then it is published.

    Example: antin confirm 4F0A12C3 --verified --reference "call of 2024-03-01"
    """
    request = Request(by=by, verified=verified, reference=reference)
    after = orders.ask(place(context).office, serials.parse(serial), Wanted.CONFIRM, request)
    console.print(f"{serials.to_hex(after.serial)} is confirmed since {after.confirmed_at}.")


@app.command()
def unconfirmed(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the subscribers' certificates that nobody confirmed yet, oldest first.

    Example: antin unconfirmed --json
    """
    works = place(context).works
    names = [
        name for name in works.profiles.names() if works.profiles[name].kind is Kind.SUBSCRIBER
    ]
    with works.db.read() as tx:
        waiting = records.unconfirmed(tx, names, works.clock.now())
    rows = [
        {
            "serial": serials.to_hex(each.serial),
            "subscriber": each.subscriber,
            "issued": each.created_at,
            "status": each.standing.status,
        }
        for each in waiting
    ]
    show(rows, as_json=as_json)


@app.command()
def suspend(
    context: typer.Context,
    serial: Serial,
    ground: Ground,
    *,
    reason: Why = None,
    until: Annotated[str, typer.Option(help="When the hold ends, with its zone.")] = "",
    by: By = Party.AUTHORITY,
    verified: Verified = False,
    reference: Reference = "",
    silent: Silent = False,
) -> None:
    """Put a certificate on hold.

    Example: antin suspend 4F0A12C3 --ground authority_order --by authority --reference QD-573/2024
    """
    desk = place(context)
    name = _ground(desk, Act.SUSPEND, ground, reason)
    request = Request(
        by=by,
        ground=name,
        verified=verified,
        reference=reference,
        ends_at=instant(until) if until else None,
        silent=silent,
    )
    _say(orders.ask(desk.office, serials.parse(serial), Wanted.SUSPEND, request))


@app.command()
def extend(
    context: typer.Context,
    serial: Serial,
    ground: Ground,
    *,
    until: Annotated[str, typer.Option(help="The later end, with its zone; else none.")] = "",
    by: By = Party.AUTHORITY,
    verified: Verified = False,
    reference: Reference = "",
) -> None:
    """Give a hold a later end, or none; the ground is the one it may be placed on.

    Example: antin extend 4F0A12C3 --ground subscriber_pause --by subscriber --verified
    """
    desk = place(context)
    request = Request(
        by=by,
        ground=_ground(desk, Act.SUSPEND, ground, None),
        verified=verified,
        reference=reference,
        ends_at=instant(until) if until else None,
    )
    _say(orders.ask(desk.office, serials.parse(serial), Wanted.EXTEND, request))


@app.command()
def restore(
    context: typer.Context,
    serial: Serial,
    ground: Annotated[HoldSource, typer.Option(help="The hold to lift, by its source.")],
    by: By = Party.CA,
    *,
    verified: Verified = False,
    reference: Reference = "",
    silent: Silent = False,
) -> None:
    """Lift one hold; the certificate is good again when none is left.

    Example: antin restore 4F0A12C3 --ground authority --by authority --reference QD-600/2024
    """
    request = Request(by=by, source=ground, verified=verified, reference=reference, silent=silent)
    office = place(context).office
    _say(orders.ask(office, serials.parse(serial), Wanted.RESTORE, request))


@app.command()
def revoke(
    context: typer.Context,
    serial: Serial,
    ground: Ground,
    reason: Why = None,
    by: By = Party.SUBSCRIBER,
    *,
    at: Annotated[str, typer.Option(help="Plan it for that instant, with its zone.")] = "",
    invalidity_date: Annotated[
        str, typer.Option(help="Since when the certificate is bad, with its zone.")
    ] = "",
    verified: Verified = False,
    reference: Reference = "",
    silent: Silent = False,
) -> None:
    """Revoke a certificate for ever, now or when an instant comes (antin plan list).

    Example: antin revoke 4F0A12C3 --ground key_lost --by subscriber --verified
    """
    desk = place(context)
    request = Request(
        by=by,
        ground=_ground(desk, Act.REVOKE, ground, reason),
        verified=verified,
        reference=reference,
        due_at=instant(at) if at else None,
        invalidity_date=instant(invalidity_date) if invalidity_date else None,
        silent=silent,
    )
    if at:
        orders.ask(desk.office, serials.parse(serial), Wanted.REVOKE, request)
        console.print(f"{serial} is to be revoked at {at}; the worker does it then.")
        return
    _say(orders.ask(desk.office, serials.parse(serial), Wanted.REVOKE, request))


def _ground(desk: Place, act: Act, text: str, reason: Reason | None) -> str:
    """Return the one ground that name or clause, and reason if given, mean."""
    rulebook = desk.office.rulebook(desk.works.clock.now())
    names = [
        name
        for name in rulebook.find_grounds(act, text)
        if reason is None or rulebook.grounds[name].reason is reason
    ]
    if len(names) == 1:
        return names[0]
    known = ", ".join(n for n, each in rulebook.grounds.items() if each.act is act and each.by)
    if not names:
        raise Invalid(
            f"{rulebook.reference} has no ground to {act} named {text!r}"
            f"{f' with the reason {reason}' if reason else ''}; there are {known}."
        )
    raise Refused(f"{text!r} means {', '.join(names)}; name one of them.", code="ambiguous_ground")


def _say(after: Certificate) -> None:
    standing = after.standing
    holds = f", held by {', '.join(sorted(standing.sources))}" if standing.holds else ""
    reason = f" ({standing.reason})" if standing.reason else ""
    console.print(f"{serials.to_hex(after.serial)} is {standing.status}{reason}{holds}.")
