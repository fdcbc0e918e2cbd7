"""The status of a certificate at any instant, from its events: also of holds that were lifted.

CRL and OCSP forget a hold once it is lifted; the question of a tax system, "was it valid at the
moment of signing?", is answered here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ca import records
from ca.model import Act, Certificate, HoldSource, Stage, Status, StatusEvent
from core.database import Tx


class Validity(StrEnum):
    """What a relying party may conclude for one instant.

    UNKNOWN is the time before a serial was on the list that it was taken over from.
    """

    UNKNOWN = "unknown"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PastHold:
    """One hold, open or lifted, with the decisions that placed and lifted it."""

    source: HoldSource
    clause: str
    decision: str
    placed_at: datetime
    ends_at: datetime | None
    lifted_at: datetime | None = None
    lifted_by: str | None = None


def status_at(tx: Tx, serial: int, at: datetime, *, issuer: str = "") -> Answer:
    """Answer for the certificate with `serial` at the instant `at`, of `issuer` if one is named.

    Raises NotFound, or Conflict when several issuers have the serial and none is named.
    """
    found = certificate(tx, serial, issuer)
    return judge(found, records.events(tx, found.id), at)


def certificate(tx: Tx, serial: int, issuer: str = "") -> Certificate:
    """Return the certificate with `serial`, of `issuer` if one is named; raises as `status_at`."""
    issuer_id = records.issuer_named(tx, issuer).id if issuer else None
    return records.by_serial(tx, serial, issuer_id=issuer_id)


def judge(certificate: Certificate, events: list[StatusEvent], at: datetime) -> Answer:
    """Answer from a certificate's events, given oldest first; revoked stays so after expiry."""
    telling = (each for each in reversed(events) if each.act is not Act.CONFIRM)
    event = next((each for each in telling if each.at <= at), None)
    return Answer(
        certificate=certificate, at=at, validity=_validity(certificate, event, at), event=event
    )


def beginning(events: Sequence[StatusEvent], at: datetime) -> StatusEvent | None:
    """Return the event with which the status at `at` began: a second hold begins nothing anew."""
    found: StatusEvent | None = None
    for each in events:
        if each.at <= at and (found is None or each.status is not found.status):
            found = each
    return found


def since(answer: Answer, made_so: StatusEvent | None) -> datetime | None:
    """Return since when it stood so; expiry begins with the certificate's end."""
    if answer.validity is Validity.EXPIRED:
        return answer.certificate.not_after
    if answer.validity is Validity.NOT_YET_VALID or made_so is None:
        return None
    return max(made_so.at, answer.certificate.not_before)


def holds(events: Sequence[StatusEvent]) -> list[PastHold]:
    """Return every hold that a history tells of, in the order of their beginning."""
    found: list[PastHold] = []
    for each in events:
        if each.act in (Act.RESTORE, Act.REVOKE):
            found = [_lifted(hold, each) for hold in found]
        elif each.source is not None and each.act is Act.EXTEND:
            found = [_extended(hold, each) for hold in found]
        elif each.source is not None:
            found.append(
                PastHold(
                    source=each.source,
                    clause=each.clause,
                    decision=each.decision,
                    placed_at=each.at,
                    ends_at=each.ends_at,
                )
            )
    return found


def _lifted(hold: PastHold, event: StatusEvent) -> PastHold:
    if hold.lifted_at is not None or (event.act is Act.RESTORE and event.source != hold.source):
        return hold
    return replace(hold, lifted_at=event.at, lifted_by=event.decision)


def _extended(hold: PastHold, event: StatusEvent) -> PastHold:
    if hold.lifted_at is not None or event.source != hold.source:
        return hold
    return replace(hold, ends_at=event.ends_at)


def _validity(certificate: Certificate, event: StatusEvent | None, at: datetime) -> Validity:
    if event is None and certificate.stage is Stage.LISTED:
        return Validity.UNKNOWN
    if event is None or at < certificate.not_before:
        return Validity.NOT_YET_VALID
    if event.status is Status.REVOKED:
        return Validity.REVOKED
    if certificate.expired(at):
        return Validity.EXPIRED
    return Validity(event.status.value)
