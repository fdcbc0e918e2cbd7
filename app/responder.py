"""The responder process: OCSP, CRLs and issuer certificates for the world, as bare WSGI.

Reads the database, holds the OCSP key alone, and loads neither Flask nor issuing code.
"""

import os
from pathlib import Path
from wsgiref.types import WSGIApplication

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.instance import CRL_FOLDER, OCSP_SUBSCRIBER, Instance
from ca import records
from core.database import Database
from core.errors import AntinError, Invalid
from ocsp.answer import Responder
from ocsp.index import Index
from ocsp.model import Settings
from ocsp.signer import Signer
from web.crl import certificates, crls
from web.ocsp import OcspApp
from web.responder import health, router


def build(home: Path) -> WSGIApplication:
    """Return the responder's application over the instance in `home`."""
    instance = Instance(home)
    db = instance.database(read_only=True)
    index = load_index(instance, db)
    responder = Responder(db, instance.clock, index, Settings())
    with db.read() as tx:
        ders = {each.name: each.der for each in records.issuers(tx)}
    return router(
        {
            "ocsp": OcspApp(responder),
            "crl": crls(
                instance.home / CRL_FOLDER,
                instance.clock,
                interval=instance.crl_settings.interval,
            ),
            "ca": certificates(ders, instance.clock),
            "health": health(lambda: _troubles(instance, responder)),
        }
    )


def load_index(instance: Instance, db: Database) -> Index:
    """Return the issuers that we answer for, with the responder certificates that are issued."""
    with db.read() as tx:
        issuers = records.issuers(tx)
        issued = records.of_subscriber(tx, OCSP_SUBSCRIBER)
    key = instance.keyring.key("ocsp")
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise Invalid("The OCSP key is neither EC nor RSA; name another in the configuration.")
    signers = [Signer.load(key, each.der) for each in issued if each.der is not None]
    return Index(issuers, signers)


def _troubles(instance: Instance, responder: Responder) -> list[str]:
    """Return what keeps the responder from serving well, a sentence each."""
    now = instance.clock.now()
    found = []
    with_signer = [each for each in responder.index.authorities() if each.signer(now)]
    if not with_signer:
        found.append("No OCSP responder certificate is valid now; the worker issues them.")
    try:
        with responder.db.read() as tx:
            records.last_event_id(tx)
    except (AntinError, OSError) as error:
        found.append(f"The database cannot be read: {error}")
    return found


def application() -> WSGIApplication:
    """Return the responder of the instance named by ANTIN_HOME (what granian loads)."""
    return build(Path(os.environ["ANTIN_HOME"]))
