"""Checks who signed a request, where the operator wants requests signed (RFC 6960 4.1.2).

Whoever holds a certificate of ours that is good now may ask. Weak hashes prove nothing and are
refused: SHA-2 only.
"""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ca.model import Stage, Status
from core import der
from ocsp.index import Authority, Index
from ocsp.lookup import Lookup
from ocsp.model import Signature
from ocsp.reader import BadDer, Reader

_Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_RSA: dict[bytes, type[_Hash]] = {
    der.oid("1.2.840.113549.1.1.11"): hashes.SHA256,
    der.oid("1.2.840.113549.1.1.12"): hashes.SHA384,
    der.oid("1.2.840.113549.1.1.13"): hashes.SHA512,
}
_ECDSA: dict[bytes, type[_Hash]] = {
    der.oid("1.2.840.10045.4.3.2"): hashes.SHA256,
    der.oid("1.2.840.10045.4.3.3"): hashes.SHA384,
    der.oid("1.2.840.10045.4.3.4"): hashes.SHA512,
}
_MOST_CERTIFICATES = 5


def may_ask(signature: Signature, index: Index, lookup: Lookup, now: datetime) -> bool:
    """Whether the signature verifies and its signer's certificate is ours and good at `now`.

    Raises Away when the signer's status cannot be known.
    """
    for octets in signature.certificates[:_MOST_CERTIFICATES]:
        try:
            certificate = x509.load_der_x509_certificate(octets)
            _verify(signature, certificate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, BadDer):
            continue
        return _is_good(certificate, index, lookup, now)
    return False


def _verify(signature: Signature, certificate: x509.Certificate) -> None:
    """Raise InvalidSignature unless the key of `certificate` signed the request."""
    scheme = Reader(signature.algorithm).enter(der.SEQUENCE).whole(der.OID)
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and scheme in _RSA:
        key.verify(signature.value, signature.tbs, padding.PKCS1v15(), _RSA[scheme]())
    elif isinstance(key, ec.EllipticCurvePublicKey) and scheme in _ECDSA:
        key.verify(signature.value, signature.tbs, ec.ECDSA(_ECDSA[scheme]()))
    else:
        raise InvalidSignature


def _is_good(certificate: x509.Certificate, index: Index, lookup: Lookup, now: datetime) -> bool:
    authority = next((each for each in index.authorities() if _issued(each, certificate)), None)
    if authority is None:
        return False
    (facts,) = lookup.many(authority, [certificate.serial_number])
    entry = facts.entry
    return (
        entry is not None
        and (entry.stage, entry.status) == (Stage.ISSUED, Status.GOOD)
        and now <= entry.not_after
    )


def _issued(authority: Authority, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(x509.load_der_x509_certificate(authority.certificate))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
