"""For whom our responder answers: the issuers, and the certificates of its own key."""

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.instance import OCSP_SUBSCRIBER, Instance
from ca import records
from core.database import Database
from core.errors import Invalid
from ocsp.index import Index
from ocsp.signer import Signer


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
