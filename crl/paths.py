"""The names under which CRLs are kept and served, relative to `/crl/`; pure.

{ca}.crl  {ca}-delta.crl  {ca}/{n}.crl  {ca}/{n}-delta.crl            the newest ones
{ca}/history/{number}.crl  ...{number}-delta.crl  ...{number}-{n}.crl  every one, by number
"""

from crl.model import WHOLE, Kind


def current(issuer: str, partition: int, kind: Kind) -> str:
    """Return the path of the newest CRL of one scope and kind."""
    delta = "-delta" if kind is Kind.DELTA else ""
    return f"{issuer}{delta}.crl" if partition == WHOLE else f"{issuer}/{partition}{delta}.crl"


def history(issuer: str, partition: int, kind: Kind, number: int) -> str:
    """Return the path under which a CRL is found by its number for as long as it is kept."""
    scope = "" if partition == WHOLE else f"-{partition}"
    delta = "-delta" if kind is Kind.DELTA else ""
    return f"{issuer}/history/{number}{scope}{delta}.crl"
