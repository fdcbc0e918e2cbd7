"""The worker: what is due, done in rounds; each round can be stopped and taken up again.

reconcile lost issuances -> clocks of remedy cases -> notices -> the responder's certificate -> CRLs
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from app import responders
from app.instance import OCSP_SUBSCRIBER
from app.wiring import Works
from ca import reconcile, records
from core.errors import AntinError
from policy import notices, remedy

ROUND_SECONDS = 2.0
OUTBOX_FOLDER = "outbox"

_log = logging.getLogger(__name__)


def run(works: Works, stop: threading.Event) -> None:
    """Do rounds until `stop` is set."""
    while not stop.is_set():
        once(works)
        stop.wait(ROUND_SECONDS)


def once(works: Works) -> list[str]:
    """Do one round; return a sentence for each task that failed, which stops no other."""
    office = works.office("worker:round")
    tasks: list[tuple[str, Callable[[], object]]] = [
        ("reconcile lost issuances", lambda: reconcile.reconcile(works.db, works.clock)),
        ("settle remedy cases", lambda: remedy.settle_due(office)),
        (
            "write notices",
            lambda: notices.write_due(office, works.instance.home / OUTBOX_FOLDER),
        ),
        ("renew the responder's certificate", lambda: renew_responder(works)),
        ("publish CRLs", lambda: _publish(works)),
    ]
    failures = []
    for name, task in tasks:
        try:
            task()
        except AntinError as error:
            _log.warning("The worker could not %s: %s", name, error)
            failures.append(f"The worker could not {name}: {error}")
    return failures


def renew_responder(works: Works) -> bool:
    """Certify the OCSP responder anew when its certificate has under half of its life left."""
    now = works.clock.now()
    life = timedelta(days=works.instance.config.ocsp.certificate_days)
    with works.db.read() as tx:
        issued = [each for each in records.of_subscriber(tx, OCSP_SUBSCRIBER) if each.der]
    if any(each.not_after - now > life / 2 for each in issued):
        return False
    responders.certify(works)
    return True


def _publish(works: Works) -> None:
    with works.db.read() as tx:
        names = [each.name for each in records.issuers(tx)]
    for name in names:
        works.publish_crl(name, only_if_due=True)
