"""Relying parties for tests, sharing no code with the responder: asn1crypto builds what they ask.

`Scene` is a certificate authority with a delegated OCSP responder and a handful of certificates.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta

from asn1crypto import algos, core, ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ca import issue as issuance
from ca import lifecycle, records
from ca.issuers import SigningIssuer
from ca.model import Act, Approval, Certificate, HoldSource
from core.clock import Clock
from core.database import Database
from core.reasons import Reason
from ocsp.answer import Responder
from ocsp.index import Index
from ocsp.model import Settings
from ocsp.signer import Signer
from tests.support import authority


@dataclass(slots=True)
class Scene:
    """A CA, its delegated responder and its clock; `issuer` signs certificates."""

    db: Database
    clock: Clock
    issuer: SigningIssuer
    responder_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    delegate: Certificate
    issued: list[Certificate] = field(default_factory=list)

    @property
    def issuer_der(self) -> bytes:
        """The issuing CA's certificate."""
        return self.issuer.issuer.der

    def signer(self) -> Signer:
        """The delegated responder."""
        return Signer.load(self.responder_key, self.delegate.der or b"")

    def index(self) -> Index:
        """Every issuer in the database, with the one delegate."""
        with self.db.read() as tx:
            return Index(records.issuers(tx), [self.signer()])

    def responder(self, **settings: object) -> Responder:
        """A responder with these settings."""
        return Responder(self.db, self.clock, self.index(), Settings(**settings))  # type: ignore[arg-type] # the tests' own values

    def issue(self, *, on_hold: bool = False) -> Certificate:
        """Issue one more certificate."""
        now = self.clock.now()
        order = authority.order(f"KH{len(self.issued)}", now, on_hold=on_hold)
        made = issuance.issue(self.db, self.clock, self.issuer, order)
        self.issued.append(made)
        return made

    def suspend(self, certificate: Certificate) -> Certificate:
        """Put a certificate on hold."""
        approval = self._approval(Act.SUSPEND, certificate)
        with self.db.begin() as tx:
            return lifecycle.suspend(tx, approval, HoldSource.DOSSIER, self.clock.now())

    def restore(
        self, certificate: Certificate, source: HoldSource = HoldSource.DOSSIER
    ) -> Certificate:
        """Lift a hold."""
        approval = self._approval(Act.RESTORE, certificate)
        with self.db.begin() as tx:
            return lifecycle.restore(tx, approval, source, self.clock.now())

    def revoke(self, certificate: Certificate, reason: Reason = Reason.SUPERSEDED) -> Certificate:
        """Revoke for ever."""
        approval = self._approval(Act.REVOKE, certificate)
        with self.db.begin() as tx:
            return lifecycle.revoke(tx, approval, reason, self.clock.now())

    def _approval(self, act: Act, certificate: Certificate) -> Approval:
        return authority.approval(
            act, certificate.subscriber, self.clock.now(), serial=certificate.serial
        )


def scene(
    db: Database,
    clock: Clock,
    *,
    issuing_key: CertificateIssuerPrivateKeyTypes | None = None,
    responder_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
) -> Scene:
    """Establish a CA in `db` with P-256 keys unless others are given."""
    issuer = authority.establish(
        db,
        clock,
        ec.generate_private_key(ec.SECP256R1()),
        issuing_key or ec.generate_private_key(ec.SECP256R1()),
    )
    key = responder_key or ec.generate_private_key(ec.SECP256R1())
    return Scene(db, clock, issuer, key, delegate(db, clock, issuer, key))


def delegate(
    db: Database,
    clock: Clock,
    issuer: SigningIssuer,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    days: int = 90,
) -> Certificate:
    """Issue a delegated responder certificate for `key`, from now on."""
    now = clock.now().replace(microsecond=0)
    order = authority.order(
        "antin",
        now,
        profile=authority.PROFILES["ocsp_responder"],
        subject=authority.name("Test OCSP"),
        public_key=key.public_key(),
        not_before=now,
        not_after=now + timedelta(days=days),
    )
    return issuance.issue(db, clock, issuer, order)


