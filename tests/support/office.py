"""A registration authority at work: register, dossiers, vault, the shipped rules, an in-memory CA.

Every personal value that a subscriber gets here is unique, so that a test can look for it wherever
it must not appear.
"""

import functools
from collections.abc import Iterable
from dataclasses import astuple, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca import records as engine
from ca.model import Certificate, StatusEvent
from core import audit, jws
from core.clock import SetClock
from core.database import Database
from policy import enrol, facts, intake, planning, remedy, sweep
from policy.cases import CaseEvent
from policy.enrol import Desk
from policy.model import Action, Decision, Facts, Refusal, SubscriberKind, Verdict
from policy.office import Office, Seal
from policy.records import cases, decisions, outbox
from policy.records.cases import Case
from policy.records.outbox import Notice
from policy.register import Personal, Subscriber
from policy.scope import EVERYONE, Scope
from policy.vault import Vault
from tests.support import authority, dossiers
from tests.support.dossiers import HOLD_AT, RULES, at

VAULT_KEY = bytes(range(32))
ORGANISATION = SubscriberKind.ORGANISATION


@functools.cache
def ca_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return a P-256 key for the CA `name`, made once in each process."""
    return ec.generate_private_key(ec.SECP256R1())


SEAL = Seal(
    sign=lambda plan: jws.sign(ca_key("audit"), plan, typ="plan"),
    read=lambda token: jws.verify(ca_key("audit").public_key(), token, typ="plan"),
)


def key_request(key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """Return a PKCS#10 request for `key`, or for a new one."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "token")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def number_of(name: str) -> int:
    """Return the number in a subscriber's id."""
    return int(name.removeprefix("KH"))


def person(name: str) -> Personal:
    """Return the personal data of the subscriber `name`; every value stands nowhere else."""
    number = number_of(name)
    return Personal(
        representative=f"Trần Bảo Đại {_word(number)}",
        holder=f"Lê Ngọc Hân {_word(number)}",
        title=f"Trưởng phòng {_word(number)}",
        id_type="CCCD",
        id_number=f"0791{number:08}",
        id_expires="2031-07-29",
        phone=f"09877{number:05}",
        email=f"hop-thu-{number}@rieng-tu.example",
        address=f"Số {number} phố Hàng Riêng",
    )


def _word(number: int) -> str:
    return "".join(chr(ord("A") + int(digit)) for digit in f"{number:05}")


def taints(personal: Personal) -> list[str]:
    """Return the values of `personal` that no one but an officer may ever see."""
    shared = {"CCCD"}
    return [value for value in astuple(personal) if value and value not in shared]


