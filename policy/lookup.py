"""What may be looked up: status and what to do next; never a person, never a contact.

Who gives the subscriber's look-up code reads more: the missing papers by name, the remedy case.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ca import history
from ca import records as engine
from ca.history import Answer, Validity
from ca.model import Certificate
from core import serials
from core.database import Tx
from core.errors import NotFound
from policy import facts
from policy.model import CaseFacts
from policy.records import cases, codes, deliveries, subscribers
from policy.rulebook import Rulebook, composed
from policy.truth import Reader, Truth, truth

RulebookAt = Callable[[datetime], Rulebook | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One certificate as the public sees it at `at`, since when, and on what ground if not good.

    `undelivered` are the instants of notices that reached nobody. `truth` says how the dossier
    stands and what to do next; None when that was not looked at (a question about the past, or no
    rulebook in force).
    """

    serial: str
    validity: Validity
    since: datetime | None
    clause: str
    reason: str
    holds: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    at: datetime
    undelivered: tuple[datetime, ...] = ()
    truth: Truth | None = None


def by_serial(tx: Tx, serial: int, at: datetime) -> Standing:
    """Return how the certificate stood at the instant `at`; raises NotFound."""
    answer = history.status_at(tx, serial, at)
    if answer.certificate.der is None:
        raise NotFound(f"No certificate has the serial {serials.to_hex(serial)}.")
    event = answer.event
    # Expiry has neither clause nor reason, and its instant is no act's.
    grounded = answer.validity in (Validity.HOLD, Validity.REVOKED)
    published = deliveries.published_of_serial(tx, serials.to_hex(serial))
    return Standing(
        serial=serials.to_hex(serial),
        validity=answer.validity,
        since=_since(answer),
        clause=event.clause if grounded and event else "",
        reason=event.reason.value if grounded and event and event.reason else "",
        holds=(),
        not_before=answer.certificate.not_before,
        not_after=answer.certificate.not_after,
        at=at,
        undelivered=tuple(each.queued_at for each in published if each.published_at <= at),
    )


def _since(answer: Answer) -> datetime | None:
    if answer.validity is Validity.EXPIRED:
        return answer.certificate.not_after
    return answer.event.at if answer.event else None


def of_subscriber(
    tx: Tx, query: str, rulebook: RulebookAt, now: datetime, *, code: str = ""
) -> list[Standing]:
    """Return the certificates of a tax code or subscriber id as they stand now, newest first.

    `rulebook` gives the one in force at an instant, or None: a dossier is judged by the rules of
    the day on which it was opened, or today's. Without any, nothing is said of dossiers. A look-up
    `code` opens what its own subscriber may read; a wrong one opens nothing.
    """
    wanted = query.strip()
    names = subscribers.ids_by_tax_code(tx, wanted)
    if not names and wanted in subscribers.kinds_of(tx, [wanted]):
        names = [wanted]
    found: list[Standing] = []
    for name in names:
        owner = bool(code) and codes.holds(tx, name, code, now)
        reader = Reader.SUBSCRIBER if owner else Reader.PUBLIC
        opened = [each for each in cases.cases_of(tx, [name]).get(name, []) if not each.closed_at]
        next_case = facts.of_case(opened[-1]) if opened else None
        for each in engine.of_subscriber(tx, name):
            if each.der is not None:
                told = _truth(tx, each, rulebook, now, reader=reader, next_case=next_case)
                found.append(_now(tx, each, now, told, own=owner))
    return found[::-1]


def _truth(
    tx: Tx,
    certificate: Certificate,
    rulebook_at: RulebookAt,
    now: datetime,
    *,
    reader: Reader,
    next_case: CaseFacts | None,
) -> Truth | None:
    known = facts.of_certificate(tx, certificate)
    today, own = rulebook_at(now), rulebook_at(min(known.dossier_since or now, now))
    rulebook = composed(today, own) if today and own and own is not today else own or today
    if rulebook is None:
        return None
    return truth(known, rulebook, now, reader=reader, next_case=next_case)


def _now(
    tx: Tx, certificate: Certificate, now: datetime, told: Truth | None, *, own: bool
) -> Standing:
    holds = tuple(hold.source.value for hold in certificate.standing.holds)
    seen = by_serial(tx, certificate.serial, now)
    # What is about no certificate is about a remedy case, of which the public is told nothing.
    published = deliveries.published_of_subscriber(tx, certificate.subscriber) if own else []
    others = tuple(each.queued_at for each in published if not each.serial)
    return replace(seen, holds=holds, truth=told, undelivered=(*seen.undelivered, *others))
