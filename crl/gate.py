"""The gate: what a signed CRL must pass before anybody sees it; pure.

The CRL is read again with `cryptography`, which shares no code with the builder, and compared with
what was to be said, with the previous CRL and with the database. Each rule gives findings; one
finding is enough to keep the previous CRL in its place. The rules' names are stable words.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from ca.model import Entry, Status
from core import serials
from core.errors import AntinError
from crl import entries, reading
from crl.authority import Authority, verifies
from crl.diff import Difference
from crl.model import Crl, Heading

_MUST_BE_CRITICAL = {
    b"\x55\x1d\x1b",
    b"\x55\x1d\x1c",
}  # deltaCRLIndicator, IDP: RFC 5280 5.2.4, 5.2.5
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with a CRL: the rule's name and a full sentence."""

    rule: str
    sentence: str


def form(data: bytes, *, signer: Authority, expected: Heading, count: int) -> list[Finding]:
    """Examine a CRL by itself: readable, signed by the issuer, saying what it was to say."""
    try:
        read = x509.load_der_x509_crl(data)
        outline = reading.outline(data)
        found = [
            *_signature(outline, data, signer),
            *_heading(read, expected),
            *_outline(outline, expected),
        ]
    except (ValueError, AntinError) as error:
        return [Finding(rule="readable", sentence=f"The CRL cannot be read: {error}")]
    if len(read) != count:
        found.append(
            Finding(
                rule="count",
                sentence=f"The CRL has {len(read)} entries; the snapshot gave {count}.",
            )
        )
    return found


def order(expected: Heading, previous: Crl | None) -> Iterator[Finding]:
    """Examine a CRL's place behind the previous one of its scope (RFC 5280 5.2.3, 5.1.2)."""
    if previous is None:
        return
    if expected.number <= previous.number:
        yield Finding(
            rule="number",
            sentence=f"The number {expected.number} is not above {previous.number}, "
            "which was signed before.",
        )
    if expected.this_update < previous.this_update:
        yield Finding(
            rule="this_update",
            sentence=f"thisUpdate {_text(expected.this_update)} lies before that of number "
            f"{previous.number}, {_text(previous.this_update)}; the clock went back.",
        )
    if expected.next_update < previous.next_update:
        yield Finding(
            rule="next_update",
            sentence=f"nextUpdate {_text(expected.next_update)} lies before that of number "
            f"{previous.number}, {_text(previous.next_update)}, which clients may keep till then.",
        )


def listing(data: bytes, truth: Iterable[Entry], this_update: datetime) -> list[Finding]:
    """Compare every entry, as `cryptography` reads it, with the database, in order of serials."""
    found: list[Finding] = []
    wanted = iter(truth)
    last = -1
    for given in x509.load_der_x509_crl(data):
        if given.serial_number <= last:
            found.append(
                _entry_finding("sorted", given.serial_number, "is not above the one before")
            )
        last = given.serial_number
        entry = next(wanted, None)
        if entry is None or entry.serial != given.serial_number:
            named = "nothing more" if entry is None else serials.to_hex(entry.serial)
            found.append(_entry_finding("database", last, f"stands where the database has {named}"))
            return found
        found += _entry(given, entry, this_update)
    missing = next(wanted, None)
    if missing is not None:
        found.append(_entry_finding("database", missing.serial, "is missing from the CRL"))
    return found


def changes(
    difference: Difference, facts: Mapping[int, Entry], *, last_regular: datetime | None
) -> Iterator[Finding]:
    """Demand a ground for every difference from the previous CRL of the scope.

    `facts` is what the database says of each serial that differs. An entry may leave when its hold
    was lifted, or when the certificate ended before `last_regular`; it may come or change only to
    what the database says.
    """
    yield from _many("removed", "left the CRL without a ground", (
        serial for serial in difference.removed
        if not _may_leave(facts.get(serial), last_regular)
    ))  # fmt: skip
    yield from _many("added", "came onto the CRL, but the database says otherwise", (
        serial for serial, line in difference.added.items()
        if not _is_told(facts.get(serial), line)
    ))  # fmt: skip
    yield from _many("changed", "changed on the CRL, but the database says otherwise", (
        serial for serial, (_old, line) in difference.changed.items()
        if not _is_told(facts.get(serial), line)
    ))  # fmt: skip


