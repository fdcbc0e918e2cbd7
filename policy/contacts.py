"""Proof that a contact is the subscriber's own: by a code that was sent there, or by a call.

A proof counts while the register has that very contact: one that is changed has to be proved anew.
"""

import hmac
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from core.database import Tx
from core.errors import Invalid, Refused
from policy import notices
from policy.office import Office
from policy.records import proofs, subscribers

_DIGITS = 6
_LASTS = timedelta(minutes=30)
_MOST_TRIES = 5


class Contact(StrEnum):
    """A way to reach a subscriber."""

    PHONE = "phone"
    EMAIL = "email"


def ask(office: Office, subscriber_id: str, contact: Contact) -> None:
    """Send a new code to the contact, and nowhere else; an earlier one proves nothing any more.

    Nobody in the office reads it: who gives it back has it from there.
    """
    code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
    with office.db.begin() as tx:
        now = office.clock.now()
        proofs.put(
            tx,
            subscriber_id=subscriber_id,
            kind=contact,
            mark=_mark(office, tx, subscriber_id, contact),
            digest=_digest(office, subscriber_id, code),
            asked_at=now,
            ends_at=now + _LASTS,
            how="code",
        )
        notices.queue_code(
            tx, office, subscriber_id, "contact_code", code, ends_at=now + _LASTS, only=contact
        )
        office.note(tx, "contact.ask", f"subscriber:{subscriber_id}", contact=contact)


def confirm(office: Office, subscriber_id: str, contact: Contact, code: str) -> None:
    """Record that somebody who read the code there gave it back; raises Refused.

    A wrong code counts as a try; after five, or half an hour, a new one has to be sent.
    """
    with office.db.begin() as tx:
        now = office.clock.now()
        found = proofs.proof_of(tx, subscriber_id, contact, lock=True)
        mark = _mark(office, tx, subscriber_id, contact)
        if found is None or found.digest is None or found.mark != mark or now > found.ends_at:
            raise Refused("No code is awaited from this contact; send a new one.", code="no_code")
        if found.tries >= _MOST_TRIES:
            raise Refused(
                f"The code was wrong {_MOST_TRIES} times; send a new one.", code="no_code"
            )
        right = hmac.compare_digest(found.digest, _digest(office, subscriber_id, code.strip()))
        if right:
            proofs.verify(tx, subscriber_id, contact, now)
            subject = f"subscriber:{subscriber_id}"
            office.note(tx, "contact.verified", subject, contact=contact, how="code")
        else:
            proofs.count_try(tx, subscriber_id, contact)
    if not right:  # outside, so that the try is counted
        raise Refused("The code is not the one that was sent.", code="wrong_code")


def by_call(office: Office, subscriber_id: str, contact: Contact, reference: str) -> None:
    """Record that an officer reached the subscriber there; `reference` names the call."""
    if not reference.strip():
        raise Invalid("A call proves a contact when it can be named; give its reference.")
    with office.db.begin() as tx:
        now = office.clock.now()
        proofs.put(
            tx,
            subscriber_id=subscriber_id,
            kind=contact,
            mark=_mark(office, tx, subscriber_id, contact),
            digest=None,
            asked_at=now,
            ends_at=now,
            how="call",
        )
        proofs.verify(tx, subscriber_id, contact, now)
        subject = f"subscriber:{subscriber_id}"
        office.note(tx, "contact.verified", subject, contact=contact, how=f"call {reference}")


def verified_at(tx: Tx, subscriber_id: str, contact: Contact) -> datetime | None:
    """Return since when the register's contact is known to be the subscriber's own."""
    found = proofs.proof_of(tx, subscriber_id, contact)
    if found is None or found.mark != subscribers.contact_mark(tx, subscriber_id, contact):
        return None
    return found.verified_at


def _mark(office: Office, tx: Tx, subscriber_id: str, contact: Contact) -> bytes:
    subscribers.subscriber_of(tx, office.vault, subscriber_id)  # NotFound for nobody
    mark = subscribers.contact_mark(tx, subscriber_id, contact)
    if mark is None:
        raise Refused(
            f"The register has no {contact} of {subscriber_id!r} to prove.", code="no_contact"
        )
    return mark


def _digest(office: Office, subscriber_id: str, code: str) -> bytes:
    # Keyed: six digits under a plain hash would be read back by trying them all.
    return office.vault.mark(f"contact code|{subscriber_id}|{code}")
