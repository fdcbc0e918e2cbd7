"""Publishes CRLs: number, snapshot, signature, gate, database, targets, in this order.

Commit 1 takes the number. Commit 2 stores the signed and examined bytes. Commit 3, once for each
target, records that the target shows them. A crash before commit 2 leaves a gap in the numbers; a
crash after it leaves a CRL that the next `deliver` brings out, which is the same step again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import ca.records
from ca.model import Entry, Issuer
from core import audit
from core.database import Database, Tx
from core.errors import AntinError, Conflict, Refused, Unavailable
from crl import build, diff, entries, gate, paths, reading, records
from crl.authority import Authority, SigningKey, authority, sign
from crl.model import WHOLE, Crl, Heading, Kind, Published, Settings
from crl.targets import Parcel, Target

_ACTOR = "publisher:crl"
# A process on another machine may have dated a change by a clock that is this far ahead of ours.
_SKEW = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    """What one read of the database says; `previous_lines` are the entries of `previous`."""

    entries: tuple[Entry, ...]
    last_event: int
    previous: Crl | None
    difference: diff.Difference
    facts: dict[int, Entry]
    last_regular: datetime | None


def publish(
    db: Database,
    now: datetime,
    *,
    issuer: str,
    key: SigningKey,
    settings: Settings,
    targets: Sequence[Target],
) -> Published:
    """Sign a new CRL of the issuer with the short name `issuer` and bring it to every target.

    Raises Refused (code `gate`) when the gate has findings: the previous CRL stays published, and
    the audit trail says why. Raises Conflict when another publisher stored a CRL meanwhile: nothing
    is lost, try again. Raises SigningUnavailable when no token signs, Unavailable when a target
    lacks the CRL, which then stands in the database for `deliver`.
    """
    with db.begin() as tx:
        owner = ca.records.issuer_named(tx, issuer)
        number = records.reserve(tx, owner.id)
    signer = authority(owner.der, key)
    with db.read() as tx:
        found = _snapshot(tx, owner, settings, [target.name for target in targets])
    heading = _heading(signer, number, now, found, settings)
    content = _signed(signer, heading, found.entries)
    findings = _examine(content, signer, heading, found)
    if findings:
        _refuse(db, now, issuer, number, findings)
    crl = _store(db, now, owner, heading=heading, found=found, content=content)
    deliver(db, now, issuer=issuer, targets=targets)
    return Published(number=number, crls=(crl,))


def deliver(db: Database, now: datetime, *, issuer: str, targets: Sequence[Target]) -> None:
    """Bring every stored CRL to every target that lacks it: the end of publishing, and recovery.

    A target that fails does not keep the others waiting; raises Unavailable when one did.
    """
    with db.read() as tx:
        owner = ca.records.issuer_named(tx, issuer)
    failures = []
    for target in targets:
        try:
            _deliver_to(db, now, owner, target)
        except AntinError as error:
            failures.append(f"{target.name}: {error}")
    if failures:
        raise Unavailable(
            f"CRLs of {issuer} are signed and stored but did not reach every target. "
            + " ".join(failures)
        )
    with db.begin() as tx:
        records.drop_contents(tx, owner.id, [target.name for target in targets])


def _snapshot(tx: Tx, owner: Issuer, settings: Settings, targets: Sequence[str]) -> _Snapshot:
    last_event = ca.records.last_event_id(tx)
    last_regular = records.last_regular(tx, owner.id, WHOLE, targets)
    listed = tuple(
        entries.in_order(
            each
            for each in ca.records.entries_not_good(tx, owner.id)
            if entries.stays(each, last_regular=last_regular, keep_expired=settings.keep_expired)
        )
    )
    previous = records.newest(tx, owner.id, kind=Kind.FULL)
    before: Sequence[bytes] = ()
    if previous is not None:
        old = records.content(tx, previous.id)
        before = list(reading.lines(old[reading.outline(old).entries]))
    difference = diff.compare(before, map(entries.encode, listed))
    return _Snapshot(
        entries=listed,
        last_event=last_event,
        previous=previous,
        difference=difference,
        facts=_facts(tx, owner, difference),
        last_regular=last_regular,
    )


def _facts(tx: Tx, owner: Issuer, difference: diff.Difference) -> dict[int, Entry]:
    """Ask the database, one by one, about each certificate whose entry differs."""
    serials = {*difference.removed, *difference.added, *difference.changed}
    asked = {serial: ca.records.entry(tx, owner.id, serial) for serial in serials}
    return {serial: entry for serial, entry in asked.items() if entry is not None}


def _heading(
    signer: Authority, number: int, now: datetime, found: _Snapshot, settings: Settings
) -> Heading:
    latest = max((each.since for each in found.entries if each.since), default=now)
    moment = (max(now, latest) if latest <= now + _SKEW else now).replace(microsecond=0)
    next_update = moment + settings.interval + settings.overlap
    if found.previous is not None:
        # Never earlier than promised before (RFC 5280 5.1.2.5), also after a change of settings.
        next_update = max(next_update, found.previous.next_update)
    return Heading(
        issuer=signer.subject,
        key_id=signer.key_id,
        number=number,
        this_update=moment,
        next_update=next_update.replace(microsecond=0),
        expired_since=(signer.certificate.not_valid_before_utc if settings.keep_expired else None),
    )


def _signed(signer: Authority, heading: Heading, listed: Sequence[Entry]) -> bytes:
    tbs = build.to_be_signed(heading, signer.algorithm, map(entries.encode, listed))
    return build.assemble(tbs, signer.algorithm, sign(signer, tbs))


def _examine(
    content: bytes, signer: Authority, heading: Heading, found: _Snapshot
) -> list[gate.Finding]:
    findings = [
        *gate.form(content, signer=signer, expected=heading, count=len(found.entries)),
        *gate.order(heading, found.previous),
        *gate.changes(found.difference, found.facts, last_regular=found.last_regular),
    ]
    if findings:
        return findings
    return gate.listing(content, found.entries, heading.this_update)


def _refuse(
    db: Database, now: datetime, issuer: str, number: int, findings: Sequence[gate.Finding]
) -> None:
    sentences = " ".join(each.sentence for each in findings)
    with db.begin() as tx:
        audit.append(
            tx,
            at=now,
            actor=_ACTOR,
            act="crl.refuse",
            subject=f"crl:{issuer}/{number}",
            rules=sorted({each.rule for each in findings}),
            because=sentences,
        )
    raise Refused(
        f"CRL {number} of {issuer} was not published; the one before stays in its place. "
        f"{sentences}",
        code="gate",
    )


def _store(
    db: Database,
    now: datetime,
    owner: Issuer,
    *,
    heading: Heading,
    found: _Snapshot,
    content: bytes,
) -> Crl:
    with db.begin() as tx:
        records.lock(tx, owner.id)
        if records.newest(tx, owner.id, kind=Kind.FULL) != found.previous:
            raise Conflict(
                f"Another publisher stored a CRL of {owner.name} while number {heading.number} was "
                "made; that number is given up."
            )
        crl = records.add(
            tx,
            content,
            issuer_id=owner.id,
            number=heading.number,
            partition=WHOLE,
            kind=heading.kind,
            base_number=heading.base_number,
            this_update=heading.this_update,
            next_update=heading.next_update,
            entries=len(found.entries),
            size=len(content),
            sha256=hashlib.sha256(content).digest(),
            key_id=heading.key_id,
            last_event=found.last_event,
        )
        audit.append(
            tx,
            at=now,
            actor=_ACTOR,
            act="crl.sign",
            subject=f"crl:{owner.name}/{heading.number}",
            entries=crl.entries,
            sha256=crl.sha256.hex(),
        )
    return crl


def _deliver_to(db: Database, now: datetime, owner: Issuer, target: Target) -> None:
    with db.read() as tx:
        waiting = records.undelivered(tx, owner.id, target.name)
    last = {(crl.partition, crl.kind): crl for crl in waiting}
    for crl in waiting:
        with db.read() as tx:
            content = records.content(tx, crl.id)
        parcel = Parcel(
            current=paths.current(owner.name, crl.partition, crl.kind),
            history=paths.history(owner.name, crl.partition, crl.kind, crl.number),
            heading=reading.outline(content).heading,
            content=content,
        )
        target.keep(parcel)
        if last[crl.partition, crl.kind] == crl:
            target.show(parcel)
        with db.begin() as tx:
            records.deliver(tx, crl.id, target.name, now)
