"""Reports of exposed keys, in whatever form somebody found them. Pure.

A private key is its own proof. A request whose signature verifies shows that whoever reports can
sign with the key. A public key or a certificate only says which key is meant: believing the report
is then somebody's decision. Nothing of a private key is kept, logged or quoted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
)

from ca.keys import spki_sha256
from core.errors import Invalid, Refused

MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Which key is meant, by the SHA-256 of its SPKI, and whether the report proves possession."""

    spki_sha256: bytes
    proved: bool


def read(content: bytes) -> Report:
    """Read a report: PKCS#1, PKCS#8, SEC1 or OpenSSH private keys, SPKI, PKCS#10, certificates.

    Raises Invalid when it is none of them, Refused when a private key is encrypted or a request's
    signature does not verify.
    """
    if len(content) > MOST_BYTES:
        raise Invalid(f"The report has {len(content)} bytes; {MOST_BYTES} are read at most.")
    for reader, proved in _readers(content):
        try:
            key = reader(content)
        except (ValueError, UnsupportedAlgorithm):
            continue
        except TypeError:
            raise Refused(
                "The private key is encrypted; report it without a password, or its public key.",
                code="report_encrypted",
            ) from None
        return Report(spki_sha256=spki_sha256(key), proved=proved)
    raise Invalid(
        "The report is no key that can be read: send PKCS#1, PKCS#8, SubjectPublicKeyInfo, a "
        "request or a certificate, in PEM or DER."
    )


def _readers(content: bytes) -> Iterator[tuple[Callable[[bytes], PublicKeyTypes], bool]]:
    if content.lstrip().startswith(b"-----BEGIN OPENSSH"):
        yield lambda text: load_ssh_private_key(text, None).public_key(), True
    pem = b"-----BEGIN " in content
    private = load_pem_private_key if pem else load_der_private_key
    yield lambda text: private(text, None).public_key(), True
    yield lambda text: _of_request(text, pem=pem), True
    yield (load_pem_public_key if pem else load_der_public_key), False
    certificate = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
    yield lambda text: certificate(text).public_key(), False


def _of_request(content: bytes, *, pem: bool) -> PublicKeyTypes:
    load = x509.load_pem_x509_csr if pem else x509.load_der_x509_csr
    request = load(content)
    try:
        valid = request.is_signature_valid
    except (InvalidSignature, UnsupportedAlgorithm, TypeError):
        valid = False
    if not valid:
        raise Refused(
            "The request's signature does not fit its key, so it proves nothing; report the public "
            "key itself.",
            code="report_unproved",
        )
    return request.public_key()
