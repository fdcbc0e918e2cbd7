"""Requests that come in files: each row is one act, answered, and done once however often brought.

A row is known by its key. One commit holds the decision, the act and the key, so an interrupted
file is simply brought again. Without `apply` the rules answer all the same, and nothing is written.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ca import records as engine
from ca.model import Certificate
from core import serials
from core.database import Tx
from policy import decisions, orders
from policy.model import Decision, Refusal, Request, Wanted
from policy.office import Office
from policy.records import filed


class Outcome(StrEnum):
    """What became of a row."""

    DONE = "done"
    WOULD = "would be done"
    DONE_BEFORE = "done before"
    REFUSED = "refused"
    UNKNOWN = "not ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One act that a row asks for; `file` is the file's SHA-256, `most` the reseller's cap."""

    line: int
    key: str
    wanted: Wanted
    request: Request
    file: str
    reseller: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one row, with the serial if there is one and a full sentence."""

    line: int
    outcome: Outcome
    serial: str = ""
    sentence: str = ""


def key(*parts: str) -> str:
    """Return the key of a row that says these things."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def do(office: Office, serial: int, wish: Wish, *, apply: bool) -> Result:
    """Put one row's wish to the rules; with `apply` do it, in one commit with its key."""
    if apply:
        with office.db.begin() as tx:
            found = engine.lock(tx, engine.by_serial(tx, serial).id)
            return _do(office, tx, found, wish, apply=True)
    with office.db.read() as tx:
        return _do(office, tx, engine.by_serial(tx, serial), wish, apply=False)


def _do(office: Office, tx: Tx, found: Certificate, wish: Wish, *, apply: bool) -> Result:
    before = filed.done_at(tx, wish.key)
    now = office.clock.now()
    if before is not None:
        when = office.rulebook(now).calendar.local(before).isoformat(" ", "seconds")
        return _result(wish, found, Outcome.DONE_BEFORE, f"It was done at {when}.")
    ruling = orders.rule(office, tx, found, wish.wanted, wish.request, now=now)
    if isinstance(ruling, Refusal):
        if apply:
            decisions.record(tx, ruling, office.actor)
        return _result(wish, found, Outcome.REFUSED, ruling.sentence)
    if apply and wish.reseller:
        filed.take_turns(tx, wish.reseller)
    over = _over(office, tx, wish, now)
    if over:
        return _result(wish, found, Outcome.REFUSED, over)
    if not apply:
        return _result(wish, found, Outcome.WOULD, ruling.because)
    return _done(office, tx, found, wish, ruling)


def _done(office: Office, tx: Tx, found: Certificate, wish: Wish, ruling: Decision) -> Result:
    orders.follow(office, tx, ruling)
    filed.add(
        tx,
        key=wish.key,
        file_sha256=wish.file,
        reseller=wish.reseller or None,
        serial=serials.to_hex(found.serial),
        act=wish.wanted,
        at=ruling.at,
    )
    return _result(wish, found, Outcome.DONE, ruling.because)


def _over(office: Office, tx: Tx, wish: Wish, now: datetime) -> str:
    """Say that the reseller's month is full, or return an empty text."""
    if not wish.reseller:
        return ""
    calendar = office.rulebook(now).calendar
    first = calendar.midnight(calendar.day(now).replace(day=1))
    count = filed.count_since(tx, wish.reseller, first)
    if count < wish.most:
        return ""
    return f"{wish.reseller} had {count} acts in this month; the limit is {wish.most}."


def _result(wish: Wish, found: Certificate, outcome: Outcome, sentence: str) -> Result:
    return Result(
        line=wish.line, outcome=outcome, serial=serials.to_hex(found.serial), sentence=sentence
    )
