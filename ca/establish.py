"""Establish issuers: the self-signed root, a subordinate CA, an issuer's OCSP responder.

The engine's side of a key ceremony: the keys exist already (in a token), and the officer's word is
the approval.
"""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ca import draft, issuers, lint, records
from ca.issue import Order, issue, refuse_findings
from ca.issuers import SigningIssuer, Urls
from ca.keys import PublicKey, spki_sha256
from ca.model import Approval, Certificate, Issuer
from ca.profiles import Profile
from core import audit, serials
from core.clock import Clock
from core.database import Database
from core.errors import Refused


def establish_root(
    db: Database,
    clock: Clock,
    key: CertificateIssuerPrivateKeyTypes,
    *,
    name: str,
    subject: x509.Name,
    profile: Profile,
    not_after: datetime,
    urls: Urls,
    actor: str,
) -> SigningIssuer:
    """Make a self-signed root and record it under the short `name`; Conflict when it exists."""
    now = clock.now()
    drafted = draft.build_root(
        profile=profile,
        subject=subject,
        public_key=public_key(key),
        serial=serials.draw(),
        not_before=now,
        not_after=not_after,
    )
    refuse_findings(lint.examine(drafted, None))
    der = draft.sign(drafted, key)
    certificate = x509.load_der_x509_certificate(der)
    certificate.verify_directly_issued_by(certificate)
    with db.begin() as tx:
        records.claim_keys(tx, {spki_sha256(certificate.public_key()): f"issuer:{name}"})
    recorded = _record(db, clock, certificate, name=name, parent_id=None, actor=actor)
    return issuers.load(recorded, key, urls)


def establish_subordinate(
    db: Database,
    clock: Clock,
    parent: SigningIssuer,
    key: CertificateIssuerPrivateKeyTypes,
    *,
    name: str,
    subject: x509.Name,
    profile: Profile,
    not_after: datetime,
    approval: Approval,
    urls: Urls,
) -> SigningIssuer:
    """Issue a CA certificate under `parent` for `key` and record it as the issuer `name`."""
    issued = issue(
        db,
        clock,
        parent,
        Order(
            approval=approval,
            profile=profile,
            subject=subject,
            public_key=public_key(key),
            not_before=clock.now(),
            not_after=not_after,
        ),
    )
    certificate = x509.load_der_x509_certificate(issued.der or b"")
    parent_id = parent.issuer.id
    recorded = _record(db, clock, certificate, name=name, parent_id=parent_id, actor=approval.actor)
    return issuers.load(recorded, key, urls)


def accept_subordinate(
    db: Database,
    clock: Clock,
    certificate: x509.Certificate,
    root: x509.Certificate,
    *,
    key: CertificateIssuerPrivateKeyTypes,
    name: str,
    actor: str,
) -> Issuer:
    """Record the certificate that an external `root` gave for `key` as the issuer `name`.

    Raises Refused when it is for another key, not signed by the root, or may not sign certificates
    and CRLs (RFC 5280 4.2.1.3, 4.2.1.9).
    """
    if certificate.public_key() != key.public_key():
        raise Refused("The certificate is not for the key that asked for it.", code="other_key")
    try:
        certificate.verify_directly_issued_by(root)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise Refused("The certificate was not signed by the root given.", code="chain") from error
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise Refused(f"The certificate is not a CA's: {error}.", code="not_a_ca") from error
    if not (constraints.ca and usage.key_cert_sign and usage.crl_sign):
        raise Refused(
            "The certificate is not a CA's: it needs cA, keyCertSign and cRLSign.", code="not_a_ca"
        )
    return _record(db, clock, certificate, name=name, parent_id=None, actor=actor)


def take_over(
    db: Database, clock: Clock, certificate: x509.Certificate, *, name: str, actor: str
) -> Issuer:
    """Record the certificate of a CA that was taken over as the issuer `name`; its key claimed."""
    with db.begin() as tx:
        records.claim_keys(tx, {spki_sha256(certificate.public_key()): f"issuer:{name}"})
    return _record(db, clock, certificate, name=name, parent_id=None, actor=actor)


def certify_own(
    db: Database,
    clock: Clock,
    issuer: SigningIssuer,
    public_key: PublicKey,
    *,
    subject: x509.Name,
    profile: Profile,
    not_after: datetime,
    approval: Approval,
) -> Certificate:
    """Issue a certificate for a key of our own: the OCSP responder's, or that of statements."""
    order = Order(
        approval=approval,
        profile=profile,
        subject=subject,
        public_key=public_key,
        not_before=clock.now(),
        not_after=not_after,
    )
    return issue(db, clock, issuer, order)


def _record(
    db: Database,
    clock: Clock,
    certificate: x509.Certificate,
    *,
    name: str,
    parent_id: int | None,
    actor: str,
) -> Issuer:
    with db.begin() as tx:
        recorded = records.add_issuer(
            tx,
            name=name,
            parent_id=parent_id,
            der=certificate.public_bytes(Encoding.DER),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
        audit.append(
            tx,
            at=clock.now(),
            actor=actor,
            act="issuer.establish",
            subject=f"issuer:{name}",
            serial=serials.to_hex(certificate.serial_number),
        )
    return recorded


def public_key(key: CertificateIssuerPrivateKeyTypes) -> PublicKey:
    """Return the public half of a CA's or responder's key."""
    public = key.public_key()
    if not isinstance(public, PublicKey):
        raise TypeError(f"A CA key cannot be a {type(public).__name__}.")
    return public
