"""antin suspend, restore, revoke: acts on one certificate, each through the rules."""

from typing import Annotated

import typer

from app.cli.desk import Place, console, instant, place
from ca.model import Act, Certificate, HoldSource
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
    )
    _say(orders.ask(desk.office, serials.parse(serial), Wanted.SUSPEND, request))


@app.command()
def restore(
    context: typer.Context,
    serial: Serial,
    ground: Annotated[HoldSource, typer.Option(help="The hold to lift, by its source.")],
    by: By = Party.CA,
    *,
    verified: Verified = False,
    reference: Reference = "",
) -> None:
    """Lift one hold; the certificate is good again when none is left.

    Example: antin restore 4F0A12C3 --ground authority --by authority --reference QD-600/2024
    """
    request = Request(by=by, source=ground, verified=verified, reference=reference)
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
    verified: Verified = False,
    reference: Reference = "",
) -> None:
    """Revoke a certificate for ever.

    Example: antin revoke 4F0A12C3 --ground key_lost --by subscriber --verified
    """
    desk = place(context)
    name = _ground(desk, Act.REVOKE, ground, reason)
    request = Request(by=by, ground=name, verified=verified, reference=reference)
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
