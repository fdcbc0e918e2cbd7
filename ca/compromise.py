"""Exposed and weak keys: blocked for ever, and every certificate of them found.

Blocking is the engine's; revoking the certificates that are found takes an approval for each.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ca import records
from ca.exposure import Report
from ca.model import Certificate
from core import audit
from core.database import Tx
from core.errors import Invalid, Refused

_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a report came to: the certificates of the key that still live, and those that ended."""

    live: tuple[Certificate, ...]
    ended: tuple[Certificate, ...]


def block(
    tx: Tx, report: Report, now: datetime, *, actor: str, because: str, believed: bool = False
) -> Exposure:
    """Block the reported key and find all certificates of it, of every issuer and subscriber.

    A report that proves nothing is acted on only when it is `believed`, by the actor's own word.
    """
    if not report.proved and not believed:
        raise Refused(
            "The report names a key but does not prove that it is exposed; ask for a signature "
            "by it, or take it upon yourself to believe the report.",
            code="report_unproved",
        )
    records.block_keys(tx, [report.spki_sha256], at=now, actor=actor, because=because)
    audit.append(
        tx,
        at=now,
        actor=actor,
        act="key.block",
        subject=f"key:{report.spki_sha256.hex()}",
        because=because,
        proved=report.proved,
    )
    found = records.of_key(tx, report.spki_sha256)
    live = tuple(each for each in found if not each.revoked and not each.expired(now))
    return Exposure(live=live, ended=tuple(each for each in found if each not in live))


def block_listed(tx: Tx, lines: Iterable[str], now: datetime, *, actor: str, because: str) -> int:
    """Block keys from a list of SHA-256 hashes of their SPKI in hex, one in a line; return count.

    Blank lines and what follows `#` are left out; raises Invalid with the line of what is no hash.
    """
    hashes = [_hash(number, line) for number, line in enumerate(lines, 1) if _bare(line)]
    records.block_keys(tx, hashes, at=now, actor=actor, because=because)
    audit.append(
        tx,
        at=now,
        actor=actor,
        act="key.block_list",
        subject="key:list",
        because=because,
        count=len(hashes),
    )
    return len(hashes)


def _hash(number: int, line: str) -> bytes:
    try:
        found = bytes.fromhex(_bare(line))
    except ValueError:
        found = b""
    if len(found) != _DIGEST_BYTES:
        raise Invalid(
            f"Line {number} is not a SHA-256 hash in hex: {_bare(line)[:70]!r}. Write 64 digits."
        )
    return found


def _bare(line: str) -> str:
    return line.partition("#")[0].strip()
