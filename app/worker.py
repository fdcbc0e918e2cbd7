"""The worker: what is due, done in rounds; each round can be stopped and taken up again.

reconcile lost issuances -> holds whose time is over -> planned revocations -> clocks of remedy
cases -> waves of campaigns -> renewal reminders -> notices -> the certificates of the responder and
of statements -> CRLs and their alarms -> the OCSP reserve -> the seals of the audit trail
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from app import responders, statements, trail
from app.authorities import load_index
from app.instance import OCSP_SUBSCRIBER
from app.wiring import Works
from ca import reconcile, records
from core.errors import AntinError, Unavailable
from policy import deliver, due, remedy, reminders, renewals

ROUND_SECONDS = 2.0
RESERVE_SECONDS = 2.0
_ACTOR = "worker:round"
_MOMENT = timedelta(seconds=1)

_log = logging.getLogger(__name__)


def run(works: Works, stop: threading.Event) -> None:
    """Do rounds until `stop` is set."""
    while not stop.is_set():
        once(works)
        stop.wait(ROUND_SECONDS)


def once(works: Works) -> list[str]:
    """Do one round; return a sentence for each task that failed, which stops no other."""
    failures = []
    for name, task in tasks(works):
        try:
            task()
        except AntinError as error:
            _log.warning("The worker could not %s: %s", name, error)
            failures.append(f"The worker could not {name}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the other tasks do not wait
            _log.exception("The worker could not %s.", name)
            failures.append(f"The worker could not {name}: {type(error).__name__}; see the log.")
    return failures


def tasks(works: Works) -> list[tuple[str, Callable[[], object]]]:
    """Return what a round does, in its order, each with its name.

    What a task needs it takes for itself, so that a vault or a token that is away stops that one.
    """
    return [
        ("reconcile lost issuances", lambda: reconcile.reconcile(works.db, works.clock)),
        ("lift holds whose time is over", lambda: due.lift_ended(works.office(_ACTOR))),
        ("carry out planned revocations", lambda: due.carry_out_plans(works.office(_ACTOR))),
        ("settle remedy cases", lambda: remedy.settle_due(works.office(_ACTOR))),
        ("send the waves of campaigns", lambda: reminders.send_due(works.office(_ACTOR))),
        (
            "remind of renewals",
            lambda: renewals.remind(
                works.office(_ACTOR), works.instance.config.notices.renewal_days
            ),
        ),
        ("deliver notices", lambda: deliver.deliver_due(works.office(_ACTOR), works.post)),
        ("renew the responder's certificate", lambda: renew_responder(works)),
        ("renew the statements' certificate", lambda: statements.renew(works)),
        ("publish CRLs", lambda: _publish(works)),
        ("keep the CRLs fresh", lambda: _watch(works)),
        ("keep the OCSP reserve", lambda: _keep_reserve(works)),
        ("seal the audit trail", lambda: trail.seal(works)),
    ]


def renew_responder(works: Works) -> bool:
    """Certify the OCSP responder anew under each CA whose certificate of it is half over.

    One that lasts as long as its CA is the last. The issuing CA has one, and every further issuer
    whose key is here and that has not ended.
    """
    now, config = works.clock.now(), works.instance.config
    life = timedelta(days=config.ocsp.certificate_days)
    with works.db.read() as tx:
        issuers = [
            each
            for each in records.issuers(tx)
            if each.name == config.issuer
            or (each.name in config.keys.issuers and now < each.not_after)
        ]
        issued = records.of_subscriber(tx, OCSP_SUBSCRIBER)
    renewed = False
    for issuer in issuers:
        enough = min(now + life / 2, issuer.not_after - _MOMENT)
        if not any(
            each.der
            and not each.revoked
            and each.issuer_id == issuer.id
            and each.not_after > enough
            for each in issued
        ):
            responders.certify(works, issuer.name)
            renewed = True
    return renewed


def _keep_reserve(works: Works) -> None:
    """Sign answers beforehand, for a short while in each round; new delegates are taken up."""
    works.keeper.index = load_index(works.instance, works.db)
    trouble = works.keeper.round(RESERVE_SECONDS).trouble
    if trouble:
        raise Unavailable(trouble)


def _publish(works: Works) -> None:
    """Publish what is due for each issuer whose key is here; one that fails stops no other."""
    failures = []
    for name in _signed_here(works):
        try:
            works.keep_crl(name)
        except AntinError as error:
            failures.append(f"{name}: {error}")
    if failures:
        raise Unavailable(" ".join(failures))


def _watch(works: Works) -> None:
    """Say what needs a person in publication, long before a CRL runs out."""
    alarms = [alarm for name in _signed_here(works) for alarm in works.crl_alarms(name)]
    if alarms:
        raise Unavailable(" ".join(alarms))


def _signed_here(works: Works) -> list[str]:
    with works.db.read() as tx:
        return [each.name for each in records.issuers(tx) if works.signs_for(each.name)]
