"""What an issuance writes, in the caller's two commits: the pending rows, then the issued ones.

Each function takes many at once and gives each its own answer, so that one refusal among them
leaves the others alone: nothing is written for who is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509

from ca import records, succession
from ca.model import Act, Certificate, HoldSource, Issuer, Stage
from ca.order import Order, standing_at_birth
from ca.profiles import Kind
from core import audit, serials
from core.database import Tx
from core.errors import AntinError, Conflict, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An order whose certificate is drafted and linted; `key` is the SHA-256 of its SPKI.

    `sample` is None when the draft was recorded by an earlier try of the same command.
    """

    order: Order
    key: bytes
    tbs: bytes
    sample: x509.Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A pending certificate that has been signed and verified; `der` is the whole of it."""

    order: Order
    pending: Certificate
    der: bytes


def pending(
    tx: Tx, issuer: Issuer, readies: Sequence[Ready], now: datetime
) -> list[Certificate | AntinError]:
    """Record what is about to be signed; return each pending certificate, or its refusal.

    Raises Conflict for all when a decision was used meanwhile, Refused when the issuer is retired.
    """
    if any(each.order.profile.kind is not Kind.OCSP for each in readies):
        _refuse_retired(tx, issuer)  # its responder it goes on to certify (RFC 6960 4.2.2.2)
    refusals = _refusals(tx, readies)
    older: dict[int, Certificate] = {}
    for index, ready in enumerate(readies):
        replaces = ready.order.replaces
        if index not in refusals and replaces is not None:
            try:
                older[index] = succession.find(tx, ready.order, replaces, now)
            except AntinError as error:
                refusals[index] = error
    _claim(tx, readies, refusals)
    fit = [index for index in range(len(readies)) if index not in refusals]
    made = dict(zip(fit, _add(tx, issuer, [readies[index] for index in fit], now), strict=True))
    for index, old in older.items():
        if index in made:
            _link(tx, readies[index].order, made[index], old)
    return [made[index] if index in made else refusals[index] for index in range(len(readies))]


def issued(tx: Tx, signed: Sequence[Signed], now: datetime) -> list[Certificate | AntinError]:
    """Turn pending certificates into issued ones, each with event and audit entry.

    One that another try of the same command ended meanwhile is returned as that one made it; one
    that was given up meanwhile is a Conflict.
    """
    waiting = records.lock_pending(tx, [each.pending.id for each in signed])
    fit = [each for each in signed if each.pending.id in waiting]
    records.mark_issued(tx, {each.pending.id: each.der for each in fit})
    records.add_events(tx, [_birth(each) for each in fit])
    audit.append_all(tx, [_entry(each, now) for each in fit])
    for each in fit:
        if each.order.replaces is not None:
            succession.retire_with(tx, each.order.replaces, now)
    return [
        replace(each.pending, stage=Stage.ISSUED, der=each.der)
        if each.pending.id in waiting
        else _ended_otherwise(tx, each.pending.id)
        for each in signed
    ]


def _ended_otherwise(tx: Tx, certificate_id: int) -> Certificate | AntinError:
    found = records.by_id(tx, certificate_id)
    if found.stage is Stage.ISSUED:
        return found
    return Conflict(
        f"The certificate in row {certificate_id} is no longer pending; it was given up."
    )


def _refuse_retired(tx: Tx, issuer: Issuer) -> None:
    retired_at = records.issuer_named(tx, issuer.name).retired_at
    if retired_at is not None:
        raise Refused(
            f"The issuer {issuer.name!r} was retired at {retired_at.isoformat()} and issues no "
            "more certificates; name its successor.",
            code="issuer_retired",
        )


def _refusals(tx: Tx, readies: Sequence[Ready]) -> dict[int, AntinError]:
    """Return, by index, the refusals of keys that are blocked."""
    blocked = records.blocked(tx, {ready.key for ready in readies})
    return {
        index: Refused(
            f"The public key is blocked: {blocked[ready.key]} Generate a new key pair.",
            code="key_blocked",
        )
        for index, ready in enumerate(readies)
        if ready.key in blocked
    }


def _claim(tx: Tx, readies: Sequence[Ready], refusals: dict[int, AntinError]) -> None:
    """Claim the keys of all that are not refused; whose key is another's is refused."""
    fit = [index for index in range(len(readies)) if index not in refusals]
    wanted: dict[bytes, str] = {}
    for index in fit:
        wanted.setdefault(readies[index].key, readies[index].order.approval.subscriber)
    owners = records.claim_keys(tx, wanted)
    for index in fit:
        if owners[readies[index].key] != readies[index].order.approval.subscriber:
            refusals[index] = Refused(
                "The public key belongs to another subscriber already; generate a new key pair.",
                code="key_of_another_subscriber",
            )


