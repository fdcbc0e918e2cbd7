"""The responder process: OCSP, CRLs and issuer certificates for the world, as bare WSGI.

Reads the database, holds the OCSP key alone, and loads neither Flask nor issuing code.
"""

import os
from functools import partial
from pathlib import Path
from wsgiref.types import WSGIApplication

from app.authorities import Certificates, load_index
from app.instance import CRL_FOLDER, Instance
from ocsp import garbage, metrics, preload
from ocsp.answer import Responder
from ocsp.follow import Follower
from ocsp.health import troubles
from ocsp.memory import Memory
from web.crl import certificates, crls
from web.ocsp import OcspApp
from web.responder import health, router
from web.watch import Watch


def build(instance: Instance) -> WSGIApplication:
    """Return the responder's application, which remembers answers and follows the database."""
    garbage.keep_short()
    responder = remembering(instance)
    if instance.config.listen.metrics:
        host, _, port = instance.config.listen.metrics.rpartition(":")
        metrics.expose(responder, host, int(port))
    ocsp = OcspApp(responder)
    _, _, port = instance.config.listen.responder.rpartition(":")
    Watch(int(port), ocsp.crowded).start()
    return router(
        {
            "ocsp": ocsp,
            "crl": crls(
                instance.home / CRL_FOLDER,
                instance.clock,
                interval=instance.crl_settings.interval,
            ),
            "ca": certificates(Certificates(responder.db), instance.clock),
            "health": health(partial(troubles, responder)),
        }
    )


def remembering(instance: Instance) -> Responder:
    """Return the instance's responder with its memory being filled and kept true."""
    db = instance.database(read_only=True)
    settings = instance.ocsp_settings
    index = load_index(instance, db)
    memory = Memory(settings.most_known)
    responder = Responder(db, instance.clock, index, settings, memory=memory)
    Follower(responder, reload=partial(load_index, instance, db)).start()
    preload.start(responder)
    return responder


def application() -> WSGIApplication:
    """Return the responder of the instance named by ANTIN_HOME (what granian loads)."""
    return build(Instance(Path(os.environ["ANTIN_HOME"])))
