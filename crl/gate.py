"""The gate: what a signed CRL must pass before anybody sees it; pure.

The CRL is read again with `cryptography`, which shares no code with the builder, and compared with
what was to be said, with the previous CRL and with the database. Each rule gives findings; one
finding is enough to keep the previous CRL in its place. The rules' names are stable words.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from ca.model import Entry, Status
from core import serials
from core.errors import AntinError
from crl import entries, reading
from crl.authority import Authority, verifies
from crl.diff import Difference, compare
from crl.model import Crl, Heading, Kind

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


_DISORDER = Finding(
    rule="sorted", sentence="The entries are not sorted by serial, or one stands twice."
)


def form(data: bytes, *, signer: Authority, expected: Heading, region: bytes) -> list[Finding]:
    """Examine a CRL by itself: readable, signed by the issuer, saying what it was to say.

    `region` is the entries joined, as the snapshot gave them.
    """
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
    if not reading.holds(data, outline.entries, region):
        found.append(
            Finding(rule="entries", sentence="The CRL's entries are not those of the snapshot.")
        )
    return found


def count(data: bytes, expected: int) -> Iterator[Finding]:
    """Let `cryptography` count the entries."""
    found = len(x509.load_der_x509_crl(data))
    if found != expected:
        yield Finding(
            rule="count", sentence=f"The CRL has {found} entries; the snapshot gave {expected}."
        )


def order(expected: Heading, *, previous: Crl | None, latest: datetime | None) -> Iterator[Finding]:
    """Examine a CRL's place behind the previous one of its scope (RFC 5280 5.2.3, 5.1.2).

    `latest` is the date of the latest change that the CRL tells.
    """
    if latest is not None and latest.replace(microsecond=0) > expected.this_update:
        yield Finding(
            rule="future",
            sentence=f"A change is dated {_text(latest)}, after thisUpdate "
            f"{_text(expected.this_update)}; check the clocks of the machines that write.",
        )
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


def listing(
    data: bytes, truth: Iterable[Entry], *, this_update: datetime, unsettled: Collection[int]
) -> list[Finding]:
    """Compare every entry, as `cryptography` reads it, with the engine's tables.

    Both come in the order of serials; the `unsettled` ones changed in between and are passed over.
    """
    read = x509.load_der_x509_crl(data)
    given = {each.serial_number: each for each in read}
    wanted = {each.serial: each for each in truth}
    found = []
    if list(given) != sorted(given) or len(given) != len(read):
        found.append(_DISORDER)
    for serial in sorted((given.keys() | wanted.keys()) - set(unsettled)):
        if serial not in given:
            found.append(_about("database", serial, "is missing from the CRL"))
        elif serial not in wanted:
            found.append(_about("database", serial, "is on the CRL but not in the database"))
        else:
            found += _entry(given[serial], wanted[serial], this_update)
    return found


def mismatch(difference: Difference, unsettled: Collection[int]) -> Iterator[Finding]:
    """Demand that the engine's list (before) and ours (after) are the same but for `unsettled`."""
    if difference.disorder:
        yield _DISORDER
    apart = difference.serials - set(unsettled)
    yield from _many("database", "differ between the CRL and the database", apart)


def changes(
    difference: Difference,
    facts: Mapping[int, Entry],
    *,
    last_regular: datetime | None,
    unsettled: Collection[int],
) -> Iterator[Finding]:
    """Demand a ground for every difference from the previous full CRL of the scope.

    `facts` is what the database says of each serial that differs. An entry may leave when its hold
    was lifted, or when the certificate ended before `last_regular`; it may come or change only to
    what the database says. The `unsettled` ones are judged in the next round.
    """
    if difference.disorder:
        yield _DISORDER
    passed = set(unsettled)
    new = difference.added | {serial: pair[1] for serial, pair in difference.changed.items()}
    yield from _many("removed", "left the CRL without a ground", (
        serial for serial in difference.removed.keys() - passed
        if not _may_leave(facts.get(serial), last_regular)
    ))  # fmt: skip
    yield from _many("added", "are new or changed on the CRL, but the database says otherwise", (
        serial for serial in new.keys() - passed
        if not _is_told(facts.get(serial), new[serial])
    ))  # fmt: skip


def delta(
    difference: Difference,
    facts: Mapping[int, Entry],
    *,
    this_update: datetime,
    unsettled: Collection[int],
) -> Iterator[Finding]:
    """Demand that base and delta together are the full list (RFC 5280 5.2.4).

    `difference` leads from the combined list to the full one. Only certificates that ended may be
    on one of them alone: a delta neither takes them off nor brings them back.
    """
    ended = {
        serial
        for serial, fact in facts.items()
        if fact.status is not Status.GOOD and fact.not_after < this_update
    }
    wrong = difference.serials - ended - set(unsettled)
    yield from _many("delta", "differ between base and delta together and the full list", wrong)


def coverage(whole: bytes, parts: Iterable[bytes]) -> Iterator[Finding]:
    """Demand that the partitions together list what the full CRL lists."""
    joined = heapq.merge(*map(reading.lines, parts), key=reading.serial_order)
    apart = compare(reading.lines(whole), joined).serials
    yield from _many("partitions", "differ between the full CRL and its partitions", apart)


def removals(region: bytes, kind: Kind) -> Iterator[Finding]:
    """Demand that removeFromCRL stands in deltas only (RFC 5280 5.3.1)."""
    if kind is Kind.FULL and entries.REMOVAL in region:
        yield Finding(
            rule="remove_from_crl", sentence="A full CRL has an entry with removeFromCRL."
        )


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
        yield _about("database", entry.serial, "has another date than in the database")
    if given.revocation_date_utc > this_update:
        yield _about("future", entry.serial, "is dated after thisUpdate")
    if _reason(given) != (None if entry.reason is None else entry.reason.flag):
        yield _about("database", entry.serial, "has another reason than in the database")


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


def _about(rule: str, serial: int, what: str) -> Finding:
    return Finding(rule=rule, sentence=f"The entry of {serials.to_hex(serial)} {what}.")


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
