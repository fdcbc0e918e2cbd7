"""One instance: its home folder, its configuration, and handles on its database and keys.

Made in every process after fork; it opens nothing by itself and imports no engine, so that the
responder stays small.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from app import config
from core.clock import Clock, SystemClock
from core.database import Database
from crl.model import Settings as CrlSettings
from crl.targets import Directory, Target
from hsm import softhsm
from hsm.keyring import Keyring
from hsm.process import SigningProcess
from ocsp.model import Settings as OcspSettings

OCSP_SUBSCRIBER = "antin-ocsp"
"""Under which name the engine keeps the certificates of our own OCSP responder."""

STATEMENT_SUBSCRIBER = "antin-statements"
"""Under which name the engine keeps the certificates of the key that signs statements."""

CRL_FOLDER = "crl"
VAULT_FILE = "vault.key"


class Instance:
    """An instance at work; production has the machine's clock, only a replay sets another."""

    def __init__(self, home: Path, *, clock: Clock | None = None) -> None:
        """Read the configuration in `home`; raises NotFound or Invalid."""
        self.home = home.absolute()
        self.config = config.read(self.home)
        self.clock: Clock = clock or SystemClock()

    def database(self, *, read_only: bool = False) -> Database:
        """Open the instance's database; a relative SQLite path lies in the home folder."""
        url = self.config.database.url
        prefix = "sqlite:///"
        if url.startswith(prefix) and not url.startswith(prefix + "/"):
            url = f"{prefix}{self.home / url.removeprefix(prefix)}"
        return Database(url, read_only=read_only)

    @cached_property
    def keyring(self) -> Keyring:
        """The keys of this process, found when first asked for."""
        return self.keyring_of(self.config.keys.by_role())

    def keyring_of(self, roles: Mapping[str, Sequence[str]]) -> Keyring:
        """Return a keyring of any keys by role, asked within the limits of this instance."""
        self._activate()
        limits = self.config.hsm
        return Keyring(roles, time_limit_seconds=limits.seconds, sessions=limits.sessions)

    def signing_process(self, roles: Sequence[str]) -> SigningProcess:
        """Return a process of its own that signs with the keys of these roles; not started yet."""
        self._activate()
        uris = self.config.keys.by_role()
        limit = self.config.hsm.seconds
        return SigningProcess({role: uris[role] for role in roles}, time_limit_seconds=limit)

    def _activate(self) -> None:
        if self.config.softhsm is not None:
            softhsm.activate(self.home / self.config.softhsm.folder)

    @property
    def crl_settings(self) -> CrlSettings:
        """How CRLs are made: nextUpdate is `valid_hours` after thisUpdate."""
        table = self.config.crl
        interval = timedelta(hours=table.every_hours)
        days = table.retention_days
        return CrlSettings(
            interval=interval,
            overlap=timedelta(hours=table.valid_hours) - interval,
            settle=timedelta(seconds=table.settle_seconds),
            keep_expired=table.keep_expired,
            url=f"{self.config.urls.responder}/crl",
            deltas=table.deltas,
            partitions=table.partitions,
            on_change=table.on_change,
            retention=None if days is None else timedelta(days=days),
        )

    @property
    def ocsp_settings(self) -> OcspSettings:
        """How OCSP is answered."""
        table = self.config.ocsp
        return OcspSettings(
            validity=timedelta(hours=table.valid_hours),
            max_age=timedelta(seconds=table.cache_seconds),
            by_name=table.responder_id == "name",
            never_issued=table.never_issued,
            pending=table.pending,
            expired=table.expired,
            archive_cutoff=table.archive_cutoff,
            request_signature=table.request_signature,
            without_nonce=table.without_nonce,
            reserve_time=timedelta(minutes=table.reserve_minutes),
            most_known=table.most_known,
            most_signing=table.most_signing,
            most_cert_ids=table.most_cert_ids,
        )

    @property
    def crl_folder(self) -> Directory:
        """The folder from which our responder serves CRLs."""
        return Directory(self.home / CRL_FOLDER)

    @cached_property
    def crl_targets(self) -> tuple[Target, ...]:
        """Everywhere that CRLs are published: the folder, and the bucket if there is one."""
        table = self.config.crl.bucket
        if table is None:
            return (self.crl_folder,)
        from crl import bucket  # the responder, which publishes nothing, does without

        store = bucket.connect(table.name, region=table.region, endpoint=table.endpoint)
        return self.crl_folder, bucket.Bucket(store)
