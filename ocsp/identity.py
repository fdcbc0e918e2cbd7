"""The two parts of a certificate that OCSP hashes: its subject and its key, as they are encoded."""

from dataclasses import dataclass

from core import der
from ocsp.reader import Reader

_VERSION = 0xA0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The DER of a subject name, and the contents of its key's BIT STRING (RFC 6960 4.1.1)."""

    subject: bytes
    key: bytes

    @classmethod
    def of(cls, certificate: bytes) -> "Identity":
        """Return the identity of a DER certificate.

        The octets are taken out of the certificate, not encoded anew: a hash over a name that a
        library wrote in its own way would match nobody's request.
        """
        tbs = Reader(certificate).enter(der.SEQUENCE).enter(der.SEQUENCE)
        if tbs.peek() == _VERSION:
            tbs.whole()
        for _ in range(4):  # serialNumber, signature, issuer, validity
            tbs.whole()
        subject = tbs.whole(der.SEQUENCE)
        key = tbs.enter(der.SEQUENCE)
        key.whole(der.SEQUENCE)
        # The first octet of a BIT STRING counts its unused bits.
        return cls(subject=subject, key=key.contents(der.BIT_STRING)[1:])
