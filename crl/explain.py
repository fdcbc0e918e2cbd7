"""What a CRL says and what changed between two, in words, with the decisions behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

import ca.records
from ca.model import Issuer, StatusEvent
from core.database import Tx
from core.errors import NotFound
from crl import diff, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of a CRL, read back; the reason is None where the entry gives none."""

    serial: int
    since: datetime
    reason: str | None
    invalidity_date: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One certificate that two CRLs tell differently, and what happened to it in between.

    `before` and `after` are None where the CRL does not list it; `subscriber` is None for a serial
    that the engine does not know.
    """

    serial: int
    before: Line | None
    after: Line | None
    subscriber: str | None
    events: tuple[StatusEvent, ...]


def listing(data: bytes) -> Iterator[Line]:
    """Yield the entries of a CRL in their order, as `cryptography` reads them."""
    return map(_line, x509.load_der_x509_crl(data))


def steps(tx: Tx, owner: Issuer, before: bytes, after: bytes) -> Iterator[Step]:
    """Yield what differs between two CRLs of one issuer, sorted by serial.

    The events are those after the first CRL's thisUpdate and up to the second's.
    """
    first, second = reading.outline(before), reading.outline(after)
    found = diff.compare(reading.lines(before[first.entries]), reading.lines(after[second.entries]))
    old = _chosen(before, found.removed.keys() | found.changed.keys())
    new = _chosen(after, found.added.keys() | found.changed.keys())
    span = (first.heading.this_update, second.heading.this_update)
    for serial in sorted(found.serials):
        subscriber, events = _history(tx, owner, serial, span)
        yield Step(
            serial=serial,
            before=old.get(serial),
            after=new.get(serial),
            subscriber=subscriber,
            events=events,
        )


def _history(
    tx: Tx, owner: Issuer, serial: int, span: tuple[datetime, datetime]
) -> tuple[str | None, tuple[StatusEvent, ...]]:
    try:
        certificate = ca.records.by_serial(tx, serial, issuer_id=owner.id)
    except NotFound:
        return None, ()
    events = ca.records.events(tx, certificate.id)
    # thisUpdate is cut to the second.
    told = [each for each in events if span[0] < each.at and _second(each) <= span[1]]
    return certificate.subscriber, tuple(told)


def _second(event: StatusEvent) -> datetime:
    return event.at.replace(microsecond=0)


def _chosen(data: bytes, serials: set[int]) -> dict[int, Line]:
    read = x509.load_der_x509_crl(data)
    return {each.serial_number: _line(each) for each in read if each.serial_number in serials}


def _line(entry: x509.RevokedCertificate) -> Line:
    reason = invalidity = None
    for extension in entry.extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = str(extension.value.reason.value)
        elif isinstance(extension.value, x509.InvalidityDate):
            invalidity = extension.value.invalidity_date_utc
    return Line(
        serial=entry.serial_number,
        since=entry.revocation_date_utc,
        reason=reason,
        invalidity_date=invalidity,
    )
