"""Goes on where another CA's CRLs ended: the same issuer name and key, numbers above its last one.

The certificates and their statuses come by the engine's own take-over; the database notes each of
them, so the first CRL lists them all.
"""

from datetime import datetime

from cryptography import x509

import ca.records
from core import audit
from core.database import Database
from core.errors import Invalid, Refused
from crl.model import WHOLE
from crl.records import numbers, signed

_MOST = 1 << 63


def continue_after(db: Database, now: datetime, *, issuer: str, last: bytes, actor: str) -> int:
    """Let the issuer's numbers go on above those of `last`, the former CA's newest CRL; return it.

    Raises Invalid when `last` is no CRL with a number, Refused when it is another issuer's or when
    we published a CRL already.
    """
    crl, number = _read(last)
    with db.begin() as tx:
        owner = ca.records.issuer_named(tx, issuer)
        if crl.issuer != x509.load_der_x509_certificate(owner.der).subject:
            raise Refused(
                f"The CRL is not of the issuer {issuer!r}; its issuer field differs.",
                code="crl_of_another_issuer",
            )
        if signed.newest(tx, owner.id, partition=WHOLE) is not None:
            raise Refused(
                f"{issuer} published a CRL here already; a take-over comes before the first one.",
                code="crl_published",
            )
        numbers.raise_to(tx, owner.id, number)
        audit.append(
            tx,
            at=now,
            actor=actor,
            act="crl.take_over",
            subject=f"crl:{issuer}/{number}",
            next_update=crl.next_update_utc,
        )
    return number


def _read(last: bytes) -> tuple[x509.CertificateRevocationList, int]:
    """Read a CRL that is not ours: with the library, which takes what other CAs write."""
    try:
        crl = x509.load_der_x509_crl(last)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Invalid(f"The last CRL cannot be used: {error}.") from error
    if not 0 <= number < _MOST:
        raise Invalid(f"The CRL's number {number} is not below {_MOST}, the most that is kept.")
    return crl, number
