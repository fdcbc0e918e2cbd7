"""The history of each certificate: status events, appended and never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select

from ca.model import Act, HoldSource, Status, StatusEvent
from ca.tables import status_event
from core.database import Tx
from core.executemany import execute_all
from core.reasons import Reason


def add_event(tx: Tx, **values: Any) -> None:  # noqa: ANN401 - the columns of status_event
    """Append one status event."""
    add_events(tx, [values])


_ADD = insert(status_event)


def add_events(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append status events; each row names the same columns of status_event."""
    execute_all(tx, _ADD, rows)


def events(tx: Tx, certificate_id: int) -> list[StatusEvent]:
    """Return a certificate's history, oldest first."""
    query = (
        select(status_event)
        .where(status_event.c.certificate_id == certificate_id)
        .order_by(status_event.c.id)
    )
    return [event_of(row) for row in tx.execute(query)]


def acts_before(tx: Tx, certificate_id: int, decision: str) -> tuple[bool, datetime | None]:
    """Return whether `decision` acted on a certificate, and when its newest act was, if any."""
    query = (
        select(status_event.c.decision, status_event.c.at)
        .where(status_event.c.certificate_id == certificate_id)
        .order_by(status_event.c.id)
    )
    rows = tx.execute(query).all()
    return any(row.decision == decision for row in rows), rows[-1].at if rows else None


def all_events(tx: Tx) -> list[StatusEvent]:
    """Return every status event there is, oldest first."""
    return [event_of(row) for row in tx.execute(select(status_event).order_by(status_event.c.id))]


def event_of(row: Row[Any]) -> StatusEvent:
    """Return the event that a row of status_event keeps."""
    values = dict(row._mapping)
    values["act"] = Act(row.act)
    values["status"] = Status(row.status)
    values["reason"] = None if row.reason is None else Reason(row.reason)
    values["source"] = None if row.source is None else HoldSource(row.source)
    return StatusEvent(**values)
