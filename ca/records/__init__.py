"""The engine's queries: a transaction in, values out; never commits."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ca.model import (
    Act,
    Certificate,
    Hold,
    HoldSource,
    Issuer,
    Stage,
    Standing,
    Status,
    StatusEvent,
)
from ca.records.statuses import (
    changes,
    entries_not_good,
    entry,
    horizon,
    last_event_id,
    live,
)
from ca.tables import certificate, hold, issuer, status_event, subject_key
from core import serials
from core.database import Tx
from core.errors import Conflict, NotFound, Refused
from core.reasons import Reason

__all__ = ["changes", "entries_not_good", "entry", "horizon", "last_event_id", "live"]

_BATCH = 500


# --- issuers ---------------------------------------------------------------------------------


def add_issuer(
    tx: Tx,
    *,
    name: str,
    parent_id: int | None,
    der: bytes,
    not_before: datetime,
    not_after: datetime,
) -> Issuer:
    """Record a CA certificate under its short `name`; raises Conflict when the name is taken."""
    values = {
        "name": name, "parent_id": parent_id, "der": der,
        "not_before": not_before, "not_after": not_after,
    }  # fmt: skip
    try:
        key = tx.execute(insert(issuer).values(**values)).inserted_primary_key
    except IntegrityError as error:
        raise Conflict(f"An issuer named {name!r} exists already; choose another name.") from error
    return Issuer(id=_only(key), **values)  # type: ignore[arg-type] # the dict's values are the fields


def issuers(tx: Tx) -> list[Issuer]:
    """Return every issuer, oldest first."""
    return [Issuer(**row._mapping) for row in tx.execute(select(issuer).order_by(issuer.c.id))]


def issuer_named(tx: Tx, name: str) -> Issuer:
    """Return the issuer with the short `name`; raises NotFound."""
    row = tx.execute(select(issuer).where(issuer.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"There is no issuer named {name!r}; see `antin issuer list`.")
    return Issuer(**row._mapping)


# --- certificates ----------------------------------------------------------------------------


def claim_key(tx: Tx, spki_sha256: bytes, subscriber: str) -> None:
    """Bind a public key to a subscriber for ever; raises Refused when another one has it."""
    owner = tx.execute(
        select(subject_key.c.subscriber).where(subject_key.c.spki_sha256 == spki_sha256)
    ).scalar_one_or_none()
    if owner is None:
        tx.execute(insert(subject_key).values(spki_sha256=spki_sha256, subscriber=subscriber))
    elif owner != subscriber:
        raise Refused(
            "The public key belongs to another subscriber already; generate a new key pair.",
            code="key_of_another_subscriber",
        )


def add_pending(tx: Tx, values: Mapping[str, Any], standing: Standing) -> int:
    """Record a certificate that is about to be signed; returns its row id.

    Raises Conflict when the decision was used before or the serial is taken.
    """
    try:
        key = tx.execute(
            insert(certificate).values(stage=Stage.PENDING, **values, **_columns(standing))
        ).inserted_primary_key
    except IntegrityError as error:
        raise Conflict(
            f"The decision {values['decision']!r} was used for an issuance already; "
            "ask for a new decision."
        ) from error
    row_id: int = _only(key)
    for each in standing.holds:
        _insert_hold(tx, row_id, each)
    return row_id


def mark_issued(tx: Tx, certificate_id: int, der: bytes) -> None:
    """Turn a pending row into an issued certificate; raises Conflict when it is not pending."""
    changed = tx.execute(
        update(certificate)
        .where(certificate.c.id == certificate_id, certificate.c.stage == Stage.PENDING)
        .values(stage=Stage.ISSUED, der=der)
    )
    if changed.rowcount != 1:
        raise Conflict(
            f"The certificate in row {certificate_id} is no longer pending; it was given up."
        )


def mark_lost(tx: Tx, certificate_id: int) -> None:
    """Turn a pending, already revoked row into a lost one."""
    tx.execute(
        update(certificate)
        .where(certificate.c.id == certificate_id, certificate.c.stage == Stage.PENDING)
        .values(stage=Stage.LOST)
    )


def pending_since(tx: Tx, before: datetime) -> list[int]:
    """Return the row ids of certificates recorded before `before` and never issued, locked."""
    query = (
        select(certificate.c.id)
        .where(certificate.c.stage == Stage.PENDING, certificate.c.created_at < before)
        .order_by(certificate.c.id)
        .with_for_update(skip_locked=True)
    )
    return list(tx.execute(query).scalars())


def by_serial(tx: Tx, serial: int, *, issuer_id: int | None = None) -> Certificate:
    """Return the certificate with `serial` (of one issuer, or of any); raises NotFound."""
    query = _certificates().where(certificate.c.serial == serial)
    if issuer_id is not None:
        query = query.where(certificate.c.issuer_id == issuer_id)
    rows = tx.execute(query).all()
    if not rows:
        raise NotFound(f"No certificate has the serial {serials.to_hex(serial)}.")
    if len(rows) > 1:
        raise Conflict(
            f"{len(rows)} issuers have a certificate with the serial {serials.to_hex(serial)}; "
            "name the issuer too."
        )
    return _with_holds(tx, rows)[0]


def by_decision(tx: Tx, decision: str) -> Certificate | None:
    """Return the certificate that `decision` issued, if any."""
    return _one(tx, certificate.c.decision == decision)


def by_id(tx: Tx, certificate_id: int) -> Certificate:
    """Return the certificate in that row; raises NotFound."""
    found = _one(tx, certificate.c.id == certificate_id)
    if found is None:
        raise NotFound(f"No certificate has the row number {certificate_id}.")
    return found


def of_profiles(tx: Tx, profiles: Iterable[str]) -> list[Certificate]:
    """Return the certificates of these profiles, oldest first."""
    query = _certificates().where(certificate.c.profile.in_(list(profiles)))
    return _with_holds(tx, tx.execute(query.order_by(certificate.c.id)).all())


def by_ids(tx: Tx, certificate_ids: Iterable[int]) -> list[Certificate]:
    """Return the certificates in these rows, in the order of the rows."""
    wanted = list(certificate_ids)
    found: list[Certificate] = []
    for start in range(0, len(wanted), _BATCH):
        query = _certificates().where(certificate.c.id.in_(wanted[start : start + _BATCH]))
        found.extend(_with_holds(tx, tx.execute(query.order_by(certificate.c.id)).all()))
    return found


def lock(tx: Tx, certificate_id: int) -> Certificate:
    """Return the certificate with its row locked until the transaction ends."""
    query = select(certificate.c.id).where(certificate.c.id == certificate_id).with_for_update()
    tx.execute(query)
    return by_id(tx, certificate_id)


def of_subscriber(tx: Tx, subscriber: str) -> list[Certificate]:
    """Return a subscriber's certificates, oldest first."""
    query = _certificates().where(certificate.c.subscriber == subscriber)
    return _with_holds(tx, tx.execute(query.order_by(certificate.c.id)).all())


