"""What may be looked up: status and what to do next; never a person, never a contact.

Who gives the subscriber's look-up code reads more: the missing papers by name, the remedy case.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ca import history
from ca import records as engine
from ca.history import Answer, PastHold, Validity
from ca.model import Certificate, HoldSource, StatusEvent
from core import serials
from core.database import Tx
from core.errors import NotFound
from core.reasons import Reason
from policy import facts, silence
from policy.model import CaseFacts
from policy.records import cases, codes, deliveries, subscribers
from policy.rulebook import Rulebook, composed
from policy.truth import Reader, Truth, truth

RulebookAt = Callable[[datetime], Rulebook | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One certificate as the public sees it at `at`, since when, and on what ground if not good.

    What an authority ordered silently shows as a hold or revocation without its ground.

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
    found = engine.by_serial(tx, serial)
    if found.der is None:
        raise NotFound(f"No certificate has the serial {serials.to_hex(serial)}.")
    events = engine.events(tx, found.id)
    answer = history.judge(found, events, at)
    ground = _ground(answer, events, silence.kept_silent(tx, events))
    published = deliveries.published_of_serial(tx, serials.to_hex(serial))
    return Standing(
        serial=serials.to_hex(serial),
        validity=answer.validity,
        since=history.since(answer, history.beginning(events, at)),
        clause=ground.clause if ground else "",
        reason=_reason(answer),
        holds=(),
        not_before=answer.certificate.not_before,
        not_after=answer.certificate.not_after,
        at=at,
        undelivered=tuple(each.queued_at for each in published if each.published_at <= at),
    )


def _ground(
    answer: Answer, events: Sequence[StatusEvent], silent: Collection[str]
) -> StatusEvent | PastHold | None:
    """Return what made it so and may be told: the revocation, or the last of the open holds."""
    if answer.validity is Validity.REVOKED and answer.event:
        return None if answer.event.decision in silent else answer.event
    if answer.validity is not Validity.HOLD:
        return None
    until_then = [each for each in events if each.at <= answer.at]
    open_holds = [each for each in history.holds(until_then) if each.lifted_at is None]
    return next((each for each in open_holds[::-1] if each.decision not in silent), None)


def _reason(answer: Answer) -> str:
    """Return the reason code as the CRL has it; expiry has none."""
    if answer.validity is Validity.HOLD:
        return Reason.CERTIFICATE_HOLD.value
    revoked = answer.validity is Validity.REVOKED and answer.event and answer.event.reason
    return revoked.value if revoked else ""


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
                hidden = silence.silent_holds(tx, each)
                told = _truth(
                    tx, each, rulebook, now, reader=reader, next_case=next_case,
                    silent=HoldSource.AUTHORITY in hidden,
                )  # fmt: skip
                found.append(replace(_now(tx, each, now, hidden, own=owner), truth=told))
    return found[::-1]


def _truth(
    tx: Tx,
    certificate: Certificate,
    rulebook_at: RulebookAt,
    now: datetime,
    *,
    reader: Reader,
    next_case: CaseFacts | None,
    silent: bool,
) -> Truth | None:
    known = facts.of_certificate(tx, certificate)
    today, own = rulebook_at(now), rulebook_at(min(known.dossier_since or now, now))
    rulebook = composed(today, own) if today and own and own is not today else own or today
    if rulebook is None:
        return None
    return truth(known, rulebook, now, reader=reader, next_case=next_case, silent=silent)


def _now(
    tx: Tx, certificate: Certificate, now: datetime, hidden: Collection[HoldSource], *, own: bool
) -> Standing:
    sources = (hold.source for hold in certificate.standing.holds)
    holds = tuple(each.value for each in sources if each not in hidden)
    seen = by_serial(tx, certificate.serial, now)
    # What is about no certificate is about a remedy case, of which the public is told nothing.
    published = deliveries.published_of_subscriber(tx, certificate.subscriber) if own else []
    others = tuple(each.queued_at for each in published if not each.serial)
    return replace(seen, holds=holds, undelivered=(*seen.undelivered, *others))