def _add(tx: Tx, issuer: Issuer, readies: Sequence[Ready], now: datetime) -> list[Certificate]:
    if not readies:
        return []
    drafts = [_pending(issuer, ready, now) for ready in readies]
    rows = [
        {
            "issuer_id": issuer.id,
            "serial": each.serial,
            "subscriber": each.subscriber,
            "profile": each.profile,
            "tbs": ready.tbs,
            "spki_sha256": ready.key,
            "not_before": each.not_before,
            "not_after": each.not_after,
            "decision": ready.order.approval.decision,
            "created_at": now,
            "suspendable": each.suspendable,
        }
        for each, ready in zip(drafts, readies, strict=True)
    ]
    numbers = records.add_pending(tx, rows, [each.standing for each in drafts])
    return [replace(each, id=number) for each, number in zip(drafts, numbers, strict=True)]


def _pending(issuer: Issuer, ready: Ready, now: datetime) -> Certificate:
    """Return the certificate as its row will hold it; the row's number is not known yet."""
    if ready.sample is None:
        raise RuntimeError("What was recorded before is not recorded again.")
    return Certificate(
        id=0,
        issuer_id=issuer.id,
        serial=ready.sample.serial_number,
        subscriber=ready.order.approval.subscriber,
        profile=ready.order.profile.name,
        stage=Stage.PENDING,
        der=None,
        # As the certificate says it: in whole seconds.
        not_before=ready.sample.not_valid_before_utc,
        not_after=ready.sample.not_valid_after_utc,
        created_at=now,
        standing=standing_at_birth(ready.order, now),
        suspendable=ready.order.profile.suspendable,
    )


def _link(tx: Tx, order: Order, new: Certificate, old: Certificate) -> None:
    if order.replaces is not None:
        records.add_succession(
            tx,
            successor_id=new.id,
            predecessor_id=old.id,
            kind=order.replaces.kind,
            reason=order.replaces.reason,
        )


def _birth(each: Signed) -> dict[str, object]:
    standing, approval = each.pending.standing, each.order.approval
    return {
        "certificate_id": each.pending.id,
        "at": standing.since or each.pending.created_at,
        "act": Act.ISSUE,
        "status": standing.status,
        "reason": standing.reason,
        "source": HoldSource.NOT_ACTIVATED if standing.holds else None,
        "decision": approval.decision,
        "clause": approval.clause,
        "because": approval.because,
    }


def _entry(each: Signed, now: datetime) -> audit.New:
    approval, replaces = each.order.approval, each.order.replaces
    detail: dict[str, object] = {
        "subscriber": approval.subscriber,
        "profile": each.pending.profile,
        "decision": approval.decision,
        "status": each.pending.standing.status,
    }
    if replaces is not None:
        detail |= {"kind": replaces.kind, "replaces": serials.to_hex(replaces.serial)}
    return audit.New(
        at=now,
        actor=approval.actor,
        act="certificate.issue",
        subject=f"certificate:{serials.to_hex(each.pending.serial)}",
        detail=detail,
    )
