"""antin issue: certificates one by one."""

from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.cli.desk import console, place
from core import serials
from core.errors import Invalid, NotFound, Refused
from policy import enrol
from policy.records import cases, subscribers

app = typer.Typer()


@app.command()
def issue(
    context: typer.Context,
    csr: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="A PKCS#10 request.")],
    subscriber: Annotated[str, typer.Option(help="The subscriber's id in the register.")],
    years: Annotated[int, typer.Option(min=1, max=5, help="How long it is valid.")] = 1,
    *,
    profile: Annotated[str, typer.Option(help="The profile to expect.")] = "",
    on_hold: Annotated[
        bool, typer.Option("--on-hold", help="For the subscriber's paid remedy case, not active.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Where to write the certificate.")] = None,
) -> None:
    """Issue a certificate; its name comes from the register, only the key from the request.

    Example: antin issue --csr request.pem --subscriber KH00001 --years 2 --out certificate.pem
    """
    if out is not None and not out.parent.is_dir():
        raise Invalid(f"There is no folder {out.parent}, so nothing is issued; make it first.")
    desk = place(context).works.desk(f"operator:{place(context).operator}")
    with desk.office.db.read() as tx:
        kind = subscribers.kinds_of(tx, [subscriber]).get(subscriber)
        opened = cases.cases_of(tx, [subscriber]).get(subscriber, [])
    if profile and kind is not None and profile != kind:
        raise Refused(
            f"The subscriber {subscriber!r} is an {kind}; the profile {profile!r} is not for them.",
            code="profile_of_other_kind",
        )
    case = next((each for each in reversed(opened) if each.closed_at is None), None)
    if on_hold and case is None:
        raise NotFound(f"The subscriber {subscriber!r} has no open remedy case.")
    issued = enrol.enrol(
        desk, subscriber, csr.read_bytes(), years=years, case=case if on_hold else None
    )
    pem = x509.load_der_x509_certificate(issued.der or b"").public_bytes(Encoding.PEM)
    if out is None:
        console.print(pem.decode(), end="", markup=False)
    else:
        out.write_bytes(pem)
        console.print(f"Issued {serials.to_hex(issued.serial)} into {out}.")
