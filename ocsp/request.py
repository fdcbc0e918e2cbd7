"""Reads an OCSP request, strictly and in bounded time (RFC 6960 4.1; RFC 9919 3.1; RFC 9654).

    OCSPRequest ::= SEQUENCE { tbsRequest, optionalSignature [0] EXPLICIT OPTIONAL }
    TBSRequest  ::= SEQUENCE { version [0] DEFAULT v1, requestorName [1] OPTIONAL,
                               requestList SEQUENCE OF Request, requestExtensions [2] OPTIONAL }
    Request     ::= SEQUENCE { reqCert CertID, singleRequestExtensions [0] OPTIONAL }

Strict where ambiguity would hide something (lengths, left-over octets, unknown critical
extensions), lenient where honest clients differ: the DEFAULT version written out (Botan), hash
parameters NULL or absent, a nonce without its inner OCTET STRING (old Bouncy Castle code).
"""

from core import der, serials
from core.errors import Invalid
from ocsp.model import CertId, Request, Signature
from ocsp.reader import BadDer, Reader

_MOST_NONCE = 128
_V1 = b"\x00"
_EXPLICIT = 0xA0

NONCE = der.oid("1.3.6.1.5.5.7.48.1.2")
_UNDERSTOOD = frozenset(
    {
        NONCE,
        der.oid("1.3.6.1.5.5.7.48.1.4"),  # acceptable response types: we give the basic one
        der.oid("1.3.6.1.5.5.7.48.1.7"),  # service locator: we route nothing
        der.oid("1.3.6.1.5.5.7.48.1.8"),  # preferred signature algorithms: ours is our own
    }
)


class Malformed(Invalid):
    """The bytes are no OCSP request; the right answer is malformedRequest."""


def parse(data: bytes) -> Request:
    """Return the request in `data`; raises Malformed with a sentence that says what is wrong."""
    try:
        return _request(data)
    except BadDer as error:
        raise Malformed(f"The OCSP request is not well-formed: {error}") from error


def _request(data: bytes) -> Request:
    outermost = Reader(data)
    outer = outermost.enter(der.SEQUENCE)
    outermost.finish()
    tbs_start = outer.at
    tbs = outer.enter(der.SEQUENCE)
    _version(tbs)
    named = _requestor_name(tbs)
    cert_ids = _request_list(tbs.enter(der.SEQUENCE))
    nonce = _nonce(_extensions(tbs, _EXPLICIT | 2))
    tbs.finish()
    signature = _signature(outer, data[tbs_start : outer.at]) if outer.peek() == _EXPLICIT else None
    outer.finish()
    if signature is not None and not named:
        raise BadDer("it is signed but names no requestor (RFC 6960 4.1.2).")
    return Request(cert_ids=cert_ids, nonce=nonce, signature=signature)


def _version(tbs: Reader) -> None:
    if tbs.peek() != _EXPLICIT:
        return
    wrapper = tbs.enter(_EXPLICIT)
    if wrapper.contents(der.INTEGER) != _V1:
        raise BadDer("its version is not v1.")
    wrapper.finish()


def _requestor_name(tbs: Reader) -> bool:
    if tbs.peek() != _EXPLICIT | 1:
        return False
    wrapper = tbs.enter(_EXPLICIT | 1)
    wrapper.whole()
    wrapper.finish()
    return True


def _request_list(entries: Reader) -> tuple[CertId, ...]:
    found: list[CertId] = []
    while entries.peek() != -1:
        entry = entries.enter(der.SEQUENCE)
        found.append(_cert_id(entry))
        _extensions(entry, _EXPLICIT)
        entry.finish()
    if not found:
        raise BadDer("it asks about no certificate.")
    return tuple(found)


