"""Builds CRLs: a heading and ready entries in, what is to be signed and the CRL out; pure."""

from core import der
from crl.model import Heading

_AUTHORITY_KEY_IDENTIFIER = bytes.fromhex("0603551d23")
_CRL_NUMBER = bytes.fromhex("0603551d14")
_DELTA_CRL_INDICATOR = bytes.fromhex("0603551d1b")
_ISSUING_DISTRIBUTION_POINT = bytes.fromhex("0603551d1c")
_FRESHEST_CRL = bytes.fromhex("0603551d2e")
_EXPIRED_CERTS_ON_CRL = bytes.fromhex("0603551d3c")

_VERSION_2 = der.integer(1)


def to_be_signed(heading: Heading, algorithm: bytes, listed: bytes) -> bytes:
    """Return the TBSCertList (RFC 5280 5.1.2) under the AlgorithmIdentifier `algorithm`.

    `listed` is the entries as DER, joined; without any, revokedCertificates is absent (5.1.2.6).
    """
    front = b"".join(
        (
            _VERSION_2,
            algorithm,
            heading.issuer,
            der.time(heading.this_update),
            der.time(heading.next_update),
        )
    )
    listed_header = der.header(der.SEQUENCE, len(listed)) if listed else b""
    return der.sequence(front, listed_header, listed, _extensions(heading))


def assemble(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """Return the CertificateList: what was signed, how, and the signature (RFC 5280 5.1.1)."""
    return der.sequence(tbs, algorithm, der.element(der.BIT_STRING, b"\0", signature))


def _extensions(heading: Heading) -> bytes:
    key_id = der.sequence(der.element(0x80, heading.key_id))
    found = [
        _extension(_AUTHORITY_KEY_IDENTIFIER, key_id),
        _extension(_CRL_NUMBER, der.integer(heading.number)),
    ]
    if heading.base_number is not None:
        base = der.integer(heading.base_number)
        found.append(_extension(_DELTA_CRL_INDICATOR, base, critical=True))
    if heading.distribution_point is not None:
        point = der.sequence(_point_name(heading.distribution_point))
        found.append(_extension(_ISSUING_DISTRIBUTION_POINT, point, critical=True))
    if heading.freshest is not None:
        points = der.sequence(der.sequence(_point_name(heading.freshest)))
        found.append(_extension(_FRESHEST_CRL, points))
    if heading.expired_since is not None:
        since = der.generalized_time(heading.expired_since)
        found.append(_extension(_EXPIRED_CERTS_ON_CRL, since))
    return der.element(0xA0, der.sequence(*found))


def _extension(oid: bytes, value: bytes, *, critical: bool = False) -> bytes:
    return der.sequence(oid, der.TRUE if critical else b"", der.element(der.OCTET_STRING, value))


def _point_name(url: str) -> bytes:
    """Return [0] distributionPoint [0] fullName [6] uniformResourceIdentifier."""
    return der.element(0xA0, der.element(0xA0, der.element(0x86, url.encode("ascii"))))
