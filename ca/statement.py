"""What a signed statement says of a certificate at an instant: a JSON object for others.

It names the certificate and its issuer, how it stood then, since when, by which act, on which
clause and decision, and every hold that it ever had, also the lifted ones. It holds nothing of the
subscriber: who reads it has the certificate, or has its serial and needs no more.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography import x509

from ca import history, issuers
from ca.history import Validity
from ca.model import Certificate, Issuer, StatusEvent
from core import serials
from core.errors import Invalid

TYP = "antin-status-statement+jws"
"""The `typ` of a statement's signature."""

FORMAT = 1


def build(
    *,
    issuer: Issuer,
    certificate: Certificate,
    events: Sequence[StatusEvent],
    at: datetime,
    now: datetime,
) -> dict[str, Any]:
    """Return the statement on how `certificate` stood at `at`, as it is known `now`.

    `events` is the certificate's whole history, oldest first. Raises Invalid when `at` lies ahead.
    """
    if at > now:
        raise Invalid(
            f"The instant {at.isoformat()} lies ahead of {now.isoformat()}; nothing is stated "
            "about the future."
        )
    answer = history.judge(certificate, list(events), at)
    made_so = history.beginning(events, at)
    return {
        "antin_status_statement": FORMAT,
        "issuer": _issuer(issuer),
        "certificate": _certificate(certificate),
        "asked_at": _instant(at),
        "produced_at": _instant(now),
        "status": answer.validity,
        "since": _instant(history.since(answer, made_so)),
        **_ground(answer.validity, made_so),
        "holds": [_hold(each) for each in history.holds(events)],
        "acts": [_act(each) for each in events],
    }


def _issuer(issuer: Issuer) -> dict[str, str]:
    certificate = x509.load_der_x509_certificate(issuer.der)
    return {
        "name": certificate.subject.rfc4514_string(),
        "key_identifier": issuers.key_id_of(certificate).hex(),
        "sha256": sha256(issuer.der).hexdigest(),
    }


def _certificate(certificate: Certificate) -> dict[str, str | None]:
    """Of a serial that is known from another CA's list alone there is nothing but the serial."""
    known = certificate.der is not None
    return {
        "serial": serials.to_hex(certificate.serial),
        "sha256": sha256(certificate.der).hexdigest() if certificate.der is not None else None,
        "not_before": _instant(certificate.not_before) if known else None,
        "not_after": _instant(certificate.not_after) if known else None,
    }


def _ground(validity: Validity, event: StatusEvent | None) -> dict[str, str | None]:
    """Return the act that made it so; expiry and the time before the first act have none."""
    if event is None or validity in (Validity.EXPIRED, Validity.NOT_YET_VALID):
        return dict.fromkeys(("act", "reason", "invalidity_date", "clause", "decision"))
    return {
        "act": event.act,
        "reason": event.reason,
        "invalidity_date": _instant(event.invalidity_date),
        "clause": event.clause,
        "decision": event.decision,
    }


def _hold(hold: history.PastHold) -> dict[str, str | None]:
    return {
        "source": hold.source,
        "clause": hold.clause,
        "decision": hold.decision,
        "placed_at": _instant(hold.placed_at),
        "ends_at": _instant(hold.ends_at),
        "lifted_at": _instant(hold.lifted_at),
        "lifted_by": hold.lifted_by,
    }


def _act(event: StatusEvent) -> dict[str, str | None]:
    return {
        "at": _instant(event.at),
        "act": event.act,
        "status": event.status,
        "reason": event.reason,
        "clause": event.clause,
        "decision": event.decision,
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()
