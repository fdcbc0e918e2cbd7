"""Renewal reminders: once at each stage, only for what is good, whatever crashes."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from ca import records
from ca.issue import issue
from ca.model import Certificate, Succession
from core import serials
from core.reasons import Reason
from policy import enrol, orders, renewals
from policy.model import Party, Request, Wanted
from policy.records import outbox
from tests.support import authority
from tests.support.crash import Crash, CrashingDatabase
from tests.support.office import Bureau, key_request

STAGES = (30, 14, 3)


def _before_end(bureau: Bureau, certificate: Certificate, **before: float) -> None:
    bureau.move(certificate.not_after - timedelta(**before))


def _told(bureau: Bureau) -> list[tuple[str, str]]:
    with bureau.db.read() as tx:
        return [(each.subscriber_id, each.template) for each in outbox.notices(tx)]


def test_once_at_each_stage(bureau: Bureau) -> None:
    """30, 14 and 3 days before the end, each once; not a second before, and not after the end."""
    certificate = bureau.enrol("KH00001")
    for stage, done in ((30, 0), (14, 1), (3, 2)):
        _before_end(bureau, certificate, days=stage)
        assert renewals.remind(bureau.office, STAGES) == 1
        assert renewals.remind(bureau.office, STAGES) == 0
        assert _told(bureau) == [("KH00001", "renewal")] * (done + 1)
    bureau.move(certificate.not_after + timedelta(seconds=1))
    assert renewals.remind(bureau.office, STAGES) == 0
    entries = [each for each in bureau.trail() if each.act == "renewal.remind"]
    assert len(entries) == 3
    assert serials.to_hex(certificate.serial) in entries[0].detail


def test_not_before_the_stage(lite: Bureau) -> None:
    """A second before the first stage nobody is reminded."""
    certificate = lite.enrol("KH00001")
    _before_end(lite, certificate, days=30, seconds=1)
    assert renewals.remind(lite.office, STAGES) == 0
    lite.tick(seconds=1)
    assert renewals.remind(lite.office, STAGES) == 1


def test_idle_round_writes_nothing(bureau: Bureau) -> None:
    """While nobody is to be reminded, a round only reads; the mark follows once in an hour."""
    bureau.enrol("KH00001")
    renewals.remind(bureau.office, STAGES)
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not statement.startswith("SELECT") or "FOR UPDATE" in statement:
            written.append(statement)

    event.listen(bureau.db.engine, "before_cursor_execute", note)
    for _ in range(3):
        bureau.tick(seconds=2)
        assert renewals.remind(bureau.office, STAGES) == 0
    assert [each for each in written if not each.startswith("BEGIN")] == []
    assert "BEGIN IMMEDIATE" not in written
    bureau.tick(hours=1)
    assert renewals.remind(bureau.office, STAGES) == 0
    assert len([each for each in written if each.startswith("UPDATE renewal_mark")]) == len(STAGES)


def test_late_worker_reminds_once(lite: Bureau) -> None:
    """A worker that slept over two stages sends the last one's reminder alone."""
    certificate = lite.enrol("KH00001")
    _before_end(lite, certificate, days=2)
    assert renewals.remind(lite.office, STAGES) == 1
    assert renewals.remind(lite.office, STAGES) == 0


def test_rulebook_bounds_the_stages(lite: Bureau) -> None:
    """Nobody is reminded of what cannot be asked for yet: renewal begins 30 days before the end."""
    certificate = lite.enrol("KH00001")
    _before_end(lite, certificate, days=60)
    assert renewals.remind(lite.office, (60, 31)) == 0
    assert renewals.remind(lite.office, ()) == 0


def test_held_revoked_and_replaced_are_left_out(bureau: Bureau) -> None:
    """A reminder goes to those whose certificate is good and has no successor that lives."""
    held, revoked, replaced, _ = (bureau.enrol(f"KH{number:05}") for number in range(1, 5))
    for certificate, wanted, ground in (
        (held, Wanted.SUSPEND, "authority_order"),
        (revoked, Wanted.REVOKE, "authority_revocation"),
    ):
        order = Request(by=Party.AUTHORITY, ground=ground, reference="QD-1")
        orders.ask(bureau.office, certificate.serial, wanted, order)
    bureau.tick(days=100)
    successor = enrol.enrol(bureau.desk, "KH00003", key_request(), years=1)
    with bureau.db.begin() as tx:
        records.add_succession(
            tx,
            successor_id=successor.id,
            predecessor_id=replaced.id,
            kind=Succession.RENEWAL,
            reason=Reason.SUPERSEDED,
        )
    before = len(_told(bureau))
    _before_end(bureau, held, days=10)
    assert renewals.remind(bureau.office, STAGES) == 1
    assert _told(bureau)[before:] == [("KH00004", "renewal")]


def test_our_own_certificates_are_left_out(lite: Bureau) -> None:
    """A certificate whose holder is not in the register, such as a responder's, is passed over."""
    order = authority.order("antin-ocsp", lite.clock.now())
    made = issue(lite.db, lite.clock, lite.desk.issuer, order)
    _before_end(lite, made, days=10)
    assert renewals.remind(lite.office, STAGES) == 0


def test_many_that_end_together(lite: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal ends are taken in the order of their rows, batch by batch, each once."""
    monkeypatch.setattr(renewals, "_BATCH", 2)
    made = [lite.enrol(f"KH{number:05}") for number in range(1, 6)]
    assert len({each.not_after for each in made}) == 1
    _before_end(lite, made[0], days=20)
    assert renewals.remind(lite.office, STAGES) == 5
    assert sorted({name for name, _ in _told(lite)}) == [f"KH{n:05}" for n in range(1, 6)]
    assert renewals.remind(lite.office, STAGES) == 0


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("commit", [1, 2, 3])
def test_crash_reminds_nobody_twice(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch, *, commit: int, persisted: bool
) -> None:
    """Wherever the machine stops, each is reminded once: mark and notice are one commit."""
    monkeypatch.setattr(renewals, "_BATCH", 1)
    for number in (1, 2):
        certificate = bureau.enrol(f"KH{number:05}")
    _before_end(bureau, certificate, days=2)
    crashing = bureau.on(CrashingDatabase(bureau.db, commit, persisted=persisted)).office
    with pytest.raises(Crash):
        renewals.remind(crashing, STAGES)
    renewals.remind(bureau.office, STAGES)
    assert sorted(_told(bureau)) == [("KH00001", "renewal"), ("KH00002", "renewal")]


def test_reminder_of_renewal_is_none_of_the_dossier(lite: Bureau) -> None:
    """Being told of the end is no reminder of missing papers: a campaign's waves do not skip it."""
    certificate = lite.enrol("KH00001", without=["contract"])
    _before_end(lite, certificate, days=10)
    renewals.remind(lite.office, STAGES)
    assert lite.facts(certificate).reminded_at is None
