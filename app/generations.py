"""The next generation of the issuing CA, certified by the root of this instance."""

from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from app import responders
from app.ceremony import approval
from app.config import FILE, ROOT, issuer_role
from app.script import Subject
from app.wiring import Works
from ca import establish, records
from ca.issuers import SigningIssuer
from core.errors import Conflict, Invalid
from hsm import ceremony as key_holder
from hsm.mechanisms import KeyKind


def establish_next(
    works: Works,
    name: str,
    *,
    common_name: str,
    years: int,
    kind: KeyKind,
    actor: str,
    wrappable: bool = False,
) -> SigningIssuer:
    """Make the key of the issuer `name` and let the root certify it; it has a responder at once.

    A key that is there already is taken: after a crash the same command goes on. Raises Invalid
    when the configuration names no key for it or does not take a `wrappable` one, Conflict when
    there is such an issuer.
    """
    role = issuer_role(name)
    if role not in works.instance.config.keys.by_role():
        raise Invalid(
            f"The configuration names no key for the issuer {name!r}; add one to the table "
            f"[keys.issuers] of {FILE} first."
        )
    with works.db.read() as tx:
        if name in [each.name for each in records.issuers(tx)]:
            raise Conflict(f"There is an issuer named {name!r} already; choose another name.")
    root, now = works.issuer(ROOT), works.clock.now()
    (organisation,) = root.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    because = f"The root certifies the next generation of the issuing CA, {name}."
    made = establish.establish_subordinate(
        works.db,
        works.clock,
        root,
        key_holder.key_or_make(works.instance.keyring, role, kind, wrappable=wrappable),
        name=name,
        subject=_name(str(organisation.value), common_name),
        profile=works.profiles["issuing_ca"],
        not_after=now + timedelta(days=365 * years),
        approval=replace(approval(f"antin-{name}"[:60], because, now), actor=actor),
        urls=works.urls,
    )
    responders.certify(works, name)
    return made


def _name(organisation: str, common_name: str) -> x509.Name:
    return Subject(organisation=organisation, common_name=common_name).name()
