"""What the worker asks in every round is found by an index, whatever grows."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from app import worker
from app.wiring import Works
from core.clock import SetClock
from tests.app.conftest import made

GROWING = (
    "certificate", "status_event", "hold", "subscriber", "document", "decision", "notice",
    "audit_entry", "audit_link", "campaign_member", "ocsp_reserve", "crl_change", "remedy_case",
)  # fmt: skip
"""The tables that have a row for each certificate, subscriber or act."""


@pytest.fixture
def works(tmp_path: Path, clock: SetClock, sqlite_template: Path) -> Iterator[Works]:
    """An instance on SQLite in which the worker did what was due."""
    works = made(tmp_path / "home", sqlite_template, clock)
    assert worker.once(works) == []
    yield works
    works.instance.keyring.close()
    works.db.dispose()


def test_idle_round_scans_no_table_that_grows(works: Works, clock: SetClock) -> None:
    """SQLite says of every statement of an idle round how it would find its rows."""
    asked: dict[str, Any] = {}

    def note(_connection: object, _cursor: object, statement: str, values: object, *_: object):
        if not statement.startswith("BEGIN"):
            asked.setdefault(statement, values)

    clock.move_to(clock.now() + timedelta(seconds=2))
    sqlalchemy.event.listen(works.db.engine, "before_cursor_execute", note)
    assert worker.once(works) == []
    sqlalchemy.event.remove(works.db.engine, "before_cursor_execute", note)
    assert len(asked) > 20
    scans = []
    with works.db.engine.connect() as connection:
        for statement, values in asked.items():
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values):
                words = row.detail.split()
                if words[0] == "SCAN" and words[1] in GROWING and "INDEX" not in words:
                    scans.append((row.detail, statement))
    assert scans == []