def _cert_id(entry: Reader) -> CertId:
    start = entry.at
    fields = entry.enter(der.SEQUENCE)
    algorithm_start = fields.at
    algorithm = fields.enter(der.SEQUENCE)
    hash_oid = algorithm.contents(der.OID)
    if algorithm.peek() != -1 and algorithm.contents(der.NULL):
        raise BadDer("its hash algorithm has parameters other than NULL.")
    algorithm.finish()
    name_hash = fields.contents(der.OCTET_STRING)
    key_hash = fields.contents(der.OCTET_STRING)
    serial = _serial(fields.contents(der.INTEGER))
    fields.finish()
    return CertId(
        der=entry.data[start : entry.at],
        algorithm=entry.data[algorithm_start : algorithm.end],
        hash_oid=hash_oid,
        name_hash=name_hash,
        key_hash=key_hash,
        serial=serial,
    )


def _serial(octets: bytes) -> int:
    """Return the serial as asked; zero and negative ones are legal questions about nothing."""
    if not 1 <= len(octets) <= serials.MOST_BYTES:
        raise BadDer(f"a serial has {len(octets)} octets (RFC 5280 4.1.2.2 allows 1 to 20).")
    # X.690 8.3.2: the first nine bits are neither all zero nor all one.
    if len(octets) > 1 and octets[0] in {0x00, 0xFF} and (octets[0] ^ octets[1]) < 0x80:  # noqa: PLR2004 - the ninth bit
        raise BadDer("a serial is not written in the fewest octets.")
    return int.from_bytes(octets, "big", signed=True)


def _extensions(holder: Reader, tag: int) -> dict[bytes, bytes]:
    """Return the values of the understood extensions by OID, with none of them twice."""
    if holder.peek() != tag:
        return {}
    wrapper = holder.enter(tag)
    entries = wrapper.enter(der.SEQUENCE)
    wrapper.finish()
    found: dict[bytes, bytes] = {}
    if entries.peek() == -1:
        raise BadDer("it has an empty list of extensions.")
    while entries.peek() != -1:
        entry = entries.enter(der.SEQUENCE)
        name = entry.whole(der.OID)
        critical = entry.peek() == der.BOOLEAN and _boolean(entry.contents(der.BOOLEAN))
        value = entry.contents(der.OCTET_STRING)
        entry.finish()
        if name in found:
            raise BadDer("it has one extension twice.")
        if critical and name not in _UNDERSTOOD:
            raise BadDer("it has a critical extension that we do not know (RFC 6960 4.1.2).")
        found[name] = value
    return found


def _boolean(octets: bytes) -> bool:
    if octets not in {b"\x00", b"\xff"}:
        raise BadDer("it has a BOOLEAN that is neither TRUE nor FALSE.")
    return octets == b"\xff"


def _nonce(extensions: dict[bytes, bytes]) -> bytes | None:
    """Return the nonce extension's value, to be echoed as it is; 1 to 128 octets (RFC 9654 2.1)."""
    value = extensions.get(NONCE)
    if value is None:
        return None
    length = len(_unwrapped(value))
    if not 1 <= length <= _MOST_NONCE:
        raise BadDer(f"its nonce has {length} octets (RFC 9654 2.1 allows 1 to 128).")
    return value


def _unwrapped(value: bytes) -> bytes:
    reader = Reader(value)
    try:
        contents = reader.contents(der.OCTET_STRING)
        reader.finish()
    except BadDer:
        return value
    return contents


def _signature(outer: Reader, tbs: bytes) -> Signature:
    wrapper = outer.enter(_EXPLICIT)
    fields = wrapper.enter(der.SEQUENCE)
    wrapper.finish()
    algorithm = fields.whole(der.SEQUENCE)
    bits = fields.contents(der.BIT_STRING)
    if not bits or bits[0] != 0:
        raise BadDer("its signature is no whole number of octets.")
    certificates: list[bytes] = []
    if fields.peek() == _EXPLICIT:
        holder = fields.enter(_EXPLICIT)
        chain = holder.enter(der.SEQUENCE)
        holder.finish()
        while chain.peek() != -1:
            certificates.append(chain.whole(der.SEQUENCE))
    fields.finish()
    return Signature(tbs=tbs, algorithm=algorithm, value=bits[1:], certificates=tuple(certificates))
