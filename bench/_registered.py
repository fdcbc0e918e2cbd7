"""Subscribers with complete dossiers, and their requests for certificates, for benchmarks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.clock import Clock
from core.database import Database
from policy.bulk import Asked
from policy.enrol import Wish
from policy.model import SubscriberKind
from policy.records import documents, subscribers
from policy.register import Subscriber
from policy.vault import Vault
from tests.support import dossiers
from tests.support.office import key_request, person


def register(db: Database, clock: Clock, vault: Vault, size: int) -> None:
    """Enter `size` organisations in the register, each with every paper accepted."""
    now = clock.now()
    papers = dossiers.papers(received=now)
    with db.begin() as tx:
        for number in range(size):
            subscribers.add_subscriber(tx, vault, _organisation(number, clock))
            for paper in papers:
                documents.add_document(tx, _name(number), None, paper, now)


def asked(numbers: range, batch: str) -> list[Asked]:
    """Return a row of a bulk file for each subscriber of these numbers, with a new P-256 key."""
    return [
        Asked(
            line=number,
            wish=Wish(
                subscriber=_name(number),
                request=key_request(),
                years=1,
                decision=f"bulk-{batch}-{number}",
            ),
        )
        for number in numbers
    ]


def _name(number: int) -> str:
    return f"KH{number:05}"


def _organisation(number: int, clock: Clock) -> Subscriber:
    return Subscriber(
        id=_name(number),
        kind=SubscriberKind.ORGANISATION,
        tax_code=f"99{number:08}",
        organisation=f"CÔNG TY TNHH SỐ {number}",
        short_name="",
        province="Hà Nội",
        reseller="DL01",
        personal=person(_name(number)),
        registered_at=clock.now(),
    )
