"""Several at once: publishers, writers, and commits that become visible out of order."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ca import lifecycle
from ca.model import Act
from core.database import Database
from core.errors import Conflict
from core.reasons import Reason
from crl import snapshot
from crl.model import Cause
from crl.records import signed
from crl.schedule import due
from tests.crl.stage import Stage
from tests.support import authority


def test_publishers_race(both: Stage) -> None:
    """Publishers that race publish each number once; who loses says so and nothing is lost."""
    revoked = {each.serial for each in (both.issue() for _ in range(3))}
    for each in both.issued:
        both.revoke(each)

    def attempt(_turn: int) -> int | None:
        try:
            return both.publish().number
        except Conflict:
            return None

    with ThreadPoolExecutor(4) as pool:
        won = [number for number in pool.map(attempt, range(12)) if number is not None]
    assert won
    assert len(set(won)) == len(won)
    with both.db.read() as tx:
        stored = [crl.number for crl in signed.history(tx, both.issuer.issuer.id)]
    assert stored == sorted(won, reverse=True)
    assert set(both.listed()) == revoked
    assert both.publish().number > max(won)


def test_slower_publisher_gives_up(both: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A publisher whose snapshot is older than a stored CRL does not store its own."""
    both.publish()
    both.pass_time()
    right = snapshot.read
    late = both.issue()

    def slow(*given: object, **more: object) -> object:
        found = right(*given, **more)  # type: ignore[arg-type] # passed on
        monkeypatch.setattr(snapshot, "read", right)
        both.revoke(late)
        both.publish()
        return found

    monkeypatch.setattr(snapshot, "read", slow)
    with pytest.raises(Conflict, match="number 2 was made"):
        both.publish()
    assert set(both.listed()) == {late.serial}, "the older snapshot would have lost it"


def test_revoking_while_publishing(both: Stage) -> None:
    """Certificates revoked while CRLs are made are all told in the end, and no gate is tripped."""
    certificates = [both.issue() for _ in range(30)]
    done = threading.Event()

    def revoke_all() -> None:
        for each in certificates:
            both.revoke(each)
        done.set()

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(revoke_all)
        while not done.is_set():
            both.publish()
        work.result()
    both.publish()
    assert set(both.listed()) == {each.serial for each in certificates}


def test_commits_out_of_order(both: Stage) -> None:
    """A change that commits after a later one was published is told by the next run."""
    if both.db.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer; its commits are in order.")
    slow, quick = both.issue(), both.issue()
    both.publish()
    both.pass_time()
    other = Database(both.db.engine.url.render_as_string(hide_password=False))
    with other.begin() as tx:
        approval = authority.approval(
            Act.REVOKE, slow.subscriber, both.clock.now(), serial=slow.serial
        )
        lifecycle.revoke(tx, approval, Reason.SUPERSEDED, both.clock.now())
        both.revoke(quick)  # gets the higher number and commits first
        both.publish()
        assert set(both.listed()) == {quick.serial}
    other.dispose()
    both.pass_time()
    with both.db.read() as tx:
        assert due(tx, both.clock.now(), issuer="issuing", settings=both.settings) is Cause.CHANGED
    both.publish()
    assert set(both.listed()) == {slow.serial, quick.serial}


def test_issuing_needs_no_crl(both: Stage) -> None:
    """A certificate that is issued, and what another issuer does, calls for no new CRL."""
    both.publish()
    both.issue()
    both.pass_time(timedelta(minutes=5))
    with both.db.read() as tx:
        assert due(tx, both.clock.now(), issuer="issuing", settings=both.settings) is None
