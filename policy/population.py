"""The certificates that a campaign looks at, read piece by piece from the database."""

from collections.abc import Iterator
from datetime import datetime

from ca import records as engine
from ca.model import Certificate
from core import serials
from core.database import Tx, chunked
from policy import facts
from policy.model import Facts, Judgement
from policy.office import Office
from policy.question import Question
from policy.records import subscribers
from policy.scope import Scope

_BATCH = 1000


def in_scope(
    office: Office, tx: Tx, scope: Scope, now: datetime
) -> Iterator[tuple[Certificate, Facts]]:
    """Yield every issued certificate of the scope, neither expired nor revoked, with its facts."""
    names = subscribers.chosen(
        tx, kind=scope.kind, reseller=scope.reseller, province=scope.province
    )
    for some in chunked(names, _BATCH):
        of_names = engine.of_subscribers(tx, some)
        found = [each for of_one in of_names.values() for each in of_one]
        yield from _among(office, tx, scope, [each for each in found if _alive(each, now)], now)


def issued_between(
    office: Office, tx: Tx, scope: Scope, span: tuple[datetime, datetime]
) -> Iterator[tuple[Certificate, Facts]]:
    """Yield what of the scope was issued in the span (without its end) and is alive."""
    now = office.clock.now()
    names = set(
        subscribers.chosen(tx, kind=scope.kind, reseller=scope.reseller, province=scope.province)
    )
    for some in engine.created_between(tx, *span):
        own = [each for each in some if each.subscriber in names and _alive(each, now)]
        yield from _among(office, tx, scope, own, now)


def _among(
    office: Office, tx: Tx, scope: Scope, found: list[Certificate], now: datetime
) -> Iterator[tuple[Certificate, Facts]]:
    """Yield those of certificates that issue period, list and findings of the scope take."""
    spanned = [each for each in found if scope.spans(each.not_before, serials.to_hex(each.serial))]
    for certificate, known in zip(spanned, facts.of_certificates(tx, spanned), strict=True):
        if not scope.asks_for_findings or scope.finds(judged(office, known, now)):
            yield certificate, known


def judged(office: Office, known: Facts, now: datetime) -> Judgement:
    """Return how the dossier stands now, as `decide` sees it."""
    rulebook = office.rulebook(now, known)
    return Question(facts=known, rulebook=rulebook, now=now).judgement()


def active(tx: Tx, now: datetime) -> int:
    """Return how many certificates of the register are issued, unexpired and unrevoked."""
    register = set(subscribers.subscriber_ids(tx))
    by_name = engine.alive_by_subscriber(tx, now)
    return sum(count for name, count in by_name.items() if name in register)


def _alive(certificate: Certificate, now: datetime) -> bool:
    issued = certificate.der is not None
    return issued and not certificate.expired(now) and not certificate.revoked
