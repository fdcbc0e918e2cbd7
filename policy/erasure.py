"""Erasure by rule: whose last certificate ended longer ago than the retention is forgotten.

What is erased: the personal data, its marks, representations, proofs, look-up codes, scans, and
what officers wrote of the papers. What stays: the organisation, the certificates with their
history, and the decisions. One person lists who is due, another approves; each subscriber is judged
anew then.

The entry is emptied in one commit, the scans are removed after it, and their entries last: an
erasure that was interrupted is approved again and finishes what is left.
"""

from collections.abc import Sequence
from datetime import datetime

from ca import records as engine
from ca.model import Certificate, Stage
from core.database import Tx, chunked
from core.errors import Refused
from policy.files import Store
from policy.office import Office
from policy.records import cases, documents, erasures, subscribers
from policy.rulebook_parts import Joint


def due(office: Office, tx: Tx, names: Sequence[str] | None = None) -> dict[str, datetime]:
    """Return who is due for erasure, of these or of all, with the end of their last certificate."""
    now = office.clock.now()
    years = office.rulebook(now).limits.retention_years
    found: dict[str, datetime] = {}
    for some in chunked(subscribers.subscriber_ids(tx) if names is None else names):
        gone = subscribers.erased(tx, some)
        opened = cases.cases_of(tx, some)
        for name, issued in engine.of_subscribers(tx, some).items():
            ends = [_end(each, now) for each in issued if each.stage is not Stage.LOST]
            waiting = any(each.closed_at is None for each in opened.get(name, []))
            last = max((each for each in ends if each is not None), default=None)
            if last is None or None in ends or waiting or name in gone:
                continue
            if _years_later(last, years) < now:
                found[name] = last
    return found


def ask(office: Office) -> tuple[int, dict[str, datetime]]:
    """List who is due; return the list's number, which another person approves, and the list.

    Raises Refused when nobody is due.
    """
    with office.db.begin() as tx:
        found = due(office, tx)
        if not found:
            raise Refused("Nobody's personal data is due for erasure.", code="nothing_due")
        now = office.clock.now()
        number = erasures.add(tx, sorted(found), office.actor, now)
        office.note(tx, "erasure.ask", "register", list=number, count=len(found))
    return number, found


def approve(office: Office, store: Store, number: int) -> list[str]:
    """Erase who stands on the list `number` and is still due; return their ids.

    Raises Refused (four_eyes) to whoever made the list, NotFound.
    """
    with office.db.begin() as tx:
        asked = erasures.named(tx, number)
        now = office.clock.now()
        office.rulebook(now).four_eyes.check(Joint.ERASURE, asked.asked_by, office.actor)
        erasures.approve(tx, number, office.actor, now)
        count = len(asked.subscribers)
        office.note(tx, "erasure.approve", "register", list=number, count=count)
    return [name for name in asked.subscribers if _erase(office, store, number, name)]


def _erase(office: Office, store: Store, number: int, name: str) -> bool:
    with office.db.begin() as tx:
        if name in due(office, tx, [name]):
            subscribers.forget(tx, office.vault, name, office.clock.now())
            documents.forget_reasons(tx, name)
            erasures.forget_proofs(tx, name)
            office.note(tx, "erasure.erase", f"subscriber:{name}", list=number)
        elif not subscribers.erased(tx, [name]):
            return False
        addresses = documents.addresses_of(tx, name)
    for each in addresses:
        store.drop(each)
    with office.db.begin() as tx:
        documents.forget_files(tx, name)
    return True


def _end(certificate: Certificate, now: datetime) -> datetime | None:
    """Return when a certificate ended, None while it has not."""
    if certificate.revoked:
        return min(certificate.standing.since or certificate.not_after, certificate.not_after)
    return certificate.not_after if certificate.expired(now) else None


def _years_later(start: datetime, years: int) -> datetime:
    try:
        return start.replace(year=start.year + years)
    except ValueError:  # 29 February, in a year that has none
        return start.replace(year=start.year + years, month=3, day=1)
