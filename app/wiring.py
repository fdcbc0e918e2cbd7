"""Composition: an instance's parts joined for the processes that write."""

import os
import socket
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app import mailing, rulebooks, schema, shipped
from app.authorities import load_index
from app.config import ROOT, issuer_role
from app.instance import VAULT_FILE, Instance
from ca import issuers, records
from ca.issuers import SigningIssuer, Urls
from ca.profiles import Profiles
from ca.profiles import load as load_profiles
from core import jws
from core.clock import Clock
from core.database import Database
from core.errors import Invalid, Refused
from crl import watch
from crl.authority import SigningKey
from crl.model import Published
from crl.publish import publish
from crl.schedule import publish_if_due, tick
from hsm.keys import PrivateKey
from hsm.process import SigningProcess
from ocsp.reserve import Keeper
from policy.deliver import Post
from policy.enrol import Desk
from policy.office import Office, Seal
from policy.rulebook import Rulebook
from policy.vault import Vault

PLAN_TYPE = "antin-campaign-plan+jwt"
VAULT_CONTEXT = b"antin vault"
PROFILES_FILE = "profiles.toml"
AUDIT_FOLDER = "audit"
FORMER = "former-{}.pub"
"""The public half of an audit key that handed over, by its fingerprint, in the audit folder."""


class Works:
    """A running instance with database, keys and rulebooks; one in each writing process."""

    def __init__(self, home: Path, *, clock: Clock | None = None) -> None:
        """Open the instance in `home`; `clock` is for replays alone."""
        self.instance = Instance(home, clock=clock)
        self._apart: dict[str, SigningProcess] = {}

    @property
    def clock(self) -> Clock:
        """The instance's clock."""
        return self.instance.clock

    @cached_property
    def db(self) -> Database:
        """The instance's database, for reading and writing; Refused when its schema is old."""
        opened = self.instance.database()
        schema.require_newest(opened)
        return opened

    @cached_property
    def vault(self) -> Vault:
        """The vault of personal data, its key unwrapped by the token."""
        wrapped = (self.instance.home / VAULT_FILE).read_bytes()
        return Vault(self.instance.keyring.secret("vault").unwrap(wrapped, VAULT_CONTEXT))

    @cached_property
    def profiles(self) -> Profiles:
        """The certificate profiles: the shipped ones, and the instance's own in their place."""
        path = self.instance.home / PROFILES_FILE
        own = load_profiles(path.read_text("utf-8")) if path.exists() else Profiles({})
        return shipped.profiles() | own

    @cached_property
    def rulebooks(self) -> tuple[Rulebook, ...]:
        """The instance's rulebooks."""
        return rulebooks.load(self.instance.home)

    @property
    def urls(self) -> Urls:
        """Where the world finds status and issuers."""
        crl = self.instance.config.crl
        return Urls(
            responder=self.instance.config.urls.responder,
            partitions=crl.partitions,
            deltas=crl.deltas,
        )

    def issuer(self, name: str | None = None) -> SigningIssuer:
        """Return the issuer `name` (default: the issuing CA) with its key; raises NotFound."""
        with self.db.read() as tx:
            found = records.issuer_named(tx, name or self.instance.config.issuer)
        return issuers.load(found, self.key(_role(self, found.name)), self.urls)

    def key(self, role: str) -> PrivateKey:
        """Return the key of a role."""
        apart = self._apart.get(role)
        return self.instance.keyring.key(role) if apart is None else apart.key(role)

    def sign_apart(self) -> None:
        """From now on, have a process of its own sign for the issuing CA (see hsm.process)."""
        role = _role(self, self.instance.config.issuer)
        self._apart[role] = self.instance.signing_process([role])

    def audit_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the key that signs checkpoints, statements and transcripts; on P-256."""
        key = self.key("audit")
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Invalid("The audit key must be on P-256; name another in the configuration.")
        return key

    def office(self, actor: str) -> Office:
        """Return the registration authority with `actor` at the desk."""
        return Office(
            db=self.db,
            clock=self.clock,
            vault=self.vault,
            rulebooks=self.rulebooks,
            actor=actor,
            seal=Seal(
                sign=lambda plan: jws.sign(self.audit_key(), plan, typ=PLAN_TYPE),
                read=self._read_plan,
            ),
        )

    def _read_plan(self, token: str) -> dict[str, Any]:
        """Return what a plan's signature says: by the audit key, or by one that handed over."""
        try:
            return jws.verify(self.audit_key().public_key(), token, typ=PLAN_TYPE)
        except Refused:
            for path in (self.instance.home / AUDIT_FOLDER).glob(FORMER.format("*")):
                key = load_pem_public_key(path.read_bytes())
                if isinstance(key, ec.EllipticCurvePublicKey):
                    with suppress(Refused):
                        return jws.verify(key, token, typ=PLAN_TYPE)
            raise

    def desk(self, actor: str) -> Desk:
        """Return the registration authority together with the issuing CA."""
        return Desk(office=self.office(actor), issuer=self.issuer(), profiles=self.profiles)

    @cached_property
    def post(self) -> Post:
        """The channels by which notices go out."""
        return mailing.post(self.instance)

    @cached_property
    def keeper(self) -> Keeper:
        """The keeper of the OCSP reserve, for workers."""
        index = load_index(self.instance, self.db)
        return Keeper(self.db, self.clock, index, self.instance.ocsp_settings)

    def publish_crl(self, name: str, *, only_if_due: bool = False) -> Published | None:
        """Publish a new CRL of the issuer `name`, now or only when one is due."""
        act = publish_if_due if only_if_due else publish
        return act(
            self.db,
            self.clock.now(),
            issuer=name,
            key=self._crl_key(name),
            settings=self.instance.crl_settings,
            targets=self.instance.crl_targets,
        )

    def keep_crl(self, name: str) -> Published | None:
        """Publish the CRL of the issuer `name` if due and this process leads; tidy the history."""
        return tick(
            self.db,
            self.clock.now(),
            holder=f"{socket.gethostname()}:{os.getpid()}",
            issuer=name,
            key=self._crl_key(name),
            settings=self.instance.crl_settings,
            targets=self.instance.crl_targets,
        )

    def crl_alarms(self, name: str) -> list[str]:
        """Return what needs a person in the publication of CRLs of `name`, full sentences."""
        names = [target.name for target in self.instance.crl_targets]
        with self.db.read() as tx:
            state = watch.look(
                tx,
                self.clock.now(),
                issuer=name,
                settings=self.instance.crl_settings,
                targets=names,
            )
        return [each.sentence for each in state.alarms]

    def _crl_key(self, name: str) -> SigningKey:
        key = self.key(_role(self, name))
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise Invalid(f"The key of {name!r} signs no CRL; use RSA or EC.")
        return key

    def signs_for(self, name: str) -> bool:
        """Whether the key of the issuer `name` is configured here; a root's may be kept offline."""
        return _role(self, name) in self.instance.config.keys.by_role()

    @property
    def signs_checkpoints(self) -> bool:
        """Whether the audit key is configured here."""
        return "audit" in self.instance.config.keys.by_role()


def _role(works: Works, issuer: str) -> str:
    """Return the role of an issuer's key: the issuing CA's, the root's, or a further one's."""
    if issuer == works.instance.config.issuer:
        return "issuing"
    return ROOT if issuer == ROOT else issuer_role(issuer)