def of_subscribers(tx: Tx, subscribers: Iterable[str]) -> dict[str, list[Certificate]]:
    """Return the certificates of many subscribers at once, oldest first, by subscriber."""
    wanted = list(subscribers)
    found: dict[str, list[Certificate]] = {name: [] for name in wanted}
    for start in range(0, len(wanted), _BATCH):
        names = wanted[start : start + _BATCH]
        query = (
            _certificates().where(certificate.c.subscriber.in_(names)).order_by(certificate.c.id)
        )
        for each in _with_holds(tx, tx.execute(query).all()):
            found[each.subscriber].append(each)
    return found


def count(tx: Tx) -> int:
    """Return how many certificates are issued."""
    query = select(func.count()).where(certificate.c.stage == Stage.ISSUED)
    return tx.execute(query).scalar_one()


# --- status ----------------------------------------------------------------------------------


def set_standing(tx: Tx, before: Certificate, after: Standing) -> None:
    """Write a certificate's new standing: its row, new holds, lifted holds."""
    row_id = before.id
    tx.execute(update(certificate).where(certificate.c.id == row_id).values(**_columns(after)))
    for each in after.holds:
        if each.source not in before.standing.sources:
            _insert_hold(tx, row_id, each)


def lift_holds(tx: Tx, certificate_id: int, sources: Iterable[HoldSource], at: datetime) -> None:
    """Close the open holds of these sources at `at`; the rows stay as history."""
    tx.execute(
        update(hold)
        .where(
            hold.c.certificate_id == certificate_id,
            hold.c.source.in_([source.value for source in sources]),
            hold.c.lifted_at.is_(None),
        )
        .values(lifted_at=at)
    )


