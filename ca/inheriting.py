"""Writes one batch of a take-over in the caller's commit: what is new, and what went on since.

A certificate that is here already gets what its former CA did to it meanwhile; nothing is taken
back: a hold that the newer CRL no longer has is a finding for an officer.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ca import records, status
from ca.foreign import Foreign, Listed
from ca.model import Act, Certificate, Hold, HoldSource, Issuer, Stage, Standing, Status
from core import audit, serials
from core.database import Tx
from core.errors import Refused
from core.reasons import Reason

PROFILE = "taken_over"
"""The profile of what others issued; there is none of this name to issue by."""

_CLAUSE = "takeover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a serial shall be here; without `certificate` it is known as a serial alone."""

    serial: int
    certificate: Foreign | None
    said: Listed | None
    ground: str
    subscriber: str


@dataclass(slots=True)
class Outcome:
    """What was done: certificates and bare serials added, changed, and found here already."""

    certificates: int = 0
    bare_serials: int = 0
    changed: int = 0
    known: int = 0
    findings: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def serials(self) -> int:
        """How many serials were dealt with."""
        return self.certificates + self.bare_serials + self.known

    def add(self, other: "Outcome") -> None:
        """Add the counts of a batch."""
        self.certificates += other.certificates
        self.bare_serials += other.bare_serials
        self.changed += other.changed
        self.known += other.known


def inherit(
    tx: Tx, now: datetime, issuer: Issuer, batch: Sequence[Wanted], *, actor: str
) -> Outcome:
    """Write one batch; the findings are those that only the database can tell."""
    outcome = Outcome()
    here = records.by_serials(tx, issuer.id, [each.serial for each in batch])
    new = [each for each in batch if each.serial not in here]
    _add(tx, now, issuer, new, outcome)
    for each in batch:
        if each.serial in here:
            _go_on(tx, here[each.serial], each, outcome)
    audit.append_all(tx, [_entry(each, now, actor) for each in new])
    return outcome


def _add(tx: Tx, now: datetime, issuer: Issuer, new: Sequence[Wanted], outcome: Outcome) -> None:
    numbers = records.add_taken_over(tx, issuer.id, [_row(each, issuer, now) for each in new])
    events: list[dict[str, Any]] = []
    for each in new:
        events += _events(numbers[each.serial], each)
    records.add_events(tx, events)
    records.set_standings(
        tx, {numbers[each.serial]: _standing(each.said) for each in new if each.said is not None}
    )
    _claim(tx, new, outcome)
    outcome.certificates += sum(each.certificate is not None for each in new)
    outcome.bare_serials += sum(each.certificate is None for each in new)


def _row(each: Wanted, issuer: Issuer, now: datetime) -> dict[str, Any]:
    """Return the row as it is before anything was done to it: good.

    A bare serial has the issuer's own validity, so that it stays on the CRL to the end.
    """
    known = each.certificate
    bare = hashlib.sha256(b"listed" + serials.to_bytes(each.serial)).digest()
    return {
        "serial": each.serial,
        "subscriber": each.subscriber,
        "profile": PROFILE,
        "stage": Stage.LISTED if known is None else Stage.ISSUED,
        "tbs": b"" if known is None else known.tbs,
        "der": None if known is None else known.content,
        "spki_sha256": bare if known is None else known.key,
        "not_before": issuer.not_before if known is None else known.not_before,
        "not_after": issuer.not_after if known is None else known.not_after,
        "decision": f"takeover-{issuer.id}-{serials.to_hex(each.serial)}",
        "created_at": now,
        "confirmed_at": None if known is None else known.not_before,
    }


def _events(number: int, each: Wanted) -> list[dict[str, Any]]:
    events = []
    if each.certificate is not None:
        events.append(
            {
                "certificate_id": number,
                "at": each.certificate.not_before,
                "act": Act.ISSUE,
                "status": Status.GOOD,
                "reason": None,
                "source": None,
                "invalidity_date": None,
                "decision": "takeover",
                "clause": _CLAUSE,
                "because": "The certificate was issued by the CA that was taken over.",
            }
        )
    if each.said is not None:
        events.append(_event(number, each, each.said))
    return events


