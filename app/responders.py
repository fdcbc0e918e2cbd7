"""The certificates of our own OCSP responder: one by each issuing CA, short-lived."""

import uuid
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from app.instance import OCSP_SUBSCRIBER
from app.wiring import Works
from ca import establish
from ca.model import Act, Approval


def certify(works: Works, name: str | None = None) -> x509.Certificate:
    """Issue a new certificate for the OCSP responder's key (RFC 6960 4.2.2.2).

    The issuer `name` (default: the issuing CA) issues it: for it alone the responder then speaks.
    """
    issuer = works.issuer(name)
    now = works.clock.now()
    days = works.instance.config.ocsp.certificate_days
    issued = establish.certify_own(
        works.db,
        works.clock,
        issuer,
        establish.public_key(works.key("ocsp")),
        subject=_name(issuer.certificate),
        profile=works.profiles["ocsp_responder"],
        not_after=min(now + timedelta(days=days), issuer.issuer.not_after),
        approval=Approval(
            decision=f"responder-{uuid.uuid4().hex}",
            act=Act.ISSUE,
            subscriber=OCSP_SUBSCRIBER,
            serial=None,
            actor="worker:responder",
            clause="CPS:responder",
            because="The OCSP responder needs a certificate of short life.",
            rulebook="CPS",
            at=now,
        ),
    )
    return x509.load_der_x509_certificate(issued.der or b"")


def _name(issuer: x509.Certificate) -> x509.Name:
    """Return the responder's name; a CA that was taken over may have no organisation in its own."""
    organisation = issuer.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[:1]
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            *organisation,
            x509.NameAttribute(NameOID.COMMON_NAME, "OCSP Responder"),
        ]
    )
