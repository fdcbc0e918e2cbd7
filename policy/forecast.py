"""What a simulated campaign would mean: who and why, by reseller and province, for CRL and OCSP."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from core import serials
from policy.decisions import clause
from policy.model import Decision
from policy.office import Office
from policy.planning import Simulation
from policy.records import campaigns

# Of one entry (RFC 5280 5.1.2.6): a header, UTCTime, and the extension with the reason code.
_ENTRY_BYTES = 2 + 15 + 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One certificate that the campaign would act on; no personal data but the subscriber's id."""

    subscriber: str
    serial: str
    act: str
    clause: str
    because: str
    province: str
    reseller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many would be held and revoked of one reseller or province."""

    name: str
    holds: int
    revocations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A simulation to be read: its lines, its sums, and what it does to CRL and OCSP.

    A hold adds an entry to the CRL, a revocation of what is held only changes its reason. Each act
    changes one OCSP answer, which is signed anew.
    """

    campaign: str
    rulebook: str
    author: str
    made_at: datetime
    hold_at: datetime
    revoke_at: datetime
    digest: str
    scope: int
    active: int
    lines: tuple[Line, ...]
    resellers: tuple[Total, ...]
    provinces: tuple[Total, ...]
    crl_entries: int
    crl_bytes: int
    ocsp_at_hold: int
    ocsp_at_revocation: int
    holds: int
    revocations: int


def foresee(office: Office, campaign_id: str, simulation: Simulation) -> Forecast:
    """Return what a simulation means."""
    with office.db.read() as tx:
        found = campaigns.campaign_named(tx, campaign_id)
    holds = [_line(simulation, each) for each in simulation.holds]
    ends = [_line(simulation, each) for each in simulation.revocations]
    new = [each.facts.certificate.serial for each in simulation.holds if each.facts.certificate]
    return Forecast(
        campaign=found.id,
        rulebook=found.rulebook,
        author=found.author,
        made_at=office.clock.now(),
        hold_at=found.hold_at,
        revoke_at=found.revoke_at,
        digest=simulation.digest,
        scope=simulation.scope,
        active=simulation.active,
        lines=(*holds, *ends),
        resellers=_totals([each.reseller for each in holds], [each.reseller for each in ends]),
        provinces=_totals([each.province for each in holds], [each.province for each in ends]),
        crl_entries=len(new),
        crl_bytes=sum(entry_bytes(each) for each in new),
        ocsp_at_hold=len(holds),
        ocsp_at_revocation=len(ends),
        holds=len(holds),
        revocations=len(ends),
    )


def entry_bytes(serial: str) -> int:
    """Return how long the CRL entry of a serial (hex) is, with its reason code."""
    return _ENTRY_BYTES + 2 + serials.parse(serial).bit_length() // 8 + 1


def _line(simulation: Simulation, decision: Decision) -> Line:
    place = simulation.places[decision.facts.subscriber]
    certificate = decision.facts.certificate
    return Line(
        subscriber=decision.facts.subscriber,
        serial=certificate.serial if certificate else "",
        act=decision.action.value,
        clause=clause(decision),
        because=decision.because,
        province=place.province,
        reseller=place.reseller,
    )


def _totals(holds: list[str], revocations: list[str]) -> tuple[Total, ...]:
    held, revoked = Counter(holds), Counter(revocations)
    names = sorted(held | revoked, key=lambda name: (-held[name], name))
    return tuple(Total(name=each, holds=held[each], revocations=revoked[each]) for each in names)
