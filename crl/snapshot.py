"""Reads all that the CRLs of one number are made of and judged by, in one snapshot."""

import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import ca.records
from ca.model import Entry, Issuer
from core.database import Tx
from core.reasons import Reason
from crl import diff, entries, partitions, reading
from crl.diff import Difference
from crl.entries import Region
from crl.model import WHOLE, Crl, Kind, Settings
from crl.records import lists, signed

# A process on another machine may have dated a change by a clock that is this far ahead of ours.
_SKEW = timedelta(minutes=2)
# Up to here the certificates that differ are asked for one by one.
_FEW = 2_000
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One CRL to be made: its entries joined as DER, and what they are compared with.

    `previous` is the CRL of the same scope and kind before, `base` the full one that a delta adds
    to. `difference` leads from the previous full CRL, if there is one, to this one; for a delta,
    from what a client has who applies it to the base, to the whole list of the scope.
    """

    partition: int
    kind: Kind
    region: Region
    previous: Crl | None
    base: Crl | None
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """All CRLs of one number and moment.

    `seen` is the newest CRL that was stored before; `facts` is what the engine says of each serial
    that differs. `truth` is the engine's whole list when it is short; `mismatch` is what differs
    between the engine's list and ours when that is long and was compared. `unsettled` are serials
    that changed in between, which the next round tells; `last_regular` see `entries.stays`.
    """

    owner: Issuer
    number: int
    moment: datetime
    latest: datetime | None
    seen: Crl | None
    sheets: tuple[Sheet, ...]
    facts: dict[int, Entry]
    truth: tuple[Entry, ...] | None
    mismatch: Difference | None
    unsettled: set[int]
    last_regular: datetime | None


def read(
    tx: Tx,
    owner: Issuer,
    *,
    number: int,
    now: datetime,
    kind: Kind,
    settings: Settings,
    targets: Sequence[str],
) -> Round:
    """Return the round that is to be published now; a delta without a base becomes a full CRL."""
    last_regular = None if settings.keep_expired else _last_regular(tx, owner, settings, targets)
    whole = _whole(tx, owner, last_regular)
    scopes = _scopes(whole, settings)
    newest = signed.newest(tx, owner.id, kind=Kind.FULL)
    moment, latest = _moment(tx, owner, now)
    truth = partial(_truth, tx, owner, settings=settings, last_regular=last_regular)
    is_short = whole.count <= settings.compared_up_to
    sheets: list[Sheet] = []
    base = _base(tx, owner, newest, moment, settings) if settings.deltas and newest else None
    if kind is Kind.FULL or base is None:
        sheets += (_full(tx, owner, part, region) for part, region in scopes.items())
    if base is not None:
        changed = _changed_lines(tx, owner, base, last_regular)
        sheets += _deltas(tx, owner, base, scopes=scopes, changed=changed)
    unsettled = lists.waiting_serials(tx, owner.id)
    differing: set[int] = set()
    differing = differing.union(*(sheet.difference.serials for sheet in sheets)) - unsettled
    return Round(
        owner=owner,
        number=number,
        moment=moment,
        latest=latest,
        seen=signed.newest(tx, owner.id),
        sheets=tuple(sheets),
        facts=_facts(tx, owner, differing),
        truth=tuple(entries.in_order(truth())) if is_short else None,
        mismatch=(
            diff.compare(_sorted(truth()), reading.lines(whole.content))
            if not is_short and _is_compared(newest, moment, settings)
            else None
        ),
        unsettled=unsettled,
        last_regular=last_regular,
    )


def _whole(tx: Tx, owner: Issuer, last_regular: datetime | None) -> Region:
    """Return the list as it stands, less the certificates whose entries may go."""
    joined, count = io.BytesIO(), 0  # gives its content without another copy
    for region in lists.listed(tx, owner.id, last_regular=last_regular):
        joined.write(region.content)
        count += region.count
    return Region(joined.getvalue(), count)


def mismatch(tx: Tx, owner: Issuer) -> Difference:
    """Return what differs between the engine's tables (before) and our list (after)."""
    truth = ca.records.entries_not_good(tx, owner.id)
    return diff.compare(_sorted(truth), reading.lines(_whole(tx, owner, None).content))


def _last_regular(
    tx: Tx, owner: Issuer, settings: Settings, targets: Sequence[str]
) -> datetime | None:
    """Return thisUpdate of the newest full CRL that every target has, in every scope."""
    found = [
        signed.last_regular(tx, owner.id, partition, targets)
        for partition in range(settings.partitions + 1)
    ]
    present = [instant for instant in found if instant is not None]
    return min(present) if len(present) == len(found) else None


def _scopes(whole: Region, settings: Settings) -> dict[int, Region]:
    """Return the entries of the whole scope and of each partition."""
    scopes = {WHOLE: whole}
    if settings.partitions:
        regions = partitions.split(reading.lines(whole.content), settings.partitions)
        scopes.update(enumerate(regions, start=1))
    return scopes