def add_event(tx: Tx, **values: Any) -> int:  # noqa: ANN401 - the columns of status_event
    """Append one status event and return its number."""
    number: int = _only(tx.execute(insert(status_event).values(**values)).inserted_primary_key)
    return number


def events(tx: Tx, certificate_id: int) -> list[StatusEvent]:
    """Return a certificate's history, oldest first."""
    query = (
        select(status_event)
        .where(status_event.c.certificate_id == certificate_id)
        .order_by(status_event.c.id)
    )
    return [_event(row) for row in tx.execute(query)]


def all_events(tx: Tx) -> list[StatusEvent]:
    """Return every status event there is, oldest first."""
    return [_event(row) for row in tx.execute(select(status_event).order_by(status_event.c.id))]


def event_of_decision(tx: Tx, certificate_id: int, decision: str) -> StatusEvent | None:
    """Return the event that `decision` caused on this certificate, if any."""
    query = select(status_event).where(
        status_event.c.certificate_id == certificate_id, status_event.c.decision == decision
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else _event(row)


def _event(row: Row[Any]) -> StatusEvent:
    values = dict(row._mapping)
    values["act"] = Act(row.act)
    values["status"] = Status(row.status)
    values["reason"] = None if row.reason is None else Reason(row.reason)
    values["source"] = None if row.source is None else HoldSource(row.source)
    return StatusEvent(**values)


def _certificates() -> Select[Any]:
    left_out = {"tbs", "spki_sha256", "decision"}
    return select(*(column for column in certificate.c if column.name not in left_out))


def _one(tx: Tx, condition: Any) -> Certificate | None:  # noqa: ANN401 - any SQL condition
    row = tx.execute(_certificates().where(condition)).one_or_none()
    return None if row is None else _with_holds(tx, [row])[0]


def _with_holds(tx: Tx, rows: Iterable[Row[Any]]) -> list[Certificate]:
    rows = list(rows)
    held = [row.id for row in rows if row.status == Status.HOLD]
    holds: dict[int, list[Hold]] = {}
    for start in range(0, len(held), _BATCH):
        query = (
            select(hold)
            .where(hold.c.certificate_id.in_(held[start : start + _BATCH]))
            .where(hold.c.lifted_at.is_(None))
            .order_by(hold.c.source)
        )
        for row in tx.execute(query):
            holds.setdefault(row.certificate_id, []).append(_hold(row))
    return [_certificate(row, tuple(holds.get(row.id, ()))) for row in rows]


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        source=HoldSource(row.source),
        clause=row.clause,
        placed_at=row.placed_at,
        ends_at=row.ends_at,
    )


def _certificate(row: Row[Any], holds: tuple[Hold, ...]) -> Certificate:
    standing = Standing(
        status=Status(row.status),
        reason=None if row.reason is None else Reason(row.reason),
        since=row.since,
        invalidity_date=row.invalidity_date,
        holds=holds,
    )
    return Certificate(
        id=row.id,
        issuer_id=row.issuer_id,
        serial=row.serial,
        subscriber=row.subscriber,
        profile=row.profile,
        stage=Stage(row.stage),
        der=row.der,
        not_before=row.not_before,
        not_after=row.not_after,
        created_at=row.created_at,
        standing=standing,
    )


def _insert_hold(tx: Tx, certificate_id: int, each: Hold) -> None:
    tx.execute(
        insert(hold).values(
            certificate_id=certificate_id,
            source=each.source,
            clause=each.clause,
            placed_at=each.placed_at,
            ends_at=each.ends_at,
        )
    )


def _columns(standing: Standing) -> dict[str, Any]:
    return {
        "status": standing.status,
        "reason": standing.reason,
        "since": standing.since,
        "invalidity_date": standing.invalidity_date,
    }


def _only(key: Any) -> int:  # noqa: ANN401 - SQLAlchemy's row of key columns
    return int(key[0])
