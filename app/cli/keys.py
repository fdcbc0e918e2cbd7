"""antin key: public keys that are never certified again, and the certificates of exposed ones."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.desk import AsJson, console, place, show
from ca import compromise, exposure
from core import serials

key = typer.Typer(help="Exposed and weak keys.", no_args_is_help=True)

Because = Annotated[str, typer.Option(help="Why, in a sentence.")]


@key.command()
def block(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The list.")],
    because: Because,
) -> None:
    """Block every key of a list: the SHA-256 of its SPKI in hex, one in a line.

    Example: antin key block weak-keys.txt --because "The list of 2008 (CVE-2008-0166)."
    """
    office = place(context).office
    lines = file.read_text(encoding="utf-8").splitlines()
    with office.db.begin() as tx:
        count = compromise.block_listed(
            tx, lines, office.clock.now(), actor=office.actor, because=because
        )
    console.print(f"Blocked for ever: {count}.")


@key.command()
def report(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A key, request or certificate.")
    ],
    because: Because,
    *,
    believed: Annotated[
        bool, typer.Option("--believed", help="Act on a report that proves nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Block an exposed key for ever and show every certificate of it; nothing is revoked.

    Example: antin key report leaked.pem --because "It was found in a public repository."
    """
    office = place(context).office
    found = exposure.read(file.read_bytes())
    with office.db.begin() as tx:
        exposed = compromise.block(
            tx, found, office.clock.now(), actor=office.actor, because=because, believed=believed
        )
    rows = [
        {
            "serial": serials.to_hex(each.serial),
            "subscriber": each.subscriber,
            "status": each.standing.status,
            "to_revoke": each in exposed.live,
        }
        for each in (*exposed.live, *exposed.ended)
    ]
    if not as_json:
        console.print(f"The key {found.spki_sha256.hex()} is blocked for ever.")
    show(rows, as_json=as_json)