# --- what clients send ------------------------------------------------------------------------


def cert_id(
    issuer: bytes, serial: int, algorithm: str = "sha1", *, changes: dict[str, object] | None = None
) -> ocsp.CertId:
    """A CertID as a client computes it; `changes` spoil it."""
    parsed = asn1_x509.Certificate.load(issuer)
    key = parsed["tbs_certificate"]["subject_public_key_info"]["public_key"]
    values: dict[str, object] = {
        "hash_algorithm": algos.DigestAlgorithm(
            {"algorithm": algorithm, "parameters": core.Null()}
        ),
        "issuer_name_hash": hashlib.new(algorithm, parsed.subject.dump()).digest(),
        "issuer_key_hash": hashlib.new(algorithm, key.contents[1:]).digest(),
        "serial_number": serial,
    }
    return ocsp.CertId(values | (changes or {}))


def request(
    *cert_ids: ocsp.CertId, extensions: list[tuple[str, bool, bytes]] | None = None
) -> bytes:
    """An OCSP request; `extensions` are OID, criticality and the DER inside extnValue."""
    tbs: dict[str, object] = {"request_list": [{"req_cert": each} for each in cert_ids]}
    if extensions is not None:
        tbs["request_extensions"] = [
            {
                "extn_id": oid,
                "critical": critical,
                "extn_value": core.ParsableOctetString(value),
            }
            for oid, critical, value in extensions
        ]
    return bytes(ocsp.OCSPRequest({"tbs_request": tbs}).dump())


def ask(issuer: bytes, *serials: int, algorithm: str = "sha1", nonce: bytes | None = None) -> bytes:
    """A request about these serials of one issuer, with a nonce if one is given."""
    extensions = None if nonce is None else [nonce_extension(nonce)]
    return request(
        *(cert_id(issuer, serial, algorithm) for serial in serials), extensions=extensions
    )


def nonce_extension(nonce: bytes) -> tuple[str, bool, bytes]:
    """The extension of RFC 9654."""
    return ("1.3.6.1.5.5.7.48.1.2", False, bytes(core.OctetString(nonce).dump()))


# --- what clients read ------------------------------------------------------------------------


def status_of(der: bytes) -> str:
    """The OCSPResponseStatus of a response, by its name."""
    return str(ocsp.OCSPResponse.load(der, strict=True)["response_status"].native)


def basic(der: bytes) -> ocsp.BasicOCSPResponse:
    """The basic response inside a successful one."""
    assert status_of(der) == "successful"
    return ocsp.OCSPResponse.load(der, strict=True).basic_ocsp_response


def singles(der: bytes) -> list[ocsp.SingleResponse]:
    """The answers inside a successful response."""
    return list(basic(der)["tbs_response_data"]["responses"])


def told(der: bytes) -> list[str]:
    """What a successful response says of each certificate: good, unknown, or the reason."""
    return [_told(each["cert_status"]) for each in singles(der)]


def _told(status: ocsp.CertStatus) -> str:
    if status.name != "revoked":
        return str(status.name)
    reason = status.chosen["revocation_reason"]
    return "revoked" if reason.native is None else str(reason.native)


def verify(der: bytes, issuer: bytes) -> x509.Certificate:
    """Verify a response's signature and its delegate; returns the delegate's certificate."""
    response = basic(der)
    (embedded,) = response["certs"]
    signer = x509.load_der_x509_certificate(embedded.dump())
    signer.verify_directly_issued_by(x509.load_der_x509_certificate(issuer))
    signature = response["signature"].native
    tbs = response["tbs_response_data"].dump()
    key = signer.public_key()
    digest = response["signature_algorithm"].hash_algo
    _verify(key, signature, tbs, digest)
    return signer


def _verify(key: object, signature: bytes, tbs: bytes, digest: str) -> None:
    algorithm = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, tbs, ec.ECDSA(algorithm[digest]))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, tbs, padding.PKCS1v15(), algorithm[digest])
    else:
        raise TypeError(type(key).__name__)


def pem(der: bytes) -> bytes:
    """A certificate in PEM, as command-line clients want it."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
