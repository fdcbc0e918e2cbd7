"""Publishes CRLs: number, list, signature, gate, database, targets, in this order.

    1. COMMIT: the number is taken; a crash from here on leaves a gap
    2. COMMIT: the changes that wait are taken into the list
    3. one snapshot gives the entries, and all that they are judged by
    4. built, signed, read again with other code, judged: any finding stops here
    5. COMMIT: the signed bytes are stored
    6. each target keeps them, shows the newest, is read back; COMMIT: that target has them

A crash after 5 leaves CRLs that the next `deliver` brings out, which is the same step 6 again.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

import ca.records
from ca.model import Issuer
from core import audit
from core.database import Database
from core.errors import AntinError, Conflict, Refused, Unavailable
from crl import build, gate, paths, reading, snapshot
from crl.authority import Authority, SigningKey, authority, sign
from crl.journal import absorb
from crl.model import WHOLE, Crl, Heading, Kind, Published, Refusal, Settings
from crl.records import numbers, signed
from crl.snapshot import Round, Sheet
from crl.targets import Parcel, Target

_ACTOR = "publisher:crl"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A sheet with its heading and the signed bytes."""

    sheet: Sheet
    heading: Heading
    content: bytes


def publish(
    db: Database,
    now: datetime,
    *,
    issuer: str,
    key: SigningKey,
    settings: Settings,
    targets: Sequence[Target],
    kind: Kind = Kind.FULL,
) -> Published:
    """Sign the CRLs of the issuer with the short name `issuer` and bring them to every target.

    A full publication makes the full CRL, that of each partition, and their deltas if the settings
    ask for them, all of one number; one of `kind` DELTA makes the deltas alone.

    Raises Refused (code `gate`) when the gate has findings: the previous CRLs stay published, and
    the audit trail says why. Raises Conflict when another publisher stored a CRL meanwhile: nothing
    is lost, try again. Raises SigningUnavailable when no token signs, Unavailable when a target
    lacks the CRLs, which then stand in the database for `deliver`.
    """
    with db.begin() as tx:
        owner = ca.records.issuer_named(tx, issuer)
        number = numbers.reserve(tx, owner.id, partitions=settings.partitions)
    absorb(db, owner.id, number)
    signer = authority(owner.der, key)
    with db.read() as tx:
        found = snapshot.read(
            tx,
            owner,
            number=number,
            now=now,
            kind=kind,
            settings=settings,
            targets=[target.name for target in targets],
        )
    made = [_sign(signer, found, sheet, settings) for sheet in found.sheets]
    findings = list(_judge(signer, found, made))
    if findings:
        _refuse(db, now, owner, number, findings)
    crls = _store(db, now, found, made)
    del made, found
    deliver(db, now, issuer=issuer, targets=targets)
    return Published(number=number, crls=crls)


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
        signed.drop_contents(tx, owner.id, [target.name for target in targets])


def _sign(signer: Authority, found: Round, sheet: Sheet, settings: Settings) -> _Signed:
    heading = _heading(signer, found, sheet, settings)
    tbs = build.to_be_signed(heading, signer.algorithm, sheet.region.content)
    content = build.assemble(tbs, signer.algorithm, sign(signer, tbs))
    return _Signed(sheet=sheet, heading=heading, content=content)


def _heading(signer: Authority, found: Round, sheet: Sheet, settings: Settings) -> Heading:
    next_update = found.moment + settings.interval + settings.overlap
    if sheet.previous is not None:
        # Never earlier than promised before (RFC 5280 5.1.2.5), also after a change of settings.
        next_update = max(next_update, sheet.previous.next_update)
    return Heading(
        issuer=signer.subject,
        key_id=signer.key_id,
        number=found.number,
        this_update=found.moment,
        next_update=next_update.replace(microsecond=0),
        base_number=None if sheet.base is None else sheet.base.number,
        # A delta has the same scope as its base, in the same octets (RFC 5280 5.2.4).
        distribution_point=(
            None
            if sheet.partition == WHOLE
            else _url(settings, found.owner, sheet.partition, Kind.FULL)
        ),
        freshest=(
            _url(settings, found.owner, sheet.partition, Kind.DELTA)
            if settings.deltas and sheet.kind is Kind.FULL
            else None
        ),
        expired_since=(signer.certificate.not_valid_before_utc if settings.keep_expired else None),
    )


def _url(settings: Settings, owner: Issuer, partition: int, kind: Kind) -> str:
    return f"{settings.url}/{paths.current(owner.name, partition, kind)}"


