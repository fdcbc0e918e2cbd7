"""The entries of a CRL: one certificate in, ready DER out; pure.

Entries are sorted by serial, as numbers. The revocationDate is the instant of the last change of
status, the same as OCSP tells (RFC 6960 2.2).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ca.model import Entry
from core import der, serials
from core.reasons import Reason

_REASON_CODE = bytes.fromhex("0603551d15")
_INVALIDITY_DATE = bytes.fromhex("0603551d18")


@dataclass(frozen=True, slots=True)
class Region:
    """Entries joined as DER, in their order, and how many they are."""

    content: bytes
    count: int


def encode(entry: Entry) -> bytes:
    """Return one element of revokedCertificates (RFC 5280 5.1.2.6) for a certificate not good."""
    if entry.since is None or entry.reason is None:
        raise ValueError(
            f"The certificate {serials.to_hex(entry.serial)} is good and has no entry."
        )
    return line(entry.serial, entry.since, entry.reason, entry.invalidity_date)


def line(
    serial: int, since: datetime, reason: Reason, invalidity_date: datetime | None = None
) -> bytes:
    """Return one element of revokedCertificates from its parts.

    The reason unspecified is left out rather than written as 0 (RFC 5280 5.3.1), and without any
    entry extension the whole field is absent.
    """
    extensions = _REASONS[reason]
    if invalidity_date is not None:
        extensions += der.sequence(
            _INVALIDITY_DATE, der.element(der.OCTET_STRING, der.generalized_time(invalidity_date))
        )
    fields = der.integer(serial) + der.time(since.replace(microsecond=0))
    if extensions:
        fields += der.sequence(extensions)
    return der.sequence(fields)


def stays(entry: Entry, *, last_regular: datetime | None, keep_expired: bool) -> bool:
    """Whether the entry belongs on the next full CRL.

    It stays until it stood on one regular CRL after the certificate's end (RFC 5280 3.3):
    `last_regular` is the thisUpdate of the newest full CRL that every target has.
    """
    return keep_expired or last_regular is None or last_regular <= entry.not_after


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries sorted by serial, as numbers."""
    return sorted(entries, key=lambda each: each.serial)


def _reason_extension(reason: Reason) -> bytes:
    if reason is Reason.UNSPECIFIED:
        return b""
    value = der.integer(reason.code, der.ENUMERATED)
    return der.sequence(_REASON_CODE, der.element(der.OCTET_STRING, value))


_REASONS = {reason: _reason_extension(reason) for reason in Reason}

REMOVAL = _REASONS[Reason.REMOVE_FROM_CRL]
"""The reason extension that a lifted hold has in a delta."""
