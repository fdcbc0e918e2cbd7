"""Takes the changes that the database noted into the list as it stands.

When `absorb` returns, the list is the engine's tables as one snapshot showed them: every change
that the snapshot saw was waiting or taken in before, and its certificate was read in that snapshot.
"""

from collections.abc import Sequence

import ca.records
from ca.model import Certificate, Entry, Status
from core.database import Database
from core.errors import Conflict
from crl import entries
from crl.model import Change
from crl.records import lists, numbers

_BATCH = 20_000


def absorb(db: Database, issuer_id: int, number: int) -> None:
    """Take every waiting change into the list and stamp it with the CRL number.

    Raises Conflict when another publisher took one of them meanwhile.
    """
    while True:
        with db.read() as tx:
            changes = lists.waiting_changes(tx, issuer_id, limit=_BATCH)
            changed = ca.records.by_ids(tx, {each.certificate_id for each in changes})
        if changes:
            _take(db, issuer_id, number, changes=changes, changed=changed)
        if len(changes) < _BATCH:
            return


def _take(
    db: Database,
    issuer_id: int,
    number: int,
    *,
    changes: Sequence[Change],
    changed: Sequence[Certificate],
) -> None:
    listed = [entry_of(each) for each in changed if each.standing.status is not Status.GOOD]
    with db.begin() as tx:
        numbers.lock(tx, issuer_id)
        if lists.stamp(tx, [each.id for each in changes], number) != len(changes):
            raise Conflict(
                "Another publisher took in the same changes; it publishes them too, or the next "
                "run does."
            )
        lists.drop_entries(tx, issuer_id, [each.serial for each in changed])
        lists.put_entries(
            tx, issuer_id, [(each.serial, each.not_after, entries.encode(each)) for each in listed]
        )


def entry_of(certificate: Certificate) -> Entry:
    """Return what a CRL needs to know of a certificate."""
    standing = certificate.standing
    return Entry(
        serial=certificate.serial,
        stage=certificate.stage,
        status=standing.status,
        reason=standing.reason,
        since=standing.since,
        invalidity_date=standing.invalidity_date,
        not_after=certificate.not_after,
    )
