"""An issuer together with its key: what signs certificates and CRLs.

The key is an object that signs (from a token, or from memory in tests); it is checked against the
issuer's certificate once, when loaded.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.model import Issuer
from core.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Where the world finds status and issuer: plain http, no trailing slash (RFC 5280 4.2.1.13).

    `responder` is the base, for example `http://pki.example.vn`. `partitions` and `deltas` say
    how the CRLs of the instance are published; a profile may name only what is there.
    """

    responder: str
    partitions: int = 0
    deltas: bool = False

    def ocsp(self) -> str:
        """The OCSP responder's address."""
        return f"{self.responder}/ocsp"

    def crl(self, issuer: str) -> str:
        """The address of the issuer's full CRL."""
        return f"{self.responder}/crl/{issuer}.crl"

    def partition(self, issuer: str, number: int) -> str:
        """The address of the CRL of one partition, 1 to `partitions`."""
        return f"{self.responder}/crl/{issuer}/{number}.crl"

    def delta(self, crl: str) -> str:
        """The address of the delta that belongs to the CRL at `crl`."""
        return f"{crl.removesuffix('.crl')}-delta.crl"

    def certificate(self, issuer: str) -> str:
        """The address of the issuer's certificate in DER."""
        return f"{self.responder}/ca/{issuer}.cer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIssuer:
    """An issuer, its parsed certificate and its key; `urls` goes into what it issues.

    `subject` is its name in DER, `key_id` the keyIdentifier by which what it issues names it
    (RFC 5280 4.2.1.1).
    """

    issuer: Issuer
    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes
    urls: Urls
    subject: bytes
    key_id: bytes


def partition_of(serial: int, count: int) -> int:
    """Return the partition, 1 to `count`, whose CRL tells of a serial; random serials fill evenly.

    The same sum as the publisher does; certificates name their partition for as long as they live.
    """
    return 1 + serial % count


def load(issuer: Issuer, key: CertificateIssuerPrivateKeyTypes, urls: Urls) -> SigningIssuer:
    """Join an issuer and its key; raises Invalid when the key is not the certificate's."""
    certificate = x509.load_der_x509_certificate(issuer.der)
    if _spki(certificate.public_key()) != _spki(key.public_key()):
        raise Invalid(
            f"The key given for the issuer {issuer.name!r} is not the one in its certificate; "
            "check the key's object name in the configuration."
        )
    return SigningIssuer(
        issuer=issuer,
        certificate=certificate,
        key=key,
        urls=urls,
        subject=certificate.subject.public_bytes(),
        key_id=key_id_of(certificate),
    )


def key_id_of(certificate: x509.Certificate) -> bytes:
    """Return the CA's subject key identifier; old CAs without one get the usual SHA-1."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    return found.value.digest


def _spki(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return] # every public key has it
