#!/usr/bin/env python3
"""Examines what was issued on a day, without any of the software that issued it.

    recheck.py DATABASE [--day 2026-11-21] [--sample 200]

DATABASE is an SQLite file or a postgresql:// address; it is only read. A sample of the day's
certificates (UTC; yesterday unless --day says otherwise), drawn at random, is looked at by pkilint
(RFC 5280) and openssl (the chain, the dates, the serial), and compared with what the database says
of them. Needs Python 3.11, the package pkilint, the program openssl, and psycopg for PostgreSQL.

Exit codes: 0 nothing found, 1 something found, 2 wrong usage or nothing to examine it with.
"""

import argparse
import secrets
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from pkilint import loader, report
from pkilint.pkix import certificate as lint
from pkilint.pkix import extension, name
from pkilint.validation import ValidationFindingSeverity

LEAST_SERIAL_BITS, MOST_SERIAL_OCTETS = 64, 20
QUERY = """
    SELECT c.serial, c.der, c.not_before, c.not_after, i.der
    FROM certificate c JOIN issuer i ON i.id = c.issuer_id
    WHERE c.stage = 'issued' AND c.created_at >= {0} AND c.created_at < {0}
    ORDER BY c.id
"""


class Unfit(Exception):  # noqa: N818 - a verdict, not a fault
    """There is nothing to examine, or nothing to examine it with; the text is a sentence."""


class Row(NamedTuple):
    """A certificate as the database has it: the dates are what it was asked to say."""

    serial: bytes
    der: bytes
    not_before: datetime
    not_after: datetime
    issuer: bytes


def read(database: str, day: date) -> list[Row]:
    """Return what was issued on `day`; raises Unfit when the database cannot be read."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    span = (begin, begin + timedelta(days=1))
    if database.startswith(("postgresql://", "postgres://")):
        return _read_postgresql(database, span)
    path = Path(database)
    if not path.is_file():
        raise Unfit(f"There is no file {path}.")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        bounds = [each.strftime("%Y-%m-%d %H:%M:%S.000000") for each in span]
        found = connection.execute(QUERY.format("?"), bounds).fetchall()
    except sqlite3.Error as error:
        raise Unfit(f"The database {path} cannot be read: {error}.") from error
    finally:
        connection.close()
    return [Row(bytes(a), bytes(b), _instant(c), _instant(d), bytes(e)) for a, b, c, d, e in found]


def _read_postgresql(address: str, span: tuple[datetime, datetime]) -> list[Row]:
    import psycopg

    try:
        with psycopg.connect(address) as connection:
            found = connection.execute(QUERY.format("%s"), span).fetchall()
    except psycopg.Error as error:
        raise Unfit(f"The database cannot be read: {str(error).strip()}.") from None
    return [Row(bytes(a), bytes(b), c, d, bytes(e)) for a, b, c, d, e in found]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Examiner:
    """Looks at certificates one after another; `folder` is for openssl's files."""

    def __init__(self, folder: Path) -> None:
        """Load pkilint's rules for RFC 5280."""
        self._folder = folder
        self._rules: Any = lint.create_pkix_certificate_validator_container(
            lint.create_decoding_validators(
                name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
            ),
            [
                lint.create_issuer_validator_container([]),
                lint.create_validity_validator_container(),
                lint.create_subject_validator_container([]),
                lint.create_extensions_validator_container([]),
                lint.create_spki_validator_container([]),
            ],
        )

    def findings(self, row: Row) -> Iterator[str]:
        """Yield what is wrong with a certificate, a sentence each."""
        leaf, issuer = self._folder / "leaf.der", self._folder / "issuer.pem"
        leaf.write_bytes(row.der)
        pem = _openssl("x509", "-inform", "DER", "-in", _write(self._folder, row.issuer))
        issuer.write_text(pem.stdout)
        yield from self._linted(row.der)
        yield from _stated(row, leaf)
        at = str(int(row.not_before.timestamp()))
        verified = _openssl(
            "verify", "-partial_chain", "-x509_strict", "-attime", at, "-trusted", str(issuer),
            str(leaf),
        )  # fmt: skip
        if verified.returncode:
            yield f"openssl does not verify it: {' '.join(verified.stderr.split())}"

    def _linted(self, der: bytes) -> Iterator[str]:
        try:
            document = loader.load_certificate(der, "certificate")
        except ValueError as error:
            yield f"pkilint cannot read it: {error}"
            return
        results = self._rules.validate(document.root)
        if report.get_findings_count(results, ValidationFindingSeverity.ERROR):
            plain = report.ReportGeneratorPlaintext(results, ValidationFindingSeverity.ERROR)
            yield f"pkilint: {' '.join(plain.generate().split())}"


def _stated(row: Row, leaf: Path) -> Iterator[str]:
    """Compare what openssl reads in the certificate with what the database says."""
    said = _openssl(
        "x509", "-inform", "DER", "-in", str(leaf), "-noout", "-serial", "-startdate", "-enddate"
    )
    values = dict(line.split("=", 1) for line in said.stdout.splitlines())
    serial = int(values.get("serial", "0"), 16)
    if serial != int.from_bytes(row.serial, "big"):
        told = serial.to_bytes((serial.bit_length() + 7) // 8, "big").hex().upper()
        yield f"its serial is {told}, in the database {row.serial.hex().upper()}"
    if not LEAST_SERIAL_BITS <= serial.bit_length() <= 8 * MOST_SERIAL_OCTETS - 1:
        yield f"its serial has {serial.bit_length()} bits"
    for key, expected in (("notBefore", row.not_before), ("notAfter", row.not_after)):
        told = datetime.strptime(values.get(key, ""), "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
        if told != expected:
            yield f"its {key} is {told}, in the database {expected}"


def _write(folder: Path, der: bytes) -> str:
    path = folder / "issuer.der"
    path.write_bytes(der)
    return str(path)


def _openssl(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Unfit("The program openssl is not installed.") from None


def examine(database: str, day: date, size: int) -> int:
    """Print what is found on the certificates of a day; return the exit code."""
    rows = read(database, day)
    sample = secrets.SystemRandom().sample(rows, min(size, len(rows)))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        examiner = Examiner(Path(folder))
        for row in sample:
            for sentence in examiner.findings(row):
                wrong += 1
                print(f"{row.serial.hex().upper()}: {sentence}")
    print(f"{day}: {len(rows)} issued, {len(sample)} examined, {wrong} findings.")
    return 1 if wrong else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("database")
    parser.add_argument("--day", type=date.fromisoformat, help="the day, UTC; yesterday if absent")
    parser.add_argument("--sample", type=int, default=200, help="how many at most (200)")
    options = parser.parse_args()
    if options.sample < 1:
        parser.error("--sample must be 1 or more")
    day = options.day or datetime.now(UTC).date() - timedelta(days=1)
    try:
        return examine(options.database, day, options.sample)
    except Unfit as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