def _event(number: int, each: Wanted, said: Listed) -> dict[str, Any]:
    held = said.reason is Reason.CERTIFICATE_HOLD
    return {
        "certificate_id": number,
        "at": said.since,
        "act": Act.SUSPEND if held else Act.REVOKE,
        "status": Status.HOLD if held else Status.REVOKED,
        "reason": said.reason,
        "source": HoldSource.AUTHORITY if held else None,
        "invalidity_date": said.invalidity_date,
        "decision": f"takeover {each.ground} {'hold' if held else 'revoked'}",
        "clause": f"{_CLAUSE}:{each.ground}",
        "because": f"The CA that was taken over says so: {each.ground}, reason {said.reason}.",
    }


def _standing(said: Listed) -> Standing:
    if said.reason is Reason.CERTIFICATE_HOLD:
        return status.on_hold_from_birth(_hold(said))
    return Standing(
        status=Status.REVOKED,
        reason=said.reason,
        since=said.since,
        invalidity_date=said.invalidity_date,
    )


def _hold(said: Listed) -> Hold:
    """Return the hold of a CRL entry: it does not say on whose word, so no clock lifts it."""
    return Hold(source=HoldSource.AUTHORITY, clause=_CLAUSE, placed_at=said.since)


def _claim(tx: Tx, new: Sequence[Wanted], outcome: Outcome) -> None:
    """Bind the keys to their holders; one that another holder has already stays with that one."""
    wanted: dict[bytes, str] = {}
    for each in new:
        if each.certificate is not None:
            wanted.setdefault(each.certificate.key, each.subscriber)
    owners = records.claim_keys(tx, wanted)
    for each in new:
        if each.certificate is not None and owners[each.certificate.key] != each.subscriber:
            sentence = f"Its key belongs to {owners[each.certificate.key]!r} here already."
            outcome.findings.append((each.serial, "shared_key", sentence))


def _go_on(tx: Tx, here: Certificate, each: Wanted, outcome: Outcome) -> None:
    """Do to a certificate that is here what its former CA did meanwhile."""
    outcome.known += 1
    content = each.certificate.content if each.certificate is not None else None
    if content is not None and here.stage is Stage.LISTED:
        sentence = "It is here as a bare serial since an earlier take-over, and stays so."
        outcome.findings.append((each.serial, "bare_before", sentence))
    elif content is not None and content != here.der:
        sentence = "Another certificate with this serial is here already; that one stays."
        outcome.findings.append((each.serial, "duplicate", sentence))
        return
    if each.said is None:
        if here.standing.status is Status.HOLD:
            sentence = "It is on hold here and no longer on the CRL; lift the hold if that is so."
            outcome.findings.append((each.serial, "lifted", sentence))
        return
    try:
        after = _after(here.standing, each.said)
    except Refused as error:
        outcome.findings.append((each.serial, "differs", str(error)))
        return
    if after is None:
        return
    records.add_event(tx, **_event(here.id, each, each.said))
    records.lift_holds(tx, here.id, here.standing.sources - after.sources, each.said.since)
    records.set_standing(tx, here, after)
    outcome.changed += 1


def _after(before: Standing, said: Listed) -> Standing | None:
    """Return the standing after what was said; None when it says nothing new."""
    held = said.reason is Reason.CERTIFICATE_HOLD
    if before.status is Status.REVOKED or (held and before.status is Status.HOLD):
        return None
    if held:
        return status.suspend(before, _hold(said))
    return status.revoke(before, said.reason, said.since, invalidity_date=said.invalidity_date)


def _entry(each: Wanted, now: datetime, actor: str) -> audit.New:
    detail: dict[str, object] = {"subscriber": each.subscriber, "ground": each.ground}
    detail["certificate"] = each.certificate is not None
    if each.said is not None:
        detail |= {"reason": each.said.reason, "since": each.said.since.isoformat()}
    return audit.New(
        at=now,
        actor=actor,
        act="certificate.take_over",
        subject=f"certificate:{serials.to_hex(each.serial)}",
        detail=detail,
    )
