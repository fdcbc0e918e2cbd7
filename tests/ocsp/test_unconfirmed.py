"""What a subscriber has not confirmed is not published, but its status is told all the same."""

from ca import records
from core.clock import SetClock
from core.database import Database
from ocsp.model import CertStatus, Settings
from ocsp.verdict import judge
from tests.support import relying
from tests.support.acts import Acts


def test_status_does_not_wait_for_the_confirmation(sqlite_db: Database, clock: SetClock) -> None:
    """Before and after its confirmation a certificate is good, and a hold reaches everybody."""
    scene = relying.scene(sqlite_db, clock)
    acts, made = Acts(sqlite_db, clock), scene.issue()

    def told() -> CertStatus:
        with sqlite_db.read() as tx:
            entry = records.entry(tx, made.issuer_id, made.serial)
        verdict = judge(entry, Settings(), clock.now())
        assert verdict is not None
        return verdict.status

    assert told() is CertStatus.GOOD
    acts.suspend(made)
    assert told() is CertStatus.REVOKED
    acts.confirm(made)
    assert told() is CertStatus.REVOKED
    acts.restore(made)
    assert told() is CertStatus.GOOD
