"""For whom our responder answers: the issuers, and the certificates of its own key."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy.exc import SQLAlchemyError

from app.instance import OCSP_SUBSCRIBER, Instance
from ca import records
from core.database import Database
from core.errors import Invalid
from ocsp.index import Index
from ocsp.signer import Signer

_PAUSE_SECONDS = 1.0


def load_index(instance: Instance, db: Database) -> Index:
    """Return the issuers that we answer for, with the responder certificates that are issued."""
    with db.read() as tx:
        issuers = records.issuers(tx)
        issued = records.of_subscriber(tx, OCSP_SUBSCRIBER)
    key = instance.keyring.key("ocsp")
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise Invalid("The OCSP key is neither EC nor RSA; name another in the configuration.")
    signers = [
        Signer.load(key, each.der)
        for each in issued
        if each.der is not None and not each.revoked and not each.expired(instance.clock.now())
    ]
    return Index(issuers, signers)


class Certificates(Mapping[str, bytes]):
    """The issuers' certificates in DER by name; one established meanwhile is found when asked for.

    The database is asked again for a name that is not known, at most once in a second: the world
    may ask for any. While it is away, what is known stays known.
    """

    def __init__(self, db: Database) -> None:
        """Read the issuers that there are."""
        self._db = db
        self._known: dict[str, bytes] = {}
        self._again_at = 0.0
        self._look()

    def __getitem__(self, name: str) -> bytes:
        """Return the certificate of the issuer `name`."""
        if name not in self._known and time.monotonic() >= self._again_at:
            with suppress(SQLAlchemyError):
                self._look()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the known names."""
        return iter(self._known)

    def __len__(self) -> int:
        """Return how many are known."""
        return len(self._known)

    def _look(self) -> None:
        self._again_at = time.monotonic() + _PAUSE_SECONDS
        with self._db.read() as tx:
            self._known = {each.name: each.der for each in records.issuers(tx)}