class Bureau:
    """The authority with its CA on one database and one clock; `lan` acts, `mai` approves."""

    def __init__(self, db: Database, clock: SetClock) -> None:
        """Establish a CA with P-256 keys and open the desk."""
        self.db = db
        self.clock = clock
        issuer = authority.establish(db, clock, ca_key("root"), ca_key("issuing"))
        self.office = Office(
            db=db,
            clock=clock,
            vault=Vault(VAULT_KEY),
            rulebooks=(RULES,),
            actor="operator:lan",
            seal=SEAL,
        )
        self.director = replace(self.office, actor="operator:mai")
        self.desk = Desk(office=self.office, issuer=issuer, profiles=authority.PROFILES)

    # --- what is done -------------------------------------------------------------------------

    def on(self, db: Database) -> Desk:
        """Return the same desk over another handle of its database (one that crashes)."""
        return replace(self.desk, office=replace(self.office, db=db))

    def move(self, to: str | datetime) -> datetime:
        """Move the clock to an instant, written locally as `2024-04-20 00:05`."""
        self.clock.move_to(at(to) if isinstance(to, str) else to)
        return self.clock.now()

    def tick(self, **step: float) -> datetime:
        """Move the clock on by a timedelta's words, a second without any; return the instant."""
        return self.move(self.clock.now() + timedelta(**(step or {"seconds": 1})))

    def enter(
        self,
        name: str,
        kind: SubscriberKind = ORGANISATION,
        personal: Personal | None = None,
        **changes: str,
    ) -> Subscriber:
        """Enter the subscriber `name` (KH and five digits) in the register."""
        number = number_of(name)
        organisation = "" if kind is SubscriberKind.INDIVIDUAL else f"CÔNG TY TNHH SỐ {number}"
        new = Subscriber(
            id=name,
            kind=kind,
            tax_code=f"99{number:08}" if organisation else "",
            organisation=organisation,
            short_name="",
            province="Hà Nội",
            reseller="DL01",
            personal=personal or person(name),
            registered_at=self.clock.now(),
        )
        new = replace(new, **changes)  # type: ignore[arg-type] # the tests' own values
        enrol.enter(self.office, new)
        return new

    def enrol(
        self, name: str, kind: SubscriberKind = ORGANISATION, *, without: Iterable[str] = ()
    ) -> Certificate:
        """Enter `name`, bring its papers but those in `without`, issue for one year."""
        self.enter(name, kind)
        missing = set(without)
        self.bring(name, *(each for each in dossiers.PAPERS[kind] if each not in missing))
        return self.issue(name)

    def issue(self, name: str) -> Certificate:
        """Issue for one year to `name`, who is in the register."""
        return enrol.enrol(self.desk, name, key_request(), years=1)

    def bring(
        self, name: str, *kinds: str, verdict: Verdict = Verdict.ACCEPTED, **changes: object
    ) -> list[int]:
        """Bring papers in an accepted form, now; return their numbers."""
        papers = [
            dossiers.paper(each, received=self.clock.now(), verdict=verdict, **changes)
            for each in kinds
        ]
        return intake.receive(self.office, name, papers)

    def campaign(
        self,
        name: str = "spring",
        *,
        hold_at: datetime = HOLD_AT,
        revoke_at: datetime = dossiers.REVOKE_AT,
        scope: Scope = EVERYONE,
    ) -> int:
        """Plan, simulate, approve and announce a campaign now; return how many were told."""
        planning.plan(self.office, name, hold_at=hold_at, revoke_at=revoke_at, scope=scope)
        planning.simulate(self.office, name)
        planning.approve(self.director, name)
        return sweep.announce(self.office, name)

    def paid_case(self, name: str) -> Case:
        """Open a remedy case and take it to PAID, all at this instant."""
        case = remedy.open_case(self.office, name)
        for event in (
            CaseEvent.VIDEO_VERIFIED,
            CaseEvent.PAYMENT_REQUESTED,
            CaseEvent.PAYMENT_RECEIVED,
        ):
            case = remedy.step(self.office, case.id, event)
        return case

    def shipped_case(self, name: str, token: str = "LCS1") -> tuple[Case, Certificate]:
        """Open a case, take it to PAID, and ship its token; return case and certificate."""
        case = self.paid_case(name)
        issued = remedy.ship(self.desk, case.id, token, key_request())
        return self.case(case.id), issued

    # --- what is there ------------------------------------------------------------------------

    def now(self, certificate: Certificate) -> Certificate:
        """Return the certificate as it stands now."""
        with self.db.read() as tx:
            return engine.by_id(tx, certificate.id)

    def all_of(self, name: str) -> list[Certificate]:
        """Return the subscriber's certificates, oldest first."""
        with self.db.read() as tx:
            return engine.of_subscriber(tx, name)

    def events(self, certificate: Certificate) -> list[StatusEvent]:
        """Return the certificate's history."""
        with self.db.read() as tx:
            return engine.events(tx, certificate.id)

    def case(self, case_id: str) -> Case:
        """Return the case as it stands now."""
        with self.db.read() as tx:
            return cases.case_named(tx, case_id)

    def token(self, serial: str) -> str:
        """Return the token's state, or an empty text when it is not known."""
        with self.db.read() as tx:
            return str(cases.token_states(tx, [serial]).get(serial, ""))

    def decisions(self, name: str | None = None) -> list[Decision | Refusal]:
        """Return the stored decisions and refusals."""
        with self.db.read() as tx:
            return [decisions.read(row) for row in decisions.decisions(tx, name)]

    def actions(self, name: str | None = None) -> list[Action | str]:
        """Return what was decided, oldest first; a refusal by its code."""
        return [
            each.action if isinstance(each, Decision) else each.code
            for each in self.decisions(name)
        ]

    def trail(self) -> list[audit.Entry]:
        """Return the audit trail."""
        with self.db.read() as tx:
            return audit.entries(tx)

    def notices(self) -> list[Notice]:
        """Return the notices that wait."""
        with self.db.read() as tx:
            return outbox.notices(tx, waiting=True)

    def facts(self, certificate: Certificate) -> Facts:
        """Return the certificate's facts as the database has them."""
        with self.db.read() as tx:
            return facts.of_certificate(tx, engine.by_id(tx, certificate.id))
