"""The little DER that certificates, CRLs and OCSP answers are written in; pure.

Lengths are definite and minimal (X.690 10.1). Times follow RFC 5280 4.1.2.5: UTCTime through 2049,
GeneralizedTime from 2050, with seconds and `Z`, never with a fraction. What the world sends is read
elsewhere, strictly; here are only written elements, and a look into what we know to be sound.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
ENUMERATED, UTF8_STRING, PRINTABLE_STRING, IA5_STRING = 0x0A, 0x0C, 0x13, 0x16
UTC_TIME, GENERALIZED_TIME, SEQUENCE = 0x17, 0x18, 0x30
TRUE = bytes([BOOLEAN, 1, 0xFF])

_SHORT = 0x80
_FIRST_GENERALIZED_YEAR = 2050


def header(tag: int, length: int) -> bytes:
    """Return the identifier and length octets of an element whose content is `length` octets."""
    if length < _SHORT:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _SHORT | len(octets))) + octets


def element(tag: int, *contents: bytes) -> bytes:
    """Return one element with the `contents` behind each other."""
    content = b"".join(contents)
    return header(tag, len(content)) + content


def sequence(*contents: bytes) -> bytes:
    """Return a SEQUENCE of the encoded `contents`."""
    return element(SEQUENCE, *contents)


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return a non-negative INTEGER (or ENUMERATED) in as few octets as its sign bit allows."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def bit_string(octets: bytes) -> bytes:
    """Return a BIT STRING of whole octets."""
    return element(BIT_STRING, b"\0", octets)


def oid(dotted: str) -> bytes:
    """Return the object identifier written with dots (X.690 8.19)."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return element(OID, *(_base128(arc) for arc in (40 * first + second, *rest)))


@lru_cache(maxsize=4096)
def generalized_time(instant: datetime) -> bytes:
    """Return `instant` as GeneralizedTime to the second (RFC 5280 4.1.2.5.2)."""
    return element(GENERALIZED_TIME, f"{instant.astimezone(UTC):%Y%m%d%H%M%SZ}".encode())


@lru_cache(maxsize=4096)
def time(instant: datetime) -> bytes:
    """Return `instant` as the Time of RFC 5280 4.1.2.5; a fraction of a second is cut off."""
    utc = instant.astimezone(UTC)
    if utc.year >= _FIRST_GENERALIZED_YEAR:
        return generalized_time(utc)
    return element(UTC_TIME, f"{utc:%y%m%d%H%M%SZ}".encode())


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))


def children(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and whole octets of each element inside the element `data`.

    For octets that we wrote ourselves or that a strict parser has read: nothing is checked.
    """
    at, end = _head(data, 0)
    while at < end:
        length = data[at + 1]
        stop = at + 2 + length if length < _SHORT else _head(data, at)[1]
        yield data[at], data[at:stop]
        at = stop


def content(data: bytes) -> bytes:
    """Return the content octets of the element `data`."""
    at, end = _head(data, 0)
    return data[at:end]


def _head(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at `at` begins, and where the element ends."""
    first = data[at + 1]
    if first < _SHORT:
        return at + 2, at + 2 + first
    start = at + 2 + (first & ~_SHORT)
    return start, start + int.from_bytes(data[at + 2 : start], "big")
