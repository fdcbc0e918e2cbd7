"""The demo: a spring replayed so that it ends in the past week, then served on localhost."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app import create, recording, responders, shipped, trail
from app.replay import Dates, Outcome, Progress, replay
from app.wiring import Works
from ca import records as engine
from ca.model import Certificate, Status
from core import serials
from core.clock import Clock
from policy import rulebook
from policy.model import Action, Decision
from policy.records import decisions

SAMPLES_FOLDER = "samples"
_WEEK = timedelta(weeks=1)
_ROWS = (
    (Action.ISSUE, "Issued"),
    (Action.REMIND, "Told of missing papers"),
    (Action.HOLD, "Held"),
    (Action.LIFT, "Restored"),
    (Action.REVOKE, "Revoked"),
    (Action.ISSUE_ON_HOLD, "Issued on hold (remedy)"),
    (Action.ACTIVATE, "Activated (remedy)"),
    (Action.FORFEIT, "Forfeited: revoked, token locked"),
    (Action.CLOSE_UNPAID, "Remedy closed, unpaid"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of act in the outcome: how often, on which ground, for which reason."""

    act: str
    count: int
    reason: str
    clause: str


def shift(now: datetime, dates: Dates) -> timedelta:
    """Return the whole number of weeks after which the recording ends in the week before `now`."""
    return (now - dates.until) // _WEEK * _WEEK


def run(folder: Path, home: Path, clock: Clock, progress: Progress) -> Outcome:
    """Replay the recording in `folder`, shifted to end in the past week; instance in `home`."""
    dates = Dates()
    by = shift(clock.now(), dates)
    texts = {name: moved_rulebook(text, by, dates) for name, text in shipped.rulebooks().items()}
    recorded = recording.read(folder).moved(by)
    plan = create.Plan(rulebooks=texts)
    return replay(recorded, home, dates=dates.moved(by), plan=plan, progress=progress)


def bring_up_to_date(home: Path) -> Works:
    """Certify the responder, publish CRLs and seal by the real clock, for clients of today."""
    works = Works(home)
    responders.certify(works)
    for issuer in ("root", works.instance.config.issuer):
        works.publish_crl(issuer)
    trail.seal(works, sign_now=True)
    return works


def moved_rulebook(text: str, by: timedelta, dates: Dates) -> str:
    """Return a rulebook's text with its dates, and the holidays of the spring, moved by `by`.

    Terms then end on the same days of the story as they were recorded to.
    """
    original = rulebook.load(text)
    first = dates.announced_at.date()
    days = [first + timedelta(days=each) for each in range((dates.until.date() - first).days + 30)]
    off: list[date] = []
    worked: list[date] = []
    for day in days:
        then, now = original.calendar.is_working_day(day), day + by
        if then != original.calendar.is_working_day(now):
            (worked if then else off).append(now)
    moved = _with(text, "days_off", _dates(off))
    moved = _with(moved, "days_worked", _dates(worked))
    moved = _with(moved, "effective_from", (original.effective_from + by).isoformat())
    if original.effective_until is not None:
        moved = _with(moved, "effective_until", (original.effective_until + by).isoformat())
    return moved


def outcome_rows(works: Works) -> list[Row]:
    """Return what was done, by act and clause, from the stored decisions."""
    seen: Counter[tuple[Action, str, str]] = Counter()
    with works.db.read() as tx:
        for row in decisions.decisions(tx):
            made = decisions.read(row)
            if isinstance(made, Decision):
                reason = made.source or made.reason or ""
                seen[made.action, str(reason), row["clause"]] += 1
    return [
        Row(act=title, count=count, reason=reason, clause=clause)
        for action, title in _ROWS
        for (found, reason, clause), count in sorted(seen.items())
        if found is action
    ]


def write_samples(works: Works) -> dict[str, str]:
    """Write PEM files to try clients with; return the serials of the good, held, revoked ones."""
    folder = works.instance.home / SAMPLES_FOLDER
    folder.mkdir(exist_ok=True)
    now = works.clock.now()
    with works.db.read() as tx:
        issuers = {each.name: each.der for each in engine.issuers(tx)}
        chosen: dict[str, Certificate] = {}
        for event in engine.all_events(tx):
            found = engine.by_id(tx, event.certificate_id)
            if found.der and not found.expired(now) and found.profile in _LEAVES:
                chosen.setdefault(found.standing.status, found)
            if len(chosen) == len(Status):
                break
    for name, der in issuers.items():
        _write_pem(folder / f"{name}.pem", der)
    for status, certificate in chosen.items():
        _write_pem(folder / f"{status}.pem", certificate.der or b"")
    return {status: serials.to_hex(each.serial) for status, each in chosen.items()}


_LEAVES = frozenset({"organisation", "individual", "staff"})


def commands(works: Works, samples: Mapping[str, str]) -> list[str]:
    """Return shell lines that work against the running demo, to copy and paste."""
    home = works.instance.home
    folder = home / SAMPLES_FOLDER
    base = f"http://{works.instance.config.listen.responder}"
    portal = f"http://{works.instance.config.listen.portal}"
    issuer, root = folder / f"{works.instance.config.issuer}.pem", folder / "root.pem"
    crl = folder / "issuing.crl.pem"
    lines = [
        f"openssl ocsp -issuer {issuer} -cert {folder / f'{status}.pem'} "
        f"-url {base}/ocsp -CAfile {root} -verify_other {issuer}"
        for status in samples
    ]
    lines.append(
        f"curl -s {base}/crl/{works.instance.config.issuer}.crl "
        f"| openssl crl -inform DER -out {crl}"
    )
    lines += [
        f"openssl verify -crl_check -CAfile {root} -untrusted {issuer} -CRLfile {crl} "
        f"{folder / f'{status}.pem'}"
        for status in samples
    ]
    lines += [
        f"curl -s -H 'Accept: application/json' {portal}/status/{serial}"
        for serial in samples.values()
    ]
    return lines


def _write_pem(path: Path, der: bytes) -> None:
    path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))


def _with(text: str, key: str, value: str) -> str:
    return re.sub(rf"(?m)^{key} = \S[^#\n]*", f"{key} = {value} ", text)


def _dates(days: list[date]) -> str:
    return f"[{', '.join(day.isoformat() for day in days)}]"
