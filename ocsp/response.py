"""Assembles OCSP responses in DER, for one certificate or several (RFC 6960 4.2.1).

    OCSPResponse      ::= SEQUENCE { responseStatus ENUMERATED, responseBytes [0] OPTIONAL }
    BasicOCSPResponse ::= SEQUENCE { tbsResponseData, signatureAlgorithm, signature BIT STRING,
                                     certs [0] EXPLICIT OPTIONAL }
    ResponseData      ::= SEQUENCE { version DEFAULT v1, responderID, producedAt, responses,
                                     responseExtensions [1] EXPLICIT OPTIONAL }

Our own code, because `cryptography` builds responses for one certificate only. Times carry no
fraction; empty lists are left out; no reasonCode stands in singleExtensions (BR 7.3.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core import der
from core.reasons import Reason
from ocsp.model import CertStatus, ResponseStatus, Verdict
from ocsp.request import NONCE
from ocsp.signer import Signer

_EXPLICIT = 0xA0
_GOOD = b"\x80\x00"
_UNKNOWN = b"\x82\x00"
_REVOKED = 0xA1
_NEXT_UPDATE = der.header(_EXPLICIT, 17)  # before a GeneralizedTime, always of 17 octets
_BASIC = der.oid("1.3.6.1.5.5.7.48.1.1")
_ARCHIVE_CUTOFF = der.oid("1.3.6.1.5.5.7.48.1.6")
_EXTENDED_REVOKE = der.element(
    der.SEQUENCE,
    der.oid("1.3.6.1.5.5.7.48.1.9"),
    der.element(der.OCTET_STRING, der.element(der.NULL)),
)
_SUCCESSFUL = der.element(der.ENUMERATED, bytes((ResponseStatus.SUCCESSFUL,)))
NEVER_ISSUED_SINCE = datetime(1970, 1, 1, tzinfo=UTC)
"""The revocationTime of a serial that was never issued (RFC 6960 2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """What is said of one certificate; `cert_id` is the CertID as the client sent it."""

    cert_id: bytes
    verdict: Verdict
    this_update: datetime
    next_update: datetime
    archive_cutoff: datetime | None = None


def failure(status: ResponseStatus) -> bytes:
    """Return the unsigned response that says why there is no answer (RFC 6960 4.2.1)."""
    return der.element(der.SEQUENCE, der.element(der.ENUMERATED, bytes((status,))))


def successful(
    singles: Sequence[Single],
    signer: Signer,
    *,
    produced_at: datetime,
    nonce: bytes | None = None,
    by_name: bool = False,
) -> tuple[bytes, bytes]:
    """Return the signed response, parted before the responder's certificate.

    Raises what the signer's key raises when its token is away.

    `nonce` is the value of the request's nonce extension, echoed as it came (RFC 9654 2.1).
    """
    tbs = der.element(
        der.SEQUENCE,
        signer.by_name if by_name else signer.by_key,
        der.generalized_time(produced_at),
        der.element(der.SEQUENCE, *(_single(each) for each in singles)),
        _response_extensions(singles, nonce),
    )
    return _wrapped(tbs, signer.algorithm, signer.sign(tbs), signer.certs), signer.certs


def _wrapped(tbs: bytes, algorithm: bytes, signature: bytes, certs: bytes) -> bytes:
    """Return the OCSPResponse up to `certs`, which every length counts already."""
    signed = tbs + algorithm + der.element(der.BIT_STRING, b"\x00", signature)
    after = len(certs)
    for tag, before in ((der.SEQUENCE, b""), (der.OCTET_STRING, _BASIC), (der.SEQUENCE, b"")):
        signed = before + der.header(tag, len(signed) + after) + signed
    signed = _SUCCESSFUL + der.header(_EXPLICIT, len(signed) + after) + signed
    return der.header(der.SEQUENCE, len(signed) + after) + signed


def _single(single: Single) -> bytes:
    return der.element(
        der.SEQUENCE,
        single.cert_id,
        _status(single.verdict),
        der.generalized_time(single.this_update),
        _NEXT_UPDATE + der.generalized_time(single.next_update),
        _single_extensions(single.archive_cutoff),
    )


def _status(verdict: Verdict) -> bytes:
    if verdict.status is CertStatus.GOOD:
        return _GOOD
    if verdict.status is CertStatus.UNKNOWN or verdict.at is None:
        return _UNKNOWN
    # Unspecified is left out rather than written as 0 (RFC 5280 5.3.1), as in our CRLs.
    reason = b""
    if verdict.reason not in {None, Reason.UNSPECIFIED}:
        code = der.element(der.ENUMERATED, bytes((verdict.reason.code,)))
        reason = der.element(_EXPLICIT, code)
    return der.element(_REVOKED, der.generalized_time(verdict.at), reason)


def _single_extensions(archive_cutoff: datetime | None) -> bytes:
    if archive_cutoff is None:
        return b""
    value = der.element(der.OCTET_STRING, der.generalized_time(archive_cutoff))
    extension = der.element(der.SEQUENCE, _ARCHIVE_CUTOFF, value)
    return der.element(_EXPLICIT | 1, der.element(der.SEQUENCE, extension))


def _response_extensions(singles: Sequence[Single], nonce: bytes | None) -> bytes:
    found: list[bytes] = []
    if nonce is not None:
        found.append(der.element(der.SEQUENCE, NONCE, der.element(der.OCTET_STRING, nonce)))
    if any(each.verdict.never_issued for each in singles):
        found.append(_EXTENDED_REVOKE)
    if not found:
        return b""  # never an empty SEQUENCE
    return der.element(_EXPLICIT | 1, der.element(der.SEQUENCE, *found))
