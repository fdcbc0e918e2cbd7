"""What the public may look up: status and missing papers; never a person, never a contact."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ca import history
from ca import records as engine
from ca.history import Answer, Validity
from ca.model import Certificate
from core import serials
from core.database import Tx
from core.errors import NotFound
from policy import facts, rules
from policy.records import subscribers
from policy.rulebook import Rulebook

RulebookAt = Callable[[datetime], Rulebook | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One certificate as the public sees it at `at`, since when, and on what ground if not good.

    `missing` names the papers still needed, in Vietnamese and English; None when the dossier was
    not looked at (a question about the past, or no rulebook in force).
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
    missing: tuple[tuple[str, str], ...] | None = None


def by_serial(tx: Tx, serial: int, at: datetime) -> Standing:
    """Return how the certificate stood at the instant `at`; raises NotFound."""
    answer = history.status_at(tx, serial, at)
    if answer.certificate.der is None:
        raise NotFound(f"No certificate has the serial {serials.to_hex(serial)}.")
    event = answer.event
    # Expiry has neither clause nor reason, and its instant is no act's.
    grounded = answer.validity in (Validity.HOLD, Validity.REVOKED)
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
    )


def _since(answer: Answer) -> datetime | None:
    if answer.validity is Validity.EXPIRED:
        return answer.certificate.not_after
    return answer.event.at if answer.event else None


def of_subscriber(tx: Tx, query: str, rulebook: RulebookAt, now: datetime) -> list[Standing]:
    """Return the certificates of a tax code or subscriber id as they stand now, newest first.

    `rulebook` gives the one in force at an instant, or None: a dossier is judged by the rules of
    the day on which it was opened, or today's. Without any, nothing is said of dossiers.
    """
    wanted = query.strip()
    names = subscribers.ids_by_tax_code(tx, wanted)
    if not names and wanted in subscribers.kinds_of(tx, [wanted]):
        names = [wanted]
    found = [
        each for name in names for each in engine.of_subscriber(tx, name) if each.der is not None
    ]
    return [_now(tx, each, rulebook, now) for each in reversed(found)]


def _missing(
    tx: Tx, certificate: Certificate, rulebook_at: RulebookAt, now: datetime
) -> tuple[tuple[str, str], ...] | None:
    known = facts.of_certificate(tx, certificate)
    rulebook = rulebook_at(min(known.dossier_since or now, now)) or rulebook_at(now)
    if rulebook is None:
        return None
    judgement = rules.judge(known.kind, known.documents, rulebook)
    names = [rulebook.documents[lack.document] for lack in judgement.lacks]
    return tuple((name.vi, name.en) for name in names)


def _now(tx: Tx, certificate: Certificate, rulebook: RulebookAt, now: datetime) -> Standing:
    standing = by_serial(tx, certificate.serial, now)
    return Standing(
        serial=standing.serial,
        validity=standing.validity,
        since=standing.since,
        clause=standing.clause,
        reason=standing.reason,
        holds=tuple(hold.source.value for hold in certificate.standing.holds),
        not_before=standing.not_before,
        not_after=standing.not_after,
        at=now,
        missing=_missing(tx, certificate, rulebook, now),
    )
