"""Reads the DER of CRLs strictly, one element after another, without copying; pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from core.der import GENERALIZED_TIME, UTC_TIME
from core.errors import Invalid

_SHORT = 0x80
_MOST_LENGTH_OCTETS = 4


@dataclass(frozen=True, slots=True)
class Element:
    """Where an element lies in its data: tag, first content octet, first octet behind it."""

    tag: int
    start: int
    content: int
    end: int


def read(data: bytes | memoryview, at: int = 0, *, tag: int | None = None) -> Element:
    """Return the element that begins at `at`; its content may lie beyond `data`.

    Raises Invalid when the length is indefinite, not minimal, beyond 4 GiB or cut off, and when the
    element has another tag than the wanted one.
    """
    head = bytes(data[at : at + 2 + _MOST_LENGTH_OCTETS])
    if len(head) < 2:  # noqa: PLR2004 - one identifier octet, one length octet
        raise Invalid(f"The data ends at octet {at}, where an element should begin.")
    found, length, size = head[0], head[1], 2
    if tag is not None and found != tag:
        raise Invalid(f"The element at octet {at} has the tag {found:#04x}, not {tag:#04x}.")
    if length >= _SHORT:
        octets = length - _SHORT
        raw = head[2 : 2 + octets]
        if not 0 < octets <= _MOST_LENGTH_OCTETS or len(raw) < octets:
            raise Invalid(f"The length at octet {at + 1} is indefinite, too long or cut off.")
        length, size = int.from_bytes(raw, "big"), 2 + octets
        if length < _SHORT or raw[0] == 0:
            raise Invalid(f"The length at octet {at + 1} is not written in its shortest form.")
    return Element(found, at, at + size, at + size + length)


def read_time(data: bytes | memoryview, found: Element) -> datetime:
    """Return the instant that a UTCTime or GeneralizedTime element tells; raises Invalid."""
    text = bytes(data[found.content : found.end]).decode("ascii", "replace")
    if found.tag == UTC_TIME:
        # 50 and above belong to the last century (RFC 5280 4.1.2.5.1).
        text = ("19" if text[:2] >= "50" else "20") + text
    elif found.tag != GENERALIZED_TIME:
        raise Invalid(f"The element at octet {found.start} is no time.")
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid(
            f"The time {text[:20]!r} is not of the form that RFC 5280 asks for."
        ) from error


def read_integer(data: bytes | memoryview, found: Element) -> int:
    """Return the INTEGER's value, which a CRL never has negative."""
    return int.from_bytes(data[found.content : found.end], "big", signed=True)