def _moment(tx: Tx, owner: Issuer, now: datetime) -> tuple[datetime, datetime | None]:
    """Return thisUpdate, and the latest change that the list tells.

    A change that committed after `now` was asked for is dated after it by a little; thisUpdate
    follows, because no entry may be dated after it (CA/Browser Forum BR 7.2.2).
    """
    seen = signed.newest(tx, owner.id)
    dates = lists.changed_after(tx, owner.id, seen.number if seen else 0).values()
    latest = max((each for each in dates if each is not None), default=None)
    moment = now if latest is None or latest > now + _SKEW else max(now, latest)
    return moment.replace(microsecond=0), latest


def _full(tx: Tx, owner: Issuer, partition: int, region: Region) -> Sheet:
    previous = signed.newest(tx, owner.id, partition=partition, kind=Kind.FULL)
    return Sheet(
        partition=partition,
        kind=Kind.FULL,
        region=region,
        previous=previous,
        base=None,
        difference=(
            Difference()
            if previous is None
            else diff.compare(_lines_of(tx, previous), reading.lines(region.content))
        ),
    )


def _base(
    tx: Tx, owner: Issuer, newest: Crl, moment: datetime, settings: Settings
) -> dict[int, Crl]:
    """Return the full CRLs, by partition, that the deltas of this round add to.

    Deltas keep their base for one interval, so that a client needs a full CRL no more often; then
    the newest full one is the next base.
    """
    last = signed.newest(tx, owner.id, kind=Kind.DELTA)
    for number in (last.base_number if last else None, newest.number):
        fulls = [] if number is None else signed.numbered(tx, owner.id, number)
        found = {crl.partition: crl for crl in fulls if crl.kind is Kind.FULL}
        fresh = all(moment < crl.this_update + settings.interval for crl in found.values())
        if number == newest.number or (found and fresh and _all_at_hand(tx, found.values())):
            return found
    return {}


def _all_at_hand(tx: Tx, crls: Iterable[Crl]) -> bool:
    return all(signed.has_content(tx, crl.id) for crl in crls)


def _changed_lines(
    tx: Tx, owner: Issuer, base: dict[int, Crl], last_regular: datetime | None
) -> list[bytes]:
    """Return the entries of a delta for the whole scope: every change since the base.

    A certificate that is good again is listed with removeFromCRL, also when its hold came and went
    after the base (RFC 5280 5.2.4); one that left because it expired is not listed.
    """
    changed = lists.changed_after(tx, owner.id, base[WHOLE].number)
    listed = lists.lines_of(tx, owner.id, sorted(changed), last_regular=last_regular)
    found = []
    for serial in sorted(changed):
        since, line = changed[serial], listed.get(serial)
        if line is not None:
            found.append(line)
        elif serial not in listed and since is not None:
            found.append(entries.line(serial, since, Reason.REMOVE_FROM_CRL))
    return found


def _deltas(
    tx: Tx,
    owner: Issuer,
    base: dict[int, Crl],
    *,
    scopes: dict[int, Region],
    changed: Sequence[bytes],
) -> Iterator[Sheet]:
    regions = [Region(b"".join(changed), len(changed))]
    if len(scopes) > 1:
        regions += partitions.split(changed, len(scopes) - 1)
    for partition, whole in scopes.items():
        region = regions[partition]
        given = diff.combine(_lines_of(tx, base[partition]), reading.lines(region.content))
        yield Sheet(
            partition=partition,
            kind=Kind.DELTA,
            region=region,
            previous=signed.newest(tx, owner.id, partition=partition, kind=Kind.DELTA),
            base=base[partition],
            difference=diff.compare(given, reading.lines(whole.content)),
        )


def _lines_of(tx: Tx, crl: Crl) -> Iterator[bytes]:
    content = signed.content(tx, crl.id)
    return reading.lines(memoryview(content)[reading.outline(content).entries])


def _facts(tx: Tx, owner: Issuer, serials: Collection[int]) -> dict[int, Entry]:
    """Return what the engine says of these certificates.

    Many at once are found by one pass over all that are not good, and only the rest one by one.
    """
    found: dict[int, Entry] = {}
    if len(serials) > _FEW:
        every = ca.records.entries_not_good(tx, owner.id)
        found = {each.serial: each for each in every if each.serial in serials}
    for serial in serials:
        if serial not in found:
            entry = ca.records.entry(tx, owner.id, serial)
            if entry is not None:
                found[serial] = entry
    return found


def _truth(
    tx: Tx, owner: Issuer, *, settings: Settings, last_regular: datetime | None
) -> Iterator[Entry]:
    """Yield every certificate that the engine's tables say belongs on the full CRL."""
    for each in ca.records.entries_not_good(tx, owner.id):
        if entries.stays(each, last_regular=last_regular, keep_expired=settings.keep_expired):
            yield each


def _sorted(truth: Iterable[Entry]) -> list[bytes]:
    return sorted(map(entries.encode, truth), key=reading.serial_order)


def _is_compared(newest: Crl | None, moment: datetime, settings: Settings) -> bool:
    """Whether a long list is compared now: with the first CRL in every span of one interval."""
    if newest is None:
        return True
    spans = [(each - _EPOCH) // settings.interval for each in (newest.this_update, moment)]
    return spans[0] != spans[1]
