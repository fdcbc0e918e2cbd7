"""Looks an instance over and says what is wrong, a sentence each: what `antin check` prints."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from app import trail
from app.instance import CRL_FOLDER, OCSP_SUBSCRIBER, STATEMENT_SUBSCRIBER
from app.wiring import Works
from ca import records
from ca.reconcile import PATIENCE
from core import serials
from policy import due, replay
from policy.delivery import State
from policy.records import deliveries, outbox

_RESPONDER_ALARM = timedelta(days=7)
_STATEMENT_ALARM = timedelta(days=90)


def findings(works: Works) -> Iterator[tuple[str, str]]:
    """Yield (check, sentence) for everything that is wrong."""
    for name, check in _CHECKS.items():
        for sentence in check(works):
            yield name, sentence


def names() -> list[str]:
    """Return the checks that are made."""
    return list(_CHECKS)


def _crls(works: Works) -> Iterator[str]:
    now = works.clock.now()
    with works.db.read() as tx:
        issuers = records.issuers(tx)
    for issuer in issuers:
        path = works.instance.home / CRL_FOLDER / f"{issuer.name}.crl"
        if not path.exists():
            yield f"The issuer {issuer.name!r} has no CRL at {path}; run `antin worker`."
            continue
        yield from _crl(path, issuer.der, works.instance.crl_settings.overlap, now)
        if works.signs_for(issuer.name):
            yield from works.crl_alarms(issuer.name)


def _crl(path: Path, issuer: bytes, margin: timedelta, now: datetime) -> Iterator[str]:
    crl = x509.load_der_x509_crl(path.read_bytes())
    certificate = x509.load_der_x509_certificate(issuer)
    if not crl.is_signature_valid(certificate.public_key()):  # type: ignore[arg-type] # CA keys only
        yield f"The signature of {path} does not verify under its issuer."
    end = crl.next_update_utc
    if end is None or end - margin / 2 < now:
        yield f"The CRL {path} runs out at {end}; the worker should have made a newer one."


def _responder(works: Works) -> Iterator[str]:
    now = works.clock.now()
    with works.db.read() as tx:
        issued = [each for each in records.of_subscriber(tx, OCSP_SUBSCRIBER) if each.der]
    last = max((each.not_after for each in issued), default=None)
    if last is None or last < now + _RESPONDER_ALARM:
        yield f"The OCSP responder's certificate ends at {last}; the worker renews it."


def _statements(works: Works) -> Iterator[str]:
    if not works.signs_checkpoints:
        return
    now = works.clock.now()
    with works.db.read() as tx:
        issued = [each for each in records.of_subscriber(tx, STATEMENT_SUBSCRIBER) if each.der]
    last = max((each.not_after for each in issued if not each.revoked), default=None)
    if last is None or last < now + _STATEMENT_ALARM:
        yield f"The certificate of statements ends at {last}; the worker renews it."


def _pending(works: Works) -> Iterator[str]:
    with works.db.begin() as tx:
        stuck = records.pending_since(tx, works.clock.now() - PATIENCE)
    if stuck:
        yield f"{len(stuck)} issuances were interrupted; the worker revokes their serials."


def _holds(works: Works) -> Iterator[str]:
    with works.db.read() as tx:
        for certificate, source in due.overdue(tx, works.clock.now()):
            yield (
                f"The time of the hold from {source} on {serials.to_hex(certificate.serial)} is "
                "over, and it is not lifted by itself: restore, extend or revoke."
            )


def _notices(works: Works) -> Iterator[str]:
    with works.db.read() as tx:
        aside = outbox.troubled_notices(tx)
        states = deliveries.count_states(tx)
    if aside:
        first = aside[0]
        yield (
            f"{len(aside)} notices are put aside, for no text can be made of them; the first is "
            f"{first.id}: {first.trouble} `antin notice retry` tries again."
        )
    if published := states.get(State.PUBLISHED, 0):
        yield f"{published} notices reached nobody and are published; see `antin notice list`."


def _decisions(works: Works) -> Iterator[str]:
    with works.db.read() as tx:
        _, differences = replay.replay(tx, works.rulebooks)
    for each in differences:
        yield f"The decision {each.decision} does not come out again: {each.sentence}"


def _audit(works: Works) -> Iterator[str]:
    if not works.signs_checkpoints:
        yield "No audit key is configured, so that nothing signs the audit trail."
        return
    yield from trail.examine(works, trail.public_key(works)).findings
    yield from trail.delays(works)


_CHECKS: dict[str, Callable[[Works], Iterator[str]]] = {
    "crls": _crls,
    "responder certificate": _responder,
    "statements' certificate": _statements,
    "interrupted issuances": _pending,
    "holds that ended": _holds,
    "notices": _notices,
    "decisions replay": _decisions,
    "audit trail": _audit,
}
