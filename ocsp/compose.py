"""Turns verdicts into answers: signed now or taken from the reserve, with times and leases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from ocsp import response
from ocsp.index import Authority, named, written
from ocsp.lease import NEVER, Lease
from ocsp.lookup import Facts
from ocsp.model import Answer, CertId, CertStatus, ResponseStatus, Settings, Source, Verdict
from ocsp.response import Single
from ocsp.signer import Signer

Told = Sequence[tuple[CertId, Verdict]]
"""What is said of each certificate asked about."""


@dataclass(frozen=True, slots=True)
class _Times:
    this_update: datetime
    next_update: datetime

    def repeated_until(self, serial: int, settings: Settings) -> datetime:
        """Return until when the answer is repeated before a new one is signed.

        Not all at once: the answers of one second are renewed over a tenth of their time, by
        serial. HTTP caches may add `max_age`, and even then the answer must not have ended.
        """
        return _repeated_until(
            self.this_update,
            self.next_update - settings.max_age,
            settings.renewal,
            settings.renewal / 10 * (serial % 256) / 256,
        )

    def max_age(self, settings: Settings, now: datetime, *, issued: bool) -> int:
        """Return for how many seconds HTTP caches may keep the answer."""
        wanted = settings.max_age if issued else settings.unknown_max_age
        return seconds(min(wanted, self.next_update - now))


# Cached not for speed: a hundred thousand answers then share a few hundred instants.
@lru_cache(maxsize=4096)
def _repeated_until(
    begin: datetime, latest: datetime, length: timedelta, spread: timedelta
) -> datetime:
    return min(begin + length - spread, latest)


def failure(status: ResponseStatus) -> Answer:
    """Return the unsigned answer that says why there is none."""
    return Answer(head=response.failure(status), status=status, source=Source.ERROR)


def signed(
    authority: Authority,
    signer: Signer,
    told: Told,
    settings: Settings,
    now: datetime,
    *,
    age: timedelta = timedelta(0),
    nonce: bytes | None = None,
) -> Answer:
    """Return the answer that says of each certificate what is `told`, signed at `now`.

    What is told was seen `age` ago, which becomes thisUpdate. Without a nonce the answer comes
    with a lease. Raises what the key raises when its token is away.
    """
    times = _times(now - age, ends(signer, settings, now - age))
    head, tail = response.successful(
        _singles(authority, told, times, settings),
        signer,
        produced_at=now,
        nonce=nonce,
        by_name=settings.by_name,
    )
    issued = all(is_issued(verdict) for _, verdict in told)
    once = nonce is not None
    return Answer(
        head=head,
        tail=tail,
        status=ResponseStatus.SUCCESSFUL,
        source=Source.LIVE,
        statuses=_statuses(tuple(verdict.status for _, verdict in told)),
        this_update=times.this_update,
        next_update=times.next_update,
        max_age=None if once else times.max_age(settings, now, issued=issued),
        lease=NEVER if once else _lease(told[0][0], times, settings),
    )


def reserved(
    authority: Authority,
    facts: Facts,
    settings: Settings,
    now: datetime,
    *,
    overdue: bool = False,
) -> Answer | None:
    """Return the answer that was signed beforehand, when it still tells the truth and is valid.

    It must come from one of the authority's responder certificates, whose octets it lacks. One
    whose renewal is due is taken only where nothing better can be had: `overdue`.
    """
    row = facts.reserved
    if row is None or facts.entry is None or not row.tells(facts.entry):
        return None
    signer = next((each for each in authority.signers if each.fingerprint == row.signer), None)
    if signer is None or not row.this_update <= now < row.next_update - settings.unknown_max_age:
        return None
    times = _times(row.this_update, row.next_update)
    until = times.repeated_until(row.serial, settings)
    if now >= until and not overdue:
        return None
    return Answer(
        head=row.head,
        tail=signer.certs,
        status=ResponseStatus.SUCCESSFUL,
        source=Source.RESERVE,
        statuses=_statuses((CertStatus.GOOD if row.reason is None else CertStatus.REVOKED,)),
        this_update=times.this_update,
        next_update=times.next_update,
        max_age=times.max_age(settings, now, issued=True),
        lease=Lease(written(row.algorithm), until),
    )


def ends(signer: Signer, settings: Settings, this_update: datetime) -> datetime:
    """Return nextUpdate: no answer is valid for longer than the certificate that signed it."""
    return min(this_update + settings.validity, signer.not_after)


def is_issued(verdict: Verdict) -> bool:
    """Whether the verdict is about a certificate of ours, and not about a serial unused so far."""
    return verdict.status is not CertStatus.UNKNOWN and not verdict.never_issued


def seconds(length: timedelta) -> int:
    """Return whole seconds, rounded down."""
    return int(length.total_seconds())


def _lease(cert_id: CertId, times: _Times, settings: Settings) -> Lease:
    name = named(cert_id.algorithm)
    algorithm = cert_id.algorithm if name is None else written(name)
    return Lease(algorithm, times.repeated_until(cert_id.serial, settings))


@lru_cache(maxsize=64)
def _times(this_update: datetime, next_update: datetime) -> _Times:
    return _Times(this_update, next_update)


@lru_cache(maxsize=64)
def _statuses(statuses: tuple[CertStatus, ...]) -> tuple[CertStatus, ...]:
    return statuses


def _singles(authority: Authority, told: Told, times: _Times, settings: Settings) -> list[Single]:
    cutoff = authority.not_before if settings.archive_cutoff else None
    return [
        Single(
            cert_id=cert_id.der,
            verdict=verdict,
            this_update=times.this_update,
            next_update=times.next_update,
            archive_cutoff=cutoff,
        )
        for cert_id, verdict in told
    ]