def _judge(signer: Authority, found: Round, made: Sequence[_Signed]) -> Iterator[gate.Finding]:
    """Let the gate examine each CRL, and all of them together."""
    for each in made:
        yield from _judge_one(signer, found, each)
    fulls = {each.sheet.partition: each for each in made if each.sheet.kind is Kind.FULL}
    if len(fulls) > 1:
        parts = [fulls[partition].sheet.region.content for partition in fulls if partition != WHOLE]
        yield from gate.coverage(fulls[WHOLE].sheet.region.content, parts)
    if found.mismatch is not None:
        yield from gate.mismatch(found.mismatch, found.unsettled)


def _judge_one(signer: Authority, found: Round, each: _Signed) -> Iterator[gate.Finding]:
    sheet, heading = each.sheet, each.heading
    unread = gate.form(each.content, signer=signer, expected=heading, region=sheet.region.content)
    yield from unread
    if unread:
        return
    yield from gate.count(each.content, sheet.region.count)
    yield from gate.order(heading, previous=sheet.previous, latest=found.latest)
    yield from gate.removals(sheet.region.content, sheet.kind)
    if sheet.kind is Kind.DELTA:
        yield from gate.delta(
            sheet.difference, found.facts, this_update=found.moment, unsettled=found.unsettled
        )
        return
    yield from gate.changes(
        sheet.difference, found.facts, last_regular=found.last_regular, unsettled=found.unsettled
    )
    if sheet.partition == WHOLE and found.truth is not None:
        yield from gate.listing(
            each.content, found.truth, this_update=found.moment, unsettled=found.unsettled
        )


def _refuse(
    db: Database, now: datetime, owner: Issuer, number: int, findings: Sequence[gate.Finding]
) -> NoReturn:
    sentences = " ".join(each.sentence for each in findings)
    with db.begin() as tx:
        numbers.set_refusal(tx, owner.id, Refusal(at=now, sentence=sentences))
        audit.append(
            tx,
            at=now,
            actor=_ACTOR,
            act="crl.refuse",
            subject=f"crl:{owner.name}/{number}",
            rules=sorted({each.rule for each in findings}),
            because=sentences,
        )
    raise Refused(
        f"CRL {number} of {owner.name} was not published; the one before stays in its place. "
        f"{sentences}",
        code="gate",
    )


def _store(db: Database, now: datetime, found: Round, made: Sequence[_Signed]) -> tuple[Crl, ...]:
    owner = found.owner
    with db.begin() as tx:
        numbers.lock(tx, owner.id)
        if signed.newest(tx, owner.id) != found.seen:
            raise Conflict(
                f"Another publisher stored a CRL of {owner.name} while number {found.number} was "
                "made; that number is given up."
            )
        numbers.set_refusal(tx, owner.id, None)
        crls = tuple(
            signed.add(
                tx,
                each.content,
                issuer_id=owner.id,
                number=found.number,
                partition=each.sheet.partition,
                kind=each.sheet.kind,
                base_number=each.heading.base_number,
                this_update=each.heading.this_update,
                next_update=each.heading.next_update,
                entries=each.sheet.region.count,
                size=len(each.content),
                sha256=hashlib.sha256(each.content).digest(),
                key_id=each.heading.key_id,
            )
            for each in made
        )
        audit.append(
            tx,
            at=now,
            actor=_ACTOR,
            act="crl.sign",
            subject=f"crl:{owner.name}/{found.number}",
            sha256={f"{crl.partition}/{crl.kind}": crl.sha256.hex() for crl in crls},
            entries=crls[0].entries,
        )
    return crls


def _deliver_to(db: Database, now: datetime, owner: Issuer, target: Target) -> None:
    with db.read() as tx:
        waiting = signed.undelivered(tx, owner.id, target.name)
    last = {(crl.partition, crl.kind): crl for crl in waiting}
    for crl in waiting:
        with db.read() as tx:
            if not signed.has_content(tx, crl.id):
                continue  # Another publisher brought it to every target meanwhile.
            content = signed.content(tx, crl.id)
        parcel = Parcel(
            current=paths.current(owner.name, crl.partition, crl.kind),
            history=paths.history(owner.name, crl.partition, crl.kind, crl.number),
            heading=reading.outline(content).heading,
            content=content,
        )
        target.keep(parcel)
        if last[crl.partition, crl.kind] == crl:
            _show(db, owner, crl, target=target, parcel=parcel)
        with db.begin() as tx:
            signed.deliver(tx, crl.id, target.name, now)
        target.tidy(parcel)


def _show(db: Database, owner: Issuer, crl: Crl, *, target: Target, parcel: Parcel) -> None:
    """Let the target show the CRL, unless another publisher brought it a newer one meanwhile."""
    try:
        target.show(parcel)
    except Conflict:
        with db.read() as tx:
            newest = signed.newest(tx, owner.id, partition=crl.partition, kind=crl.kind)
        if newest is None or newest.number <= crl.number:
            raise
