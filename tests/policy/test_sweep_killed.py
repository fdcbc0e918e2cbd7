"""A run that is killed at any statement, again and again, ends with exactly the approved set."""

import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from ca.model import Act, HoldSource
from core.clock import SetClock
from core.database import Database
from policy import sweep
from policy.model import Action
from policy.office import Office
from policy.records import plans
from policy.sweep import Share
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT
from tests.support.office import Bureau

START = datetime(2024, 3, 1, 1, 0, tzinfo=UTC)
SIZE = 6
FORK = multiprocessing.get_context("fork")


def _run(office: Office, url: str, share: Share, killed_at: int | None) -> None:
    """Enforce in a process of its own, which is killed before its statement number `killed_at`."""
    db = Database(url)
    count = 0

    def die(*_given: object) -> None:
        nonlocal count
        count += 1
        if count == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(db.engine, "before_cursor_execute", die)
    sweep.enforce(replace(office, db=db), "spring", Act.SUSPEND, share=share)


def _in_process(bureau: Bureau, url: str, *runs: tuple[Share, int | None]) -> list[int | None]:
    bureau.db.dispose()  # no connection is shared with a child
    children = [
        FORK.Process(target=_run, args=(bureau.office, url, share, killed_at))
        for share, killed_at in runs
    ]
    for each in children:
        each.start()
    for each in children:
        each.join()
    return [each.exitcode for each in children]


def _announced(db: Database) -> Bureau:
    bureau = Bureau(db, SetClock(START))
    for number in range(1, SIZE + 1):
        bureau.enrol(f"KH{number:05}", without=["contract"])
    bureau.enrol("KH00099")
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    bureau.move(HOLD_AT)
    return bureau


def _check_whole(bureau: Bureau) -> None:
    with bureau.db.read() as tx:
        acts = plans.acts_of(tx, "spring")
    approved = {each.certificate_id for each in acts if each.act is Act.SUSPEND}
    everyone = [
        each
        for name in [*(f"KH{n:05}" for n in range(1, SIZE + 1)), "KH00099"]
        for each in bureau.all_of(name)
    ]
    held = {each.id for each in everyone if HoldSource.DOSSIER in each.standing.sources}
    assert held == approved
    assert bureau.actions().count(Action.HOLD) == len(approved) == SIZE
    for each in everyone:
        suspended = [one for one in bureau.events(each) if one.act is Act.SUSPEND]
        assert len(suspended) == (each.id in approved)
    assert [each.template for each in bureau.notices()].count("hold") == SIZE


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kills=st.lists(st.integers(1, 90), min_size=1, max_size=3))
def test_killed_and_resumed_it_holds_the_approved_set(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, kills: list[int]
) -> None:
    """Killed before any statement, and run again: every act once, and nobody else's."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("killed") / "antin.db")
    url = f"sqlite:///{path}"
    bureau = _announced(Database(url))
    for killed_at in kills:
        _in_process(bureau, url, (Share(), killed_at))
    assert _in_process(bureau, url, (Share(), None)) == [0]
    _check_whole(bureau)
    bureau.db.dispose()


@pytest.mark.parametrize("shares", [[Share(1, 2), Share(2, 2)], [Share(), Share()]])
@pytest.mark.parametrize("killed_at", [None, 40])
def test_two_processes_at_once_hold_the_approved_set(
    migrated_postgres_url: str, shares: list[Share], killed_at: int | None
) -> None:
    """On PostgreSQL, in slices or side by side, one killed or none: each is held once."""
    bureau = _announced(Database(migrated_postgres_url))
    first, second = shares
    codes = _in_process(bureau, migrated_postgres_url, (first, killed_at), (second, None))
    assert codes == [-signal.SIGKILL if killed_at else 0, 0]
    if killed_at:
        assert _in_process(bureau, migrated_postgres_url, (Share(), None)) == [0]
    _check_whole(bureau)
    bureau.db.dispose()
