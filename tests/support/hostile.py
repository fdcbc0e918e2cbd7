"""What the world sends to an OCSP responder that is no OCSP request, and the parts to make more."""

from asn1crypto import core
from asn1crypto import ocsp as asn1_ocsp

from core import der

NAME = bytes(range(20))
KEY = bytes(range(20, 40))
UNKNOWN = "1.3.6.1.4.1.32473.99"
"""An extension that nobody knows."""


def cert_id(serial: int = 0x1234, **changes: object) -> asn1_ocsp.CertId:
    """A CertID of an issuer that nobody knows."""
    values = {
        "hash_algorithm": {"algorithm": "sha1", "parameters": core.Null()},
        "issuer_name_hash": NAME,
        "issuer_key_hash": KEY,
        "serial_number": serial,
    }
    return asn1_ocsp.CertId(values | changes)


def raw(*, about: bytes | None = None, before: bytes = b"", after: bytes = b"") -> bytes:
    """A request put together from octets, so that every field can be wrong."""
    entry = der.element(der.SEQUENCE, about if about is not None else cert_id().dump())
    tbs = der.element(der.SEQUENCE, before, der.element(der.SEQUENCE, entry), after)
    return der.element(der.SEQUENCE, tbs)


def raw_id(serial: bytes, algorithm: bytes | None = None) -> bytes:
    """A CertID put together from octets."""
    sha1 = der.element(der.SEQUENCE, der.oid("1.3.14.3.2.26"), der.element(der.NULL))
    return der.element(
        der.SEQUENCE,
        sha1 if algorithm is None else algorithm,
        der.element(der.OCTET_STRING, NAME),
        der.element(der.OCTET_STRING, KEY),
        der.element(der.INTEGER, serial),
    )


GOOD = raw()
_NESTED = b""
for _ in range(2000):
    _NESTED = der.element(der.SEQUENCE, _NESTED)

HOSTILE = {
    "empty": b"",
    "one octet": b"\x30",
    "text": b"hello, is this OCSP?",
    "html": b"<html><body>OCSP</body></html>",
    "json": b'{"serial": 1}',
    "pem": b"-----BEGIN OCSP REQUEST-----\nMEIwQDA+MDwwOjAJBgUrDgMCGgUABBQ=\n",
    "zeros": bytes(1000),
    "ones": b"\xff" * 1000,
    "trailing": GOOD + b"\x00",
    "two glued": GOOD + GOOD,
    "indefinite": b"\x30\x80" + GOOD[2:] + b"\x00\x00",
    "long-form length": b"\x30\x81" + GOOD[1:],
    "long form with zeros": b"\x30\x82\x00" + GOOD[1:],
    "2 GiB": b"\x30\x84\x7f\xff\xff\xff" + GOOD[2:],
    "2^64": b"\x30\x88" + b"\xff" * 8 + GOOD[2:],
    "2^1000": b"\x30\xfd" + b"\xff" * 125,
    "wrong tag": b"\x31" + GOOD[1:],
    "empty sequence": b"\x30\x00",
    "empty request list": der.element(
        der.SEQUENCE, der.element(der.SEQUENCE, der.element(der.SEQUENCE))
    ),
    "no request list": der.element(der.SEQUENCE, der.element(der.SEQUENCE)),
    "nested": _NESTED,
    "no serial": raw(about=raw_id(b"\x01")[:-3]),
    "serial of wrong type": raw(about=raw_id(b"\x01")[:-3] + b"\x04\x01\x01"),
    "version 2": raw(before=der.element(0xA0, der.element(der.INTEGER, b"\x01"))),
    "hash parameters": raw(
        about=raw_id(
            b"\x01",
            der.element(der.SEQUENCE, der.oid("1.3.14.3.2.26"), der.element(der.OCTET_STRING)),
        )
    ),
    "no extensions": raw(after=der.element(0xA2, der.element(der.SEQUENCE))),
    "unknown field": raw(after=der.element(0xA3, b"")),
    "long tag": b"\x3f" + GOOD[1:],
    "odd boolean": raw(
        after=der.element(
            0xA2,
            der.element(
                der.SEQUENCE,
                der.element(
                    der.SEQUENCE,
                    der.oid(UNKNOWN),
                    der.element(der.BOOLEAN, b"\x01"),
                    der.element(der.OCTET_STRING),
                ),
            ),
        )
    ),
}
