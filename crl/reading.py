"""Reads a CRL's outline without touching its entries, however many there are; pure.

The outline costs the same for ten entries and for a million: the elements are stepped over by their
lengths. Only what our own CRLs hold is understood; the gate reads them with other code besides.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from core import der
from core.errors import Invalid
from crl import elements
from crl.model import Heading

_AUTHORITY_KEY_IDENTIFIER, _CRL_NUMBER, _DELTA = b"\x55\x1d\x23", b"\x55\x1d\x14", b"\x55\x1d\x1b"
_POINT, _FRESHEST, _EXPIRED = b"\x55\x1d\x1c", b"\x55\x1d\x2e", b"\x55\x1d\x3c"

ENDS = 1024
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Where the parts of a CRL lie, as slices of its bytes, and what its heading says.

    `entries` is the content of revokedCertificates, empty when that is absent; `algorithm` and
    `inner_algorithm` are the two AlgorithmIdentifiers, which must be equal (RFC 5280 5.1.1.2);
    `critical` holds the OIDs of the critical extensions.
    """

    heading: Heading
    signed: slice
    entries: slice
    inner_algorithm: bytes
    algorithm: bytes
    signature: bytes
    critical: frozenset[bytes]


def outline(data: bytes | memoryview) -> Outline:
    """Return the outline of one whole DER CRL; raises Invalid where it is none of ours."""
    whole = elements.read(data, tag=der.SEQUENCE)
    if whole.end != len(data):
        raise Invalid(f"The CRL should end at octet {whole.end}, but {len(data)} octets were read.")
    tbs = elements.read(data, whole.content, tag=der.SEQUENCE)
    outer = elements.read(data, tbs.end, tag=der.SEQUENCE)
    signature = elements.read(data, outer.end, tag=der.BIT_STRING)
    if signature.end != whole.end:
        raise Invalid(f"Something follows the signature at octet {signature.end}.")
    version, inner, issuer, this_update, next_update, *rest = _elements(data, tbs)
    if bytes(data[version.start : version.end]) != der.integer(1):
        raise Invalid("The CRL is not of version 2.")
    entries = rest.pop(0) if rest and rest[0].tag == der.SEQUENCE else None
    if [each.tag for each in rest] != [0xA0]:
        raise Invalid("The CRL's extensions are not where they belong, behind its entries.")
    values, critical = _extensions(data, rest[0])
    return Outline(
        heading=_heading(
            _cut(data, issuer),
            elements.read_time(data, this_update),
            elements.read_time(data, next_update),
            values,
        ),
        signed=slice(tbs.start, tbs.end),
        entries=slice(entries.content, entries.end) if entries else slice(0, 0),
        inner_algorithm=_cut(data, inner),
        algorithm=_cut(data, outer),
        signature=bytes(data[signature.content + 1 : signature.end]),
        critical=critical,
    )


def times(front: bytes | memoryview) -> tuple[datetime, datetime]:
    """Return thisUpdate and nextUpdate from the first few hundred octets of a CRL."""
    tbs = elements.read(front, elements.read(front, tag=der.SEQUENCE).content, tag=der.SEQUENCE)
    at = tbs.content
    for _version_algorithm_issuer in range(3):
        at = elements.read(front, at).end
    this_update = elements.read(front, at)
    found = (this_update, elements.read(front, this_update.end))
    begin, end = (elements.read_time(front, each) for each in found)
    return begin, end


def holds(data: bytes, where: slice, content: bytes) -> bool:
    """Whether `data` has `content` at that place, compared in pieces rather than copied."""
    if where.stop - where.start != len(content):
        return False
    return all(
        data[where.start + at : where.start + min(at + _PIECE, len(content))]
        == content[at : at + _PIECE]
        for at in range(0, len(content), _PIECE)
    )


def tag(front: bytes, back: bytes) -> str:
    """Return a word that no other CRL has: a digest of the first and last `ENDS` octets.

    The last octets are the signature over all the rest.
    """
    return hashlib.sha256(front[:ENDS] + back[-ENDS:]).hexdigest()


