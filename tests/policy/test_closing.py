"""The end of a campaign: every certificate of the scope in exactly one row, and the sums right."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ca.model import Act
from core.clock import SetClock
from core.database import Database
from core.errors import Refused
from policy import closing, intake, orders, planning, steering, sweep
from policy.closing import Outcome
from policy.model import Party, Request, Verdict, Wanted
from policy.records import documents
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, REVOKE_AT
from tests.support.office import Bureau

START = datetime(2024, 3, 1, 1, 0, tzinfo=UTC)
STOP = Request(by=Party.SUBSCRIBER, ground="subscriber_request", verified=True)


def _revoke(bureau: Bureau, name: str) -> None:
    (certificate,) = bureau.all_of(name)
    orders.ask(bureau.office, certificate.serial, Wanted.REVOKE, STOP)


def _exempt(bureau: Bureau, name: str) -> None:
    (certificate,) = bureau.all_of(name)
    until = REVOKE_AT + timedelta(days=90)
    steering.exempt(bureau.office, "spring", certificate.serial, until, "Fire.")


def _reject(bureau: Bureau, name: str) -> None:
    with bureau.db.read() as tx:
        number = documents.numbered_documents(tx, name)[0][0]
    intake.judge(bureau.office, number, Verdict.REJECTED, "illegible")


def test_every_certificate_is_accounted_for(bureau: Bureau) -> None:
    """Revoked, held, restored, exempted, saved, complete, skipped: each with why, the sum right."""
    for number in range(1, 7):
        bureau.enrol(f"KH0000{number}", without=["contract"])
    bureau.enrol("KH00007")
    bureau.enrol("KH00008")
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    bureau.tick(days=1)
    bureau.bring("KH00002", "contract")
    _exempt(bureau, "KH00003")
    _revoke(bureau, "KH00004")
    _reject(bureau, "KH00008")
    bureau.move(HOLD_AT)
    sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    bureau.tick(days=1)
    bureau.bring("KH00005", "contract")
    bureau.move(REVOKE_AT)
    with bureau.db.read() as tx:
        before = closing.reconcile(bureau.office, tx, "spring").counts
    assert (before["held"], before["revoked"]) == (2, 0)
    sweep.enforce(bureau.office, "spring", Act.REVOKE)
    done = closing.close(bureau.office, "spring")
    assert {each.subscriber: each.outcome for each in done.rows} == {
        "KH00001": Outcome.REVOKED,
        "KH00002": Outcome.SAVED,
        "KH00003": Outcome.EXEMPTED,
        "KH00004": Outcome.SKIPPED,
        "KH00005": Outcome.RESTORED,
        "KH00006": Outcome.REVOKED,
        "KH00007": Outcome.COMPLETE,
        "KH00008": Outcome.SKIPPED,
    }
    why = {each.subscriber: each.why for each in done.rows}
    assert "another ground (cessationOfOperation)" in why["KH00004"]
    assert "not in the approved plan" in why["KH00008"]
    assert "Fire." in why["KH00003"]
    assert sum(done.counts.values()) == done.scope == 8
    (exempted,) = done.exemptions
    assert (exempted.because, exempted.until) == ("Fire.", REVOKE_AT + timedelta(days=90))
    closed = next(each for each in bureau.trail() if each.act == "campaign.close")
    assert '"revoked":2' in closed.detail


def test_latecomers_are_accounted_for(bureau: Bureau) -> None:
    """Issued after the announcement: complete at once, complete in time, or held."""
    bureau.enrol("KH00001")
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    bureau.tick(days=1)
    bureau.enrol("KH00002")
    bureau.enrol("KH00003", without=["contract"])
    bureau.enrol("KH00004", without=["contract"])
    bureau.tick(days=1)
    bureau.bring("KH00003", "contract")
    bureau.move(HOLD_AT)
    sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    assert [each.outcome for each in closing.close(bureau.office, "spring").rows] == [
        Outcome.COMPLETE,
        Outcome.COMPLETE,
        Outcome.SAVED,
        Outcome.HELD,
    ]


def test_expired_certificates_are_named_so(bureau: Bureau) -> None:
    """What expired under a campaign is neither held nor skipped."""
    issued = bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    bureau.move(issued.not_after + timedelta(seconds=1))
    done = closing.close(bureau.office, "spring")
    assert [each.outcome for each in done.rows] == [Outcome.EXPIRED]


def test_campaign_called_off_before_its_date(bureau: Bureau) -> None:
    """Closed early, those who lacked papers are skipped, with the reason."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    (row,) = closing.close(bureau.office, "spring").rows
    assert (row.outcome, "next date" in row.why) == (Outcome.SKIPPED, True)


def test_draft_that_is_called_off_has_nobody(bureau: Bureau) -> None:
    """A draft has no scope yet; closing it is possible once."""
    planning.plan(bureau.office, "spring", hold_at=HOLD_AT, revoke_at=REVOKE_AT)
    assert closing.close(bureau.office, "spring").scope == 0
    with pytest.raises(Refused, match="takes nothing more"):
        closing.close(bureau.office, "spring")


ACTS = st.sampled_from(["bring", "revoke", "exempt", "hold", "end", "late"])


@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(script=st.lists(st.tuples(ACTS, st.integers(1, 3)), max_size=6))
def test_sums_are_the_scope_whatever_happens(sqlite_template, tmp_path_factory, script) -> None:
    """Whatever is done in whatever order, each member stands in one row, and was warned in time."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("sums") / "antin.db")
    bureau = Bureau(Database(f"sqlite:///{path}"), SetClock(START))
    for number in (1, 2, 3):
        bureau.enrol(f"KH0000{number}", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    late = 10
    for act, number in script:
        bureau.tick(days=3)
        name = f"KH0000{number}"
        (certificate, *_) = bureau.all_of(name)
        if act == "bring":
            bureau.bring(name, "contract")
        elif act == "revoke" and not certificate.revoked:
            _revoke(bureau, name)
        elif act == "exempt":
            _exempt(bureau, name)
        elif act == "late":
            bureau.enrol(f"KH000{late}", without=["contract"])
            late += 1
        elif act in {"hold", "end"}:
            bureau.move(max(HOLD_AT if act == "hold" else REVOKE_AT, bureau.clock.now()))
            kind = Act.SUSPEND if act == "hold" else Act.REVOKE
            sweep.enforce(bureau.office, "spring", kind)
            assert sweep.enforce(bureau.office, "spring", kind) == []
    done = closing.close(bureau.office, "spring")
    assert sum(done.counts.values()) == done.scope == len({each.serial for each in done.rows})
    for row in done.rows:
        if row.outcome in {Outcome.HELD, Outcome.REVOKED, Outcome.RESTORED}:
            warned = bureau.facts(bureau.all_of(row.subscriber)[0]).warned_at
            assert warned is not None
            assert warned <= HOLD_AT - timedelta(days=7)
    bureau.db.dispose()
