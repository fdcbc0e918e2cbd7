"""What was read of another CA, gathered by serial in a scratch file: a million need no memory.

The file is SQLite's, thrown away in the end; nothing in it is the truth.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ca.foreign import Listed
from ca.ledgers import Line
from core import serials
from core.errors import Invalid
from core.reasons import Reason

_DIGITS = 40
_SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
CREATE TABLE certificate (serial TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE crl (serial TEXT PRIMARY KEY, said TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE book (serial TEXT PRIMARY KEY, said TEXT, expires TEXT, subscriber TEXT NOT NULL)
  WITHOUT ROWID;
CREATE TABLE finding (kind TEXT NOT NULL, serial TEXT NOT NULL, sentence TEXT NOT NULL);
"""
_ALL = """
SELECT s.serial, c.content, l.said, b.serial, b.said, b.expires, b.subscriber
FROM (SELECT serial FROM certificate UNION SELECT serial FROM crl UNION SELECT serial FROM book) s
LEFT JOIN certificate c USING (serial) LEFT JOIN crl l USING (serial)
LEFT JOIN book b USING (serial) ORDER BY s.serial
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that was found of one serial; `booked` says whether a book names it at all."""

    serial: int
    content: bytes | None
    on_crl: Listed | None
    booked: bool
    in_book: Listed | None
    expires: datetime | None
    subscriber: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not agree; `serial` is hex, empty where none is known."""

    kind: str
    serial: str
    sentence: str


class Gathered:
    """The scratch file; `crl` and `number` are those of the newest CRL that was found."""

    def __init__(self, path: Path) -> None:
        """Make an empty one at `path`."""
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.executescript(_SCHEMA)
        self._file.execute("BEGIN")
        self.number: int | None = None
        self.crl: bytes | None = None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def certificate(self, serial: int, content: bytes, where: str) -> None:
        """Add a certificate; the same one twice is one, another of that serial a finding."""
        key = _key(serial)
        known = self._one("SELECT content FROM certificate WHERE serial = ?", key)
        if known is None:
            self._file.execute("INSERT INTO certificate VALUES (?, ?)", (key, content))
        elif known[0] != content:
            self.find("duplicate", serial, f"{where}: another certificate has this serial too.")

    def replace_crl(self, number: int, content: bytes) -> None:
        """Take this CRL for the newest one; its entries follow."""
        self.number, self.crl = number, content
        self._file.execute("DELETE FROM crl")

    def forget_crl(self) -> None:
        """Take back a CRL that could not be read to its end."""
        self.number = self.crl = None
        self._file.execute("DELETE FROM crl")

    def listed(self, serial: int, said: Listed) -> None:
        """Add an entry of the newest CRL."""
        try:
            self._file.execute("INSERT INTO crl VALUES (?, ?)", (_key(serial), _text(said)))
        except sqlite3.IntegrityError:
            self.find("duplicate", serial, "The CRL lists the serial twice.")

    def booked(self, line: Line, where: str) -> None:
        """Add what a book says; a second line that says otherwise is a finding."""
        key, said = _key(line.serial), _text(line.listed) if line.listed else None
        known = self._one("SELECT said, subscriber FROM book WHERE serial = ?", key)
        expires = line.expires.isoformat() if line.expires else None
        if known is None:
            self._file.execute(
                "INSERT INTO book VALUES (?, ?, ?, ?)", (key, said, expires, line.subscriber)
            )
            return
        if said is not None and known[0] is not None and known[0] != said:
            self.find("duplicate", line.serial, f"{where}: another line says otherwise.")
        self._file.execute(
            "UPDATE book SET said = coalesce(said, ?), expires = coalesce(expires, ?),"
            " subscriber = CASE subscriber WHEN '' THEN ? ELSE subscriber END WHERE serial = ?",
            (said, expires, line.subscriber, key),
        )

    def find(self, kind: str, serial: int | None, sentence: str) -> None:
        """Keep a finding."""
        text = "" if serial is None else serials.to_hex(serial)
        self._file.execute("INSERT INTO finding VALUES (?, ?, ?)", (kind, text, sentence))

    def cases(self) -> Iterator[Case]:
        """Yield all that was found, serial by serial."""
        for serial, content, on_crl, booked, in_book, expires, subscriber in self._file.execute(
            _ALL
        ):
            yield Case(
                serial=int(serial, 16),
                content=content,
                on_crl=_listed(on_crl),
                booked=booked is not None,
                in_book=_listed(in_book),
                expires=datetime.fromisoformat(expires) if expires else None,
                subscriber=subscriber or "",
            )

    def findings(self) -> Iterator[Finding]:
        """Yield the findings in the order in which they were made."""
        for kind, serial, sentence in self._file.execute("SELECT * FROM finding ORDER BY rowid"):
            yield Finding(kind=kind, serial=serial, sentence=sentence)

    def kinds(self) -> dict[str, int]:
        """Return how many findings there are of each kind."""
        query = "SELECT kind, count(*) FROM finding GROUP BY kind ORDER BY kind"
        return dict(self._file.execute(query).fetchall())

    def counts(self) -> tuple[int, int, int]:
        """Return how many certificates, CRL entries and lines of books there are."""
        certificates, listed, booked = (
            self._file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - ours
            for table in ("certificate", "crl", "book")
        )
        return certificates, listed, booked

    def _one(self, query: str, key: str) -> tuple[bytes | str | None, ...] | None:
        found: tuple[bytes | str | None, ...] | None = self._file.execute(query, (key,)).fetchone()
        return found


def _key(serial: int) -> str:
    if serial <= 0 or serial.bit_length() > 4 * _DIGITS:
        raise Invalid(f"The serial {serial:X} is not a positive number of at most 20 octets.")
    return f"{serial:0{_DIGITS}X}"


def _text(said: Listed) -> str:
    invalidity = said.invalidity_date.isoformat() if said.invalidity_date else None
    return json.dumps([said.since.isoformat(), said.reason, invalidity])


def _listed(text: str | None) -> Listed | None:
    if text is None:
        return None
    since, reason, invalidity = json.loads(text)
    return Listed(
        since=datetime.fromisoformat(since),
        reason=Reason(reason),
        invalidity_date=datetime.fromisoformat(invalidity) if invalidity else None,
    )