def lines(region: bytes | memoryview) -> Iterator[bytes]:
    """Yield the entries of `region` (an outline's `entries`) one by one, as DER.

    Raises Invalid at the first octet that begins no entry.
    """
    at = 0
    for match in _LINE.finditer(region):
        if match.start() != at:
            break
        at = match.end()
        yield match.group()
    if at != len(region):
        raise Invalid(f"No CRL entry of ours begins at octet {at} of the list.")


def serial_octets(line: bytes) -> bytes:
    """Return the content octets of an entry's serial."""
    return line[4 : 4 + line[3]]


def serial_order(line: bytes) -> bytes:
    """Return the octets by which entries are sorted: the length of the serial, then the serial.

    Serials are positive and in their shortest form, so this is their order as numbers.
    """
    return line[3 : 4 + line[3]]


def _heading(
    issuer: bytes, this_update: datetime, next_update: datetime, values: dict[bytes, bytes]
) -> Heading:
    try:
        key_id = values[_AUTHORITY_KEY_IDENTIFIER]
        number = values[_CRL_NUMBER]
    except KeyError as error:
        raise Invalid("The CRL lacks its authorityKeyIdentifier or its cRLNumber.") from error
    base, expired = values.get(_DELTA), values.get(_EXPIRED)
    return Heading(
        issuer=issuer,
        key_id=_inside(key_id, der.SEQUENCE, 0x80),
        number=elements.read_integer(number, elements.read(number, tag=der.INTEGER)),
        this_update=this_update,
        next_update=next_update,
        base_number=None if base is None else elements.read_integer(base, elements.read(base)),
        distribution_point=_url(values.get(_POINT), der.SEQUENCE),
        freshest=_url(values.get(_FRESHEST), der.SEQUENCE, der.SEQUENCE),
        expired_since=None if expired is None else _time(expired),
    )


def _extensions(
    data: bytes | memoryview, found: elements.Element
) -> tuple[dict[bytes, bytes], frozenset[bytes]]:
    values: dict[bytes, bytes] = {}
    critical = set()
    for each in _elements(data, elements.read(data, found.content, tag=der.SEQUENCE)):
        oid, *flag, value = _elements(data, each)
        name = bytes(data[oid.content : oid.end])
        if name in values:
            raise Invalid(f"The extension {name.hex()} stands twice in the CRL (RFC 5280 4.2).")
        values[name] = bytes(data[value.content : value.end])
        if flag:
            critical.add(name)
    return values, frozenset(critical)


def _time(data: bytes) -> datetime:
    return elements.read_time(data, elements.read(data))


def _url(value: bytes | None, *outer: int) -> str | None:
    if value is None:
        return None
    octets = _inside(value, *outer, 0xA0, 0xA0, 0x86)
    if not octets.isascii():
        raise Invalid(f"The URL {octets[:60]!r} in the CRL is not of ASCII characters.")
    return octets.decode("ascii")


def _inside(value: bytes, *tags: int) -> bytes:
    """Return the content of the element that is reached through the first ones of these tags."""
    at = 0
    for tag in tags:
        found = elements.read(value, at, tag=tag)
        at = found.content
    return value[found.content : found.end]


def _elements(data: bytes | memoryview, parent: elements.Element) -> list[elements.Element]:
    found, at = [], parent.content
    while at < parent.end:
        found.append(elements.read(data, at))
        at = found[-1].end
    if at != parent.end:
        raise Invalid(f"The element at octet {parent.start} ends in the middle of another.")
    return found


def _cut(data: bytes | memoryview, found: elements.Element) -> bytes:
    return bytes(data[found.start : found.end])


def _line_pattern() -> re.Pattern[bytes]:
    """A short-form SEQUENCE that begins with an INTEGER, of any length; the common ones first."""
    common = [47, 45, 46, 33, 31, 61, 59]
    lengths = common + [each for each in range(18, 128) if each not in common]
    shapes = (b"%b\x02[\\s\\S]{%d}" % (re.escape(bytes([each])), each - 1) for each in lengths)
    return re.compile(b"0(?:" + b"|".join(shapes) + b")")


_LINE = _line_pattern()