def _signature(outline: reading.Outline, data: bytes, signer: Authority) -> Iterator[Finding]:
    if outline.inner_algorithm != outline.algorithm or outline.algorithm != signer.algorithm:
        yield Finding(
            rule="algorithm",
            sentence="The two signature algorithms in the CRL are not that of the issuer's key "
            "(RFC 5280 5.1.1.2).",
        )
    if not verifies(signer.public_key, memoryview(data)[outline.signed], outline.signature):
        yield Finding(
            rule="signature",
            sentence="The CRL's signature does not verify with the issuer's certificate.",
        )
    if outline.heading.issuer != signer.subject or outline.heading.key_id != signer.key_id:
        yield Finding(
            rule="issuer",
            sentence="The CRL's issuer or authorityKeyIdentifier is not that of the issuer's "
            "certificate, octet for octet (RFC 5280 5.1.2.3, 5.2.1).",
        )


def _heading(read: x509.CertificateRevocationList, expected: Heading) -> Iterator[Finding]:
    """Compare what `cryptography` reads with what was to be said."""
    said = read.extensions
    number = said.get_extension_for_class(x509.CRLNumber).value.crl_number
    pairs = [
        ("number", number, expected.number),
        ("this_update", read.last_update_utc, expected.this_update),
        ("next_update", read.next_update_utc, expected.next_update),
        ("base_number", _base(said), expected.base_number),
        ("distribution_point", _point(said), expected.distribution_point),
    ]
    for rule, given, wanted in pairs:
        if given != wanted:
            yield Finding(
                rule=rule, sentence=f"The CRL's {rule} is {given}; it was to be {wanted}."
            )


def _base(said: x509.Extensions) -> int | None:
    try:
        return said.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _point(said: x509.Extensions) -> str | None:
    try:
        point = said.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return None
    return ", ".join(str(name.value) for name in point.full_name or ())


def _outline(outline: reading.Outline, expected: Heading) -> Iterator[Finding]:
    if outline.heading != expected:
        yield Finding(
            rule="heading", sentence="The CRL's heading is not the one that was drawn up."
        )
    if outline.critical - _MUST_BE_CRITICAL:
        yield Finding(
            rule="critical",
            sentence="An extension is critical that clients need not know (RFC 5280 5.2).",
        )
    wanted = {b"\x55\x1d\x1b"} if expected.base_number is not None else set()
    if expected.distribution_point is not None:
        wanted.add(b"\x55\x1d\x1c")
    if wanted - outline.critical:
        yield Finding(
            rule="critical",
            sentence="deltaCRLIndicator and issuingDistributionPoint must be critical "
            "(RFC 5280 5.2.4, 5.2.5).",
        )


def _entry(
    given: x509.RevokedCertificate, entry: Entry, this_update: datetime
) -> Iterator[Finding]:
    if entry.since is None or given.revocation_date_utc != entry.since.replace(microsecond=0):
        yield _entry_finding("database", entry.serial, "has another date than in the database")
    if given.revocation_date_utc > this_update:
        yield _entry_finding("future", entry.serial, "is dated after thisUpdate")
    if _reason(given) != (None if entry.reason is None else entry.reason.flag):
        yield _entry_finding("database", entry.serial, "has another reason than in the database")


def _reason(given: x509.RevokedCertificate) -> x509.ReasonFlags:
    try:
        return given.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return x509.ReasonFlags.unspecified


def _may_leave(fact: Entry | None, last_regular: datetime | None) -> bool:
    if fact is None:
        return False
    if fact.status is Status.GOOD:
        return True
    return not entries.stays(fact, last_regular=last_regular, keep_expired=False)


def _is_told(fact: Entry | None, line: bytes) -> bool:
    return fact is not None and fact.status is not Status.GOOD and entries.encode(fact) == line


def _many(rule: str, what: str, wrong: Iterable[int]) -> Iterator[Finding]:
    """Yield at most one finding that names the first few serials and counts the rest."""
    hit = sorted(wrong)
    if hit:
        named = ", ".join(map(serials.to_hex, hit[:_MOST_NAMED]))
        more = f" and {len(hit) - _MOST_NAMED} more" if len(hit) > _MOST_NAMED else ""
        yield Finding(rule=rule, sentence=f"{len(hit)} entries: {named}{more} {what}.")


def _entry_finding(rule: str, serial: int, what: str) -> Finding:
    return Finding(rule=rule, sentence=f"The entry of {serials.to_hex(serial)} {what}.")


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
