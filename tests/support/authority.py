"""A certificate authority for tests: issuers, approvals, orders, requests."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from ca import establish as ceremony
from ca import names, profiles
from ca.issue import Order
from ca.issuers import SigningIssuer, Urls
from ca.model import Act, Approval
from core.clock import Clock
from core.database import Database

PROFILES = profiles.load((Path(profiles.__file__).parent / "profiles.toml").read_text())
URLS = Urls(responder="http://127.0.0.1:8080")


def approval(
    act: Act, subscriber: str, at: datetime, *, serial: int | None = None, decision: str = ""
) -> Approval:
    """An approval as policy would give it."""
    return Approval(
        decision=decision or uuid.uuid4().hex,
        act=act,
        subscriber=subscriber,
        serial=serial,
        actor="operator:test",
        clause="130/2018:28(1)(d)",
        because=f"The test wants to {act}.",
        rulebook="test/1",
        at=at,
    )


def name(common_name: str) -> x509.Name:
    """A CA's name."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Antin Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def establish(
    db: Database,
    clock: Clock,
    root_key: CertificateIssuerPrivateKeyTypes,
    issuing_key: CertificateIssuerPrivateKeyTypes,
) -> SigningIssuer:
    """Establish a root named `root` and under it an issuing CA named `issuing`."""
    now = clock.now()
    root = ceremony.establish_root(
        db,
        clock,
        root_key,
        name="root",
        subject=name("Test Root"),
        profile=PROFILES["root"],
        not_after=now + timedelta(days=365 * 20),
        urls=URLS,
        actor="ceremony:test",
    )
    return ceremony.establish_subordinate(
        db,
        clock,
        root,
        issuing_key,
        name="issuing",
        subject=name("Test Issuing CA"),
        profile=PROFILES["issuing_ca"],
        not_after=now + timedelta(days=365 * 10),
        approval=approval(Act.ISSUE, "antin", now),
        urls=URLS,
    )


def order(subscriber: str, now: datetime, **changes: object) -> Order:
    """An order for an organisation's certificate with a new P-256 key, valid for 365 days."""
    values: dict[str, object] = {
        "approval": approval(Act.ISSUE, subscriber, now),
        "profile": PROFILES["organisation"],
        "subject": names.build(
            names.Subject(
                common_name="CÔNG TY CỔ PHẦN VẬN TẢI PHÚ QUÝ",
                province="Hà Nội",
                identifiers=("MST:9980580384",),
            )
        ),
        "public_key": ec.generate_private_key(ec.SECP256R1()).public_key(),
        "not_before": now,
        "not_after": now + timedelta(days=365) - timedelta(seconds=1),
    }
    return Order(**(values | changes))  # type: ignore[arg-type] # the tests' own values
