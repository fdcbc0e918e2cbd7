"""A certificate authority for the CRL tests, and the programs that judge what it publishes."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ca import issue as issuance
from ca import lifecycle, records
from ca.issuers import SigningIssuer
from ca.model import Act, Approval, Certificate, HoldSource
from core.clock import SetClock
from core.database import Database
from core.reasons import Reason
from crl.authority import SigningKey
from crl.model import Kind, Published, Settings
from crl.publish import publish
from crl.targets import Directory, Target
from tests.support import authority

SETTINGS = Settings()
URL = "http://127.0.0.1:8080/crl"
WITH_DELTAS = Settings(url=URL, deltas=True, on_change=Kind.DELTA)


@dataclass(slots=True)
class Stage:
    """A CA named `issuing` below `root`, its clock, and the folder of its CRLs."""

    db: Database
    clock: SetClock
    issuer: SigningIssuer
    key: SigningKey
    root_key: SigningKey
    folder: Path
    settings: Settings = SETTINGS
    targets: list[Target] = field(default_factory=list)
    issued: list[Certificate] = field(default_factory=list)

    def publish(self, **changes: object) -> Published:
        """Publish the issuing CA's CRL now; `changes` replace the stage's own arguments."""
        db = changes.pop("db", self.db)
        values: dict[str, object] = {
            "issuer": "issuing",
            "key": self.key,
            "settings": self.settings,
            "targets": self.targets,
        }
        return publish(db, self.clock.now(), **(values | changes))  # type: ignore[arg-type] # the tests' own values

    def pass_time(self, span: timedelta = timedelta(minutes=1)) -> datetime:
        """Let time go by."""
        self.clock.move_to(self.clock.now() + span)
        return self.clock.now()

    def issue(self, **changes: object) -> Certificate:
        """Issue one more certificate."""
        order = authority.order(f"KH{len(self.issued)}", self.clock.now(), **changes)
        made = issuance.issue(self.db, self.clock, self.issuer, order)
        self.issued.append(made)
        return made

    def suspend(self, certificate: Certificate) -> None:
        """Put a certificate on hold."""
        approval = self._approval(Act.SUSPEND, certificate)
        with self.db.begin() as tx:
            lifecycle.suspend(tx, approval, HoldSource.DOSSIER, self.clock.now())

    def restore(self, certificate: Certificate, source: HoldSource = HoldSource.DOSSIER) -> None:
        """Lift a hold."""
        approval = self._approval(Act.RESTORE, certificate)
        with self.db.begin() as tx:
            lifecycle.restore(tx, approval, source, self.clock.now())

    def revoke(
        self, certificate: Certificate, reason: Reason = Reason.SUPERSEDED, **details: datetime
    ) -> None:
        """Revoke for ever."""
        approval = self._approval(Act.REVOKE, certificate)
        with self.db.begin() as tx:
            lifecycle.revoke(tx, approval, reason, self.clock.now(), **details)

    def path(self, name: str = "issuing.crl") -> Path:
        """Where a CRL is published."""
        return self.folder / name

    def listed(self, name: str = "issuing.crl") -> dict[int, str]:
        """The reason that a published CRL gives for each serial, as `cryptography` reads it."""
        return {each.serial_number: reason(each) for each in self.read(name)}

    def read(self, name: str = "issuing.crl") -> x509.CertificateRevocationList:
        """A published CRL as `cryptography` reads it."""
        return x509.load_der_x509_crl(self.path(name).read_bytes())

    def pem(self, name: str, certificate: bytes) -> Path:
        """A file with this certificate in PEM."""
        path = self.folder.parent / f"{name}.pem"
        parsed = x509.load_der_x509_certificate(certificate)
        path.write_bytes(parsed.public_bytes(Encoding.PEM))
        return path

    def chain(self) -> tuple[Path, Path]:
        """The files of the root's and the issuing CA's certificates in PEM."""
        with self.db.read() as tx:
            root = records.issuer_named(tx, "root")
        return self.pem("root", root.der), self.pem("issuing", self.issuer.issuer.der)

    def _approval(self, act: Act, certificate: Certificate) -> Approval:
        return authority.approval(
            act, certificate.subscriber, self.clock.now(), serial=certificate.serial
        )


def raise_stage(
    db: Database,
    clock: SetClock,
    folder: Path,
    *,
    key: SigningKey | None = None,
) -> Stage:
    """Establish a root and an issuing CA in `db`, one hour ago."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    issuing_key = key or ec.generate_private_key(ec.SECP256R1())
    issuer = authority.establish(db, clock, root_key, issuing_key)
    clock.move_to(clock.now() + timedelta(hours=1))
    stage = Stage(db, clock, issuer, issuing_key, root_key, folder / "crl")
    stage.targets = [Directory(stage.folder)]
    return stage


def reason(entry: x509.RevokedCertificate) -> str:
    """The reason of an entry, `unspecified` when it gives none."""
    try:
        return str(entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value)
    except x509.ExtensionNotFound:
        return "unspecified"


def verify(
    stage: Stage, der: bytes | None, *crls: str, options: tuple[str, ...] = ("-crl_check",)
) -> str:
    """What openssl says of a certificate with these published CRLs: OK, or its error."""
    root, issuing = stage.chain()
    assert der
    leaf = stage.pem("leaf", der)
    files = [f"-CRLfile={stage.path(name)}" for name in crls or ("issuing.crl",)]
    said = subprocess.run(
        ["openssl", "verify", f"-attime={int(stage.clock.now().timestamp())}", *options,
         f"-CAfile={root}", f"-untrusted={issuing}", *files, str(leaf)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "OK" if said.returncode == 0 else said.stdout + said.stderr


SOFT_KEYS: dict[str, Callable[[], SigningKey]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
