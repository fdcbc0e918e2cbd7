"""Another CA becomes an issuer of this instance: its certificates, its lists, its numbers.

The order is the argument: nothing may sign a CRL of the issuer before all of it is here, because a
list that lacks an entry would be believed. So its key is configured last, and a take-over of an
issuer whose key is here is refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.wiring import Works
from ca import establish, records, takeover
from ca.gathered import Gathered
from ca.inheriting import Outcome
from ca.model import Issuer
from ca.takeover import Progress
from core.database import chunked
from core.errors import Conflict, Invalid, Refused
from crl.takeover import continue_after
from policy.records import subscribers


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is taken over: the issuer's certificate, and its short name here."""

    name: str
    issuer: x509.Certificate
    actor: str


def read_issuer(content: bytes) -> x509.Certificate:
    """Return the issuer's certificate, PEM or DER; raises Invalid when it is not a CA's."""
    try:
        found = (
            x509.load_pem_x509_certificate(content)
            if b"-----BEGIN" in content
            else x509.load_der_x509_certificate(content)
        )
        found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
        constraints = found.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Invalid(f"The issuer's certificate cannot be used: {error}.") from error
    if not (constraints.ca and usage.crl_sign):
        raise Invalid("The issuer's certificate is not that of a CA that signs CRLs.")
    return found


def files(places: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that are named, and those in the folders that are named, in order."""
    for place in places:
        if place.is_dir():
            yield from (each for each in sorted(place.rglob("*")) if each.is_file())
        else:
            yield place


def try_out(found: Gathered) -> int:
    """Reconcile without writing; return how many serials would be taken over."""
    return sum(1 for _ in takeover.reconcile(found))


def look_for_holders(works: Works, found: Gathered) -> None:
    """Add a finding for each certificate whose holder the register does not have."""
    for some in chunked(found.cases()):
        wanted = [each for case in some if (each := takeover.settle(case, found.number))]
        names = {each.subscriber for each in wanted if each.certificate is not None}
        with works.db.read() as tx:
            known = subscribers.kinds_of(tx, sorted(names))
        for each in wanted:
            if each.certificate is not None and each.subscriber not in known:
                sentence = f"Its holder {each.subscriber!r} is not in the register; no act is done."
                found.find("unregistered", each.serial, sentence)


def apply(
    works: Works, plan: Plan, found: Gathered, progress: Progress = lambda _serials: None
) -> Outcome:
    """Write everything; raises Refused when there is no CRL or a CRL may be signed meanwhile."""
    if found.crl is None:
        raise Refused(
            "Without the issuer's last CRL its numbers cannot go on; give that too.", code="no_crl"
        )
    if works.signs_for(plan.name):
        raise Refused(
            f"The key of {plan.name!r} is configured, so that a CRL could be signed before all is "
            "here; take it out of antin.toml, and put it back after the take-over.",
            code="key_configured",
        )
    now = works.clock.now()
    issuer = _issuer(works, plan)
    continue_after(works.db, now, issuer=plan.name, last=found.crl, actor=plan.actor)
    return takeover.apply(works.db, now, issuer, found, actor=plan.actor, progress=progress)


def _issuer(works: Works, plan: Plan) -> Issuer:
    """Return the issuer, recorded now unless an earlier try did; Conflict when it is another."""
    der = plan.issuer.public_bytes(Encoding.DER)
    with works.db.read() as tx:
        known = records.issuers(tx)
    for each in known:
        if (each.name == plan.name) != (each.der == der):
            raise Conflict(f"The issuer {each.name!r} is here already, and is not this one.")
        if each.name == plan.name:
            return each
    return establish.take_over(works.db, works.clock, plan.issuer, name=plan.name, actor=plan.actor)
