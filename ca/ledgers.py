"""Another CA's books: openssl's index.txt, and CSV. Pure; line by line, one line at a time.

index.txt has six columns behind tabs: V, R or E; the end; the revocation with its reason; the
serial; a file; the subject. A CSV names its columns: `serial` (hex), and as they are known
`status` (good, hold, revoked), `since` and `expires` (ISO 8601 with zone), `reason` (RFC 5280),
`subscriber`.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from ca.foreign import Listed
from core import serials
from core.errors import AntinError, Invalid
from core.reasons import Reason

_COLUMNS = ("serial", "status", "since", "expires", "reason", "subscriber")
_FIELDS = 6
_Fields = TypeVar("_Fields")
_LONG = 15
_BY_NAME = {each.value.lower(): each for each in Reason}
# How openssl writes what it was told with a time or an instruction.
_OPENSSL = {
    "holdinstruction": Reason.CERTIFICATE_HOLD,
    "keytime": Reason.KEY_COMPROMISE,
    "cakeytime": Reason.CA_COMPROMISE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a book says of one serial; `listed` is None for one that is good."""

    serial: int
    where: str
    listed: Listed | None = None
    expires: datetime | None = None
    subscriber: str = ""


def index_lines(lines: Iterable[str]) -> Iterator[Line | Invalid]:
    """Yield what each line of an index.txt says; one that cannot be read comes as its error."""
    for number, text in enumerate(lines, 1):
        if text.strip():
            yield _tried(_index_line, text.rstrip("\r\n").split("\t"), f"line {number}")


def csv_rows(lines: Iterable[str]) -> Iterator[Line | Invalid]:
    """Yield what each row says; raises Invalid for an unknown column, and where it is no CSV."""
    rows = csv.DictReader(lines)
    try:
        yield from _rows(rows)
    except csv.Error as error:
        raise Invalid(f"It is no CSV behind line {rows.line_num}: {error}.") from error


def _rows(rows: "csv.DictReader[str]") -> Iterator[Line | Invalid]:
    names = list(rows.fieldnames or ())
    unknown = [name for name in names if name not in _COLUMNS]
    if unknown or "serial" not in names:
        raise Invalid(
            f"The columns {names} are not ours; there are {', '.join(_COLUMNS)}, and serial is "
            "needed."
        )
    for number, row in enumerate(rows, 2):
        yield _tried(_row, {key: (row[key] or "").strip() for key in names}, f"line {number}")


def _tried(read: Callable[[_Fields, str], Line], found: _Fields, where: str) -> Line | Invalid:
    try:
        line = read(found, where)
    except AntinError as error:
        return Invalid(f"{where}: {error}")
    except (ValueError, KeyError) as error:
        return Invalid(f"{where}: it cannot be read ({error}).")
    return line


def _index_line(fields: list[str], where: str) -> Line:
    if len(fields) != _FIELDS or fields[0] not in ("V", "R", "E"):
        raise Invalid("It is no line of an index.txt: six columns behind tabs, the first V, R, E.")
    state, ends, revoked, serial, _, _ = fields
    return Line(
        serial=serials.parse(serial),
        where=where,
        listed=_revoked(revoked) if state == "R" else None,
        expires=_openssl_time(ends),
    )


def _revoked(text: str) -> Listed:
    since, *rest = text.split(",")
    name = rest[0].lower() if rest else "unspecified"
    reason = _OPENSSL.get(name) or _BY_NAME[name]
    is_time = name in ("keytime", "cakeytime") and len(rest) > 1
    invalidity = _openssl_time(rest[1]) if is_time else None
    return Listed(since=_openssl_time(since), reason=reason, invalidity_date=invalidity)


def _openssl_time(text: str) -> datetime:
    """Read a UTCTime or GeneralizedTime; 50 and above is the last century."""
    if len(text) < _LONG:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _row(row: dict[str, str], where: str) -> Line:
    status = row.get("status") or "good"
    if status not in ("good", "hold", "revoked"):
        raise Invalid(f"The status {status!r} is none of good, hold, revoked.")
    found = None
    if status != "good":
        name = row.get("reason") or ("certificateHold" if status == "hold" else "unspecified")
        found = Listed(since=_instant(row.get("since", "")), reason=_BY_NAME[name.lower()])
        if (found.reason is Reason.CERTIFICATE_HOLD) != (status == "hold"):
            raise Invalid(f"The reason {name!r} does not fit the status {status!r}.")
    expires = row.get("expires", "")
    return Line(
        serial=serials.parse(row["serial"]),
        where=where,
        listed=found,
        expires=_instant(expires) if expires else None,
        subscriber=row.get("subscriber", ""),
    )


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise Invalid(f"The instant {text!r} has no zone.")
    return found.astimezone(UTC)
