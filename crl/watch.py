"""Looks after publication: alarms long before nextUpdate, and an examination of what is shown.

A CRL that stands still is noticed by nobody until it has run out; so its age is watched, the
changes that wait, and the targets that lag, each against what the settings promise.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

import ca.records
from ca.model import Issuer
from core.database import Database, Tx
from core.errors import AntinError
from crl import gate, paths, reading, snapshot
from crl.authority import PublicKey, verifies
from crl.model import Crl, Kind, Refusal, Settings, Waiting
from crl.records import lists, numbers, signed
from crl.targets import Target

# How long a change may wait beyond the time in which changes are gathered.
_PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One thing that needs a person: a stable word for the rule, and a full sentence."""

    rule: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How publication for one issuer stands: its newest full CRL, what waits, what is wrong."""

    newest: Crl | None
    waiting: Waiting
    alarms: tuple[Alarm, ...]


def look(
    tx: Tx, now: datetime, *, issuer: str, settings: Settings, targets: Sequence[str]
) -> State:
    """Return how publication stands; asks the database only, and costs next to nothing."""
    owner = ca.records.issuer_named(tx, issuer)
    last, full = signed.newest(tx, owner.id), signed.newest(tx, owner.id, kind=Kind.FULL)
    waiting = lists.waiting(tx, owner.id, told=last.number if last else 0)
    refusal = numbers.refusal(tx, owner.id)
    alarms = [
        *_of_refusal(refusal, owner),
        *_of_age(full, now, owner, settings),
        *_of_waiting(waiting, now, owner, settings),
        *(each for name in targets for each in _of_target(tx, now, owner, name)),
    ]
    return State(newest=full, waiting=waiting, alarms=tuple(alarms))


def check(
    db: Database, now: datetime, *, issuer: str, settings: Settings, targets: Sequence[Target]
) -> list[Alarm]:
    """Examine what is published, as a relying party sees it, and compare it with the engine.

    Reads every target and every certificate that is not good: for people and for nightly runs.
    """
    with db.read() as tx:
        owner = ca.records.issuer_named(tx, issuer)
        names = [target.name for target in targets]
        state = look(tx, now, issuer=issuer, settings=settings, targets=names)
        shown = signed.shown(tx, owner.id)
        unsettled = lists.waiting_serials(tx, owner.id)
        mismatch = snapshot.mismatch(tx, owner)
    found = list(state.alarms)
    found += (
        Alarm(rule=each.rule, sentence=each.sentence) for each in gate.mismatch(mismatch, unsettled)
    )
    public_key = x509.load_der_x509_certificate(owner.der).public_key()
    for target in targets:
        for crl in shown:
            found += _of_shown(target, crl, owner, public_key)  # type: ignore[arg-type] # RSA or EC
    return found


def _of_refusal(refusal: Refusal | None, owner: Issuer) -> Iterator[Alarm]:
    if refusal is not None:
        yield Alarm(
            rule="refused",
            sentence=f"The gate holds the CRL of {owner.name} back since {_text(refusal.at)}; the "
            f"one before stays published. {refusal.sentence}",
        )


def _of_age(full: Crl | None, now: datetime, owner: Issuer, settings: Settings) -> Iterator[Alarm]:
    if full is None:
        yield Alarm(rule="none", sentence=f"{owner.name} has no CRL yet; publish the first one.")
    elif now > full.next_update:
        yield Alarm(
            rule="expired",
            sentence=f"CRL {full.number} of {owner.name} ran out at {_text(full.next_update)}; "
            "relying parties refuse every certificate or believe any. Publish at once.",
        )
    elif now > full.this_update + settings.interval + settings.overlap / 10:
        left = full.next_update - now
        yield Alarm(
            rule="late",
            sentence=f"CRL {full.number} of {owner.name} should have been followed at "
            f"{_text(full.this_update + settings.interval)}; it runs out in {left}. See why the "
            "publisher stands still.",
        )


def _of_waiting(
    waiting: Waiting, now: datetime, owner: Issuer, settings: Settings
) -> Iterator[Alarm]:
    if waiting.oldest is not None and now > waiting.oldest + settings.settle + _PATIENCE:
        yield Alarm(
            rule="waiting",
            sentence=f"{waiting.count} changes of status of {owner.name} are on no CRL, the oldest "
            f"since {_text(waiting.oldest)}.",
        )


def _of_target(tx: Tx, now: datetime, owner: Issuer, target: str) -> Iterator[Alarm]:
    lacking = signed.undelivered(tx, owner.id, target)
    if lacking and now > lacking[0].this_update + _PATIENCE:
        yield Alarm(
            rule="undelivered",
            sentence=f"The target {target} lacks {len(lacking)} CRLs of {owner.name}, the oldest "
            f"number {lacking[0].number} of {_text(lacking[0].this_update)}.",
        )


def _of_shown(target: Target, crl: Crl, owner: Issuer, public_key: PublicKey) -> Iterator[Alarm]:
    """Examine one published CRL by its octets."""
    path = paths.current(owner.name, crl.partition, crl.kind)
    try:
        data = target.read(path)
        if data is None:
            yield Alarm(rule="missing", sentence=f"{target.name} has no {path}.")
            return
        outline = reading.outline(data)
    except AntinError as error:
        yield Alarm(rule="unreadable", sentence=f"{target.name} shows no CRL at {path}: {error}")
        return
    if not verifies(public_key, memoryview(data)[outline.signed], outline.signature):
        yield Alarm(
            rule="signature",
            sentence=f"The CRL that {target.name} shows at {path} is not signed by {owner.name}.",
        )
    elif hashlib.sha256(data).digest() != crl.sha256:
        yield Alarm(
            rule="stale",
            sentence=f"{target.name} shows number {outline.heading.number} at {path}; the newest "
            f"is {crl.number}.",
        )


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
