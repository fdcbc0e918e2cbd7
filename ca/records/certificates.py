"""Certificates as rows: read one by one, or many at once; never changed here."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select

from ca.model import Certificate, Hold, HoldSource, Stage, Standing, Status
from ca.tables import certificate, hold, issuer
from core import serials
from core.database import Tx, chunked
from core.errors import Conflict, NotFound
from core.reasons import Reason


def by_serial(
    tx: Tx, serial: int, *, issuer_id: int | None = None, lock: bool = False
) -> Certificate:
    """Return the certificate with `serial` (of one issuer, or of any), locked if wished.

    Raises NotFound, or Conflict when several issuers have one and none is named.
    """
    query = certificates().where(certificate.c.serial == serial)
    if issuer_id is not None:
        query = query.where(certificate.c.issuer_id == issuer_id)
    rows = tx.execute(query.with_for_update() if lock else query).all()
    if not rows:
        raise NotFound(f"No certificate has the serial {serials.to_hex(serial)}.")
    if len(rows) > 1:
        raise Conflict(
            f"{serials.to_hex(serial)} is the serial of certificates of several issuers, "
            f"{' and '.join(_issuer_names(tx, rows))}: name the issuer too."
        )
    return with_holds(tx, rows)[0]


def _issuer_names(tx: Tx, rows: Iterable[Row[Any]]) -> list[str]:
    query = select(issuer.c.name).where(issuer.c.id.in_([row.issuer_id for row in rows]))
    return list(tx.execute(query.order_by(issuer.c.id)).scalars())


def by_decision(tx: Tx, decision: str) -> Certificate | None:
    """Return the certificate that `decision` issued, if any."""
    return _one(tx, certificate.c.decision == decision)


def by_id(tx: Tx, certificate_id: int) -> Certificate:
    """Return the certificate in that row; raises NotFound."""
    found = _one(tx, certificate.c.id == certificate_id)
    if found is None:
        raise NotFound(f"No certificate has the row number {certificate_id}.")
    return found


def by_ids(tx: Tx, certificate_ids: Iterable[int]) -> list[Certificate]:
    """Return the certificates in these rows, in the order of the rows."""
    found: list[Certificate] = []
    for some in chunked(certificate_ids):
        query = certificates().where(certificate.c.id.in_(some))
        found.extend(with_holds(tx, tx.execute(query.order_by(certificate.c.id)).all()))
    return found


def of_profiles(tx: Tx, profiles: Iterable[str]) -> list[Certificate]:
    """Return the certificates of these profiles, oldest first."""
    query = certificates().where(certificate.c.profile.in_(list(profiles)))
    return with_holds(tx, tx.execute(query.order_by(certificate.c.id)).all())


def of_key(tx: Tx, spki_sha256: bytes) -> list[Certificate]:
    """Return every certificate of a public key, of any issuer, oldest first."""
    query = certificates().where(certificate.c.spki_sha256 == spki_sha256)
    return with_holds(tx, tx.execute(query.order_by(certificate.c.id)).all())


def unconfirmed(tx: Tx, profiles: Iterable[str], now: datetime) -> list[Certificate]:
    """Return the certificates of these profiles that nobody confirmed yet, oldest first.

    Those that were revoked or expired meanwhile are left out.
    """
    query = certificates().where(
        certificate.c.stage == Stage.ISSUED,
        certificate.c.confirmed_at.is_(None),
        certificate.c.status != Status.REVOKED,
        certificate.c.not_after >= now,
        certificate.c.profile.in_(list(profiles)),
    )
    return with_holds(tx, tx.execute(query.order_by(certificate.c.id)).all())


def lock(tx: Tx, certificate_id: int) -> Certificate:
    """Return the certificate with its row locked until the transaction ends."""
    query = certificates().where(certificate.c.id == certificate_id).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"No certificate has the row number {certificate_id}.")
    return with_holds(tx, [row])[0]


def of_subscriber(tx: Tx, subscriber: str) -> list[Certificate]:
    """Return a subscriber's certificates, oldest first."""
    query = certificates().where(certificate.c.subscriber == subscriber)
    return with_holds(tx, tx.execute(query.order_by(certificate.c.id)).all())


def of_subscribers(tx: Tx, subscribers: Iterable[str]) -> dict[str, list[Certificate]]:
    """Return the certificates of many subscribers at once, oldest first, by subscriber."""
    wanted = list(subscribers)
    found: dict[str, list[Certificate]] = {name: [] for name in wanted}
    for names in chunked(wanted):
        query = certificates().where(certificate.c.subscriber.in_(names)).order_by(certificate.c.id)
        for each in with_holds(tx, tx.execute(query).all()):
            found[each.subscriber].append(each)
    return found


def created_between(tx: Tx, begin: datetime, end: datetime) -> Iterator[list[Certificate]]:
    """Yield, in pieces, the certificates whose rows were made in the span, without `end`."""
    query = select(certificate.c.id).where(
        certificate.c.created_at >= begin, certificate.c.created_at < end
    )
    for some in chunked(tx.execute(query.order_by(certificate.c.id)).scalars().all()):
        yield by_ids(tx, some)


def alive_by_subscriber(tx: Tx, now: datetime) -> dict[str, int]:
    """Return how many issued, unexpired and unrevoked certificates each subscriber has."""
    query = (
        select(certificate.c.subscriber, func.count())
        .where(
            certificate.c.stage == Stage.ISSUED,
            certificate.c.status != Status.REVOKED,
            certificate.c.not_after >= now,
        )
        .group_by(certificate.c.subscriber)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def unknown_serials(tx: Tx, serials: Iterable[int]) -> list[int]:
    """Return those of these serials that no issuer's certificate has."""
    missing: list[int] = []
    for some in chunked(serials):
        query = select(certificate.c.serial).where(certificate.c.serial.in_(some))
        known = set(tx.execute(query).scalars())
        missing.extend(each for each in some if each not in known)
    return missing


def count(tx: Tx) -> int:
    """Return how many certificates are issued."""
    query = select(func.count()).where(certificate.c.stage == Stage.ISSUED)
    return tx.execute(query).scalar_one()


def certificates() -> Select[Any]:
    """Select what makes a `Certificate`, of all rows."""
    left_out = {"tbs", "spki_sha256", "decision"}
    return select(*(column for column in certificate.c if column.name not in left_out))


def _one(tx: Tx, condition: Any) -> Certificate | None:  # noqa: ANN401 - any SQL condition
    row = tx.execute(certificates().where(condition)).one_or_none()
    return None if row is None else with_holds(tx, [row])[0]


def with_holds(tx: Tx, rows: Iterable[Row[Any]]) -> list[Certificate]:
    """Return the certificates of these rows with their open holds."""
    rows = list(rows)
    held = [row.id for row in rows if row.status == Status.HOLD]
    holds: dict[int, list[Hold]] = {}
    for some in chunked(held):
        query = (
            select(hold)
            .where(hold.c.certificate_id.in_(some))
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
        confirmed_at=row.confirmed_at,
        suspendable=row.suspendable,
        standing=standing,
    )
