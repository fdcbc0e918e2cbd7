"""The status of a certificate at any instant, from its events: also of holds that were lifted.

CRL and OCSP forget a hold once it is lifted; the question of a tax system, "was it valid at the
moment of signing?", is answered here.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ca import records
from ca.model import Act, Certificate, Status, StatusEvent
from core.database import Tx


class Validity(StrEnum):
    """What a relying party may conclude for one instant."""

    NOT_YET_VALID = "not_yet_valid"
    GOOD = "good"
    HOLD = "hold"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The validity at `at`, and the event that made it so (None before the first).

    A confirmation is an act that makes nothing so.
    """

    certificate: Certificate
    at: datetime
    validity: Validity
    event: StatusEvent | None


def status_at(tx: Tx, serial: int, at: datetime) -> Answer:
    """Answer for the certificate with `serial` at the instant `at`; raises NotFound."""
    found = records.by_serial(tx, serial)
    return judge(found, records.events(tx, found.id), at)


def judge(certificate: Certificate, events: list[StatusEvent], at: datetime) -> Answer:
    """Answer from a certificate's events, given oldest first; revoked stays so after expiry."""
    telling = (each for each in reversed(events) if each.act is not Act.CONFIRM)
    event = next((each for each in telling if each.at <= at), None)
    return Answer(
        certificate=certificate, at=at, validity=_validity(certificate, event, at), event=event
    )


def _validity(certificate: Certificate, event: StatusEvent | None, at: datetime) -> Validity:
    if event is None or at < certificate.not_before:
        return Validity.NOT_YET_VALID
    if event.status is Status.REVOKED:
        return Validity.REVOKED
    if certificate.expired(at):
        return Validity.EXPIRED
    return Validity(event.status.value)
