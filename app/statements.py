"""Signed statements: how a certificate stood at an instant, for who must show it years later.

The audit key signs them, told from checkpoints by their `typ`; its certificate is by the issuing
CA and travels with each statement.
"""

import base64
import hashlib
import uuid
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from app.instance import STATEMENT_SUBSCRIBER
from app.wiring import Works
from ca import establish, history, records, statement
from ca.model import Act, Approval, Certificate, Issuer
from core import audit, jws, serials
from core.database import Tx
from core.errors import NotFound

_PROFILE = "statement_signer"
_EARLY = timedelta(days=365)
_MOMENT = timedelta(seconds=1)


def sign(works: Works, serial: int, at: datetime, *, actor: str, issuer: str = "") -> str:
    """Return the statement on how the certificate with `serial` stood at `at`: a compact JWS.

    Raises NotFound for an unknown serial or while no certificate is there to sign under, Invalid
    for an instant ahead, Conflict when several issuers have the serial and `issuer` names none.
    """
    now, key = works.clock.now(), works.audit_key()
    with works.db.read() as tx:
        found = history.certificate(tx, serial, issuer)
        issuers = {each.id: each for each in records.issuers(tx)}
        content = statement.build(
            issuer=issuers[found.issuer_id],
            certificate=found,
            events=records.events(tx, found.id),
            at=at,
            now=now,
        )
        chain = _chain(issuers, _signer(tx, works, now))
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    header = {
        "kid": hashlib.sha256(spki).hexdigest(),
        "x5c": [base64.b64encode(each).decode("ascii") for each in chain],
    }
    token = jws.sign(key, content, typ=statement.TYP, header=header)
    with works.db.begin() as tx:  # COMMIT: that it was stated
        audit.append(
            tx,
            at=now,
            actor=actor,
            act="statement.sign",
            subject=f"certificate:{serials.to_hex(serial)}",
            asked_at=content["asked_at"],
            status=content["status"],
            sha256=hashlib.sha256(token.encode()).hexdigest(),
        )
    return token


def certify(works: Works) -> x509.Certificate:
    """Issue a certificate for the key that signs statements; it lasts as long as its issuer."""
    issuer = works.issuer()
    now, profile = works.clock.now(), works.profiles[_PROFILE]
    issued = establish.certify_own(
        works.db,
        works.clock,
        issuer,
        establish.public_key(works.audit_key()),
        subject=_name(issuer.certificate),
        profile=profile,
        not_after=min(profile.last_end(now), issuer.issuer.not_after),
        approval=Approval(
            decision=f"statements-{uuid.uuid4().hex}",
            act=Act.ISSUE,
            subscriber=STATEMENT_SUBSCRIBER,
            serial=None,
            actor="worker:statements",
            clause="CPS:statements",
            because="The key that signs statements needs a certificate.",
            rulebook="CPS",
            at=now,
        ),
    )
    return x509.load_der_x509_certificate(issued.der or b"")


def renew(works: Works) -> bool:
    """Certify anew when none is there, it ends within a year, or issuing CA or key are others.

    One that lasts as long as the issuing CA is the last under it.
    """
    if not works.signs_checkpoints:
        return False
    now = works.clock.now()
    with works.db.read() as tx:
        issuer = records.issuer_named(tx, works.instance.config.issuer)
        issued = records.of_subscriber(tx, STATEMENT_SUBSCRIBER)
    enough = min(now + _EARLY, issuer.not_after - _MOMENT)
    if any(
        _is_of(works, each)
        and not each.revoked
        and each.issuer_id == issuer.id
        and each.not_after > enough
        for each in issued
    ):
        return False
    certify(works)
    return True


def _signer(tx: Tx, works: Works, now: datetime) -> Certificate:
    issued = [
        each
        for each in records.of_subscriber(tx, STATEMENT_SUBSCRIBER)
        if _is_of(works, each) and not each.revoked and not each.expired(now)
    ]
    if not issued:
        raise NotFound(
            "There is no certificate to sign statements under; run `antin worker --once`, "
            f"which issues one by the CA {works.instance.config.issuer!r}."
        )
    return issued[-1]


def _is_of(works: Works, certificate: Certificate) -> bool:
    """Whether it is a certificate of the key that signs now: the audit key may have changed."""
    if certificate.der is None:
        return False
    found = x509.load_der_x509_certificate(certificate.der).public_key()
    return found == works.audit_key().public_key()


def _chain(issuers: dict[int, Issuer], signer: Certificate) -> list[bytes]:
    """Return the certificates from the signer up, without the root: that one is trusted or not."""
    chain = [signer.der or b""]
    issuer: Issuer | None = issuers[signer.issuer_id]
    while issuer is not None:
        certificate = x509.load_der_x509_certificate(issuer.der)
        if certificate.subject == certificate.issuer:
            break
        chain.append(issuer.der)
        issuer = issuers[issuer.parent_id] if issuer.parent_id is not None else None
    return chain


def _name(issuer: x509.Certificate) -> x509.Name:
    (organisation,) = issuer.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            organisation,
            x509.NameAttribute(NameOID.COMMON_NAME, "Status Statements"),
        ]
    )
