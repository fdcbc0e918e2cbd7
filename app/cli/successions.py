"""antin renew, rekey, reissue: a certificate that follows another."""

from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.cli.desk import console, place
from ca.model import Succession
from core import serials
from core.errors import Invalid
from core.reasons import Reason
from policy.follow import follow

app = typer.Typer()

Serial = Annotated[str, typer.Argument(help="The older certificate's serial in hex.")]
Csr = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="A PKCS#10 request.")]
Out = Annotated[Path, typer.Option(dir_okay=False, help="Where to write the certificate.")]
Years = Annotated[int, typer.Option(min=1, max=5, help="How long it is valid.")]
Verified = Annotated[bool, typer.Option("--verified", help="The subscriber's wish was verified.")]


@app.command()
def renew(context: typer.Context, serial: Serial, csr: Csr, out: Out, years: Years = 1) -> None:
    """Issue the next certificate, with the same data, before the older one ends by itself.

    Example: antin renew 4F0A12C3 --csr request.pem --out certificate.pem
    """
    _follow(context, serial, (csr, out), Succession.RENEWAL, years=years)


@app.command()
def rekey(
    context: typer.Context,
    serial: Serial,
    csr: Csr,
    out: Out,
    years: Years = 1,
    *,
    verified: Verified = False,
    reason: Annotated[
        Reason, typer.Option(help="superseded, or keyCompromise for a lost or exposed key.")
    ] = Reason.SUPERSEDED,
) -> None:
    """Issue a certificate with the same data for a new key, and revoke the older one.

    Example: antin rekey 4F0A12C3 --csr request.pem --out certificate.pem --verified
    """
    files = (csr, out)
    _follow(context, serial, files, Succession.REKEY, years=years, verified=verified, reason=reason)


@app.command()
def reissue(
    context: typer.Context,
    serial: Serial,
    csr: Csr,
    out: Out,
    years: Years = 1,
    *,
    verified: Verified = False,
) -> None:
    """Issue a certificate with the register's changed data, and revoke the older one.

    Example: antin reissue 4F0A12C3 --csr request.pem --out certificate.pem --verified
    """
    _follow(context, serial, (csr, out), Succession.REISSUE, years=years, verified=verified)


def _follow(
    context: typer.Context,
    serial: str,
    files: tuple[Path, Path],
    kind: Succession,
    *,
    years: int,
    verified: bool = False,
    reason: Reason | None = None,
) -> None:
    csr, out = files
    if not out.parent.is_dir():
        raise Invalid(f"There is no folder {out.parent}, so nothing is issued; make it first.")
    made = follow(
        place(context).works.desk(f"operator:{place(context).operator}"),
        serials.parse(serial),
        csr.read_bytes(),
        kind,
        years=years,
        verified=verified,
        reason=reason,
    )
    certificate = x509.load_der_x509_certificate(made.der or b"")
    out.write_bytes(certificate.public_bytes(Encoding.PEM))
    console.print(f"Issued {serials.to_hex(made.serial)} into {out}.")
