"""Notices to subscribers: queued in the acting commit, rendered in Vietnamese when written.

For now they are written as files into the outbox folder, one each, readable by the owner alone.
"""

import json
from datetime import datetime
from importlib import resources
from pathlib import Path
from string import Template

from core import durable
from core.database import Tx
from policy import rules
from policy.model import Facts
from policy.office import Office
from policy.records import decisions, outbox, subscribers
from policy.records.outbox import Notice
from policy.register import Subscriber
from policy.rulebook import Rulebook

_BATCH = 200


def write_due(office: Office, folder: Path) -> int:
    """Write every queued notice into `folder` and mark it written; return how many there were.

    A crash in between writes a file again under the same name: a notice is never lost.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = 0
    while batch := _write_batch(office, folder):
        written += batch
    return written


def _write_batch(office: Office, folder: Path) -> int:
    now = office.clock.now()
    with office.db.begin() as tx:
        waiting = outbox.unwritten_notices(tx, _BATCH)
        for each in waiting:
            text = render(tx, office, each)
            durable.write(folder / f"{each.id:08}-{each.template}.txt", text.encode(), mode=0o600)
        outbox.mark_written(tx, [each.id for each in waiting], now)
    return len(waiting)


def render(tx: Tx, office: Office, notice: Notice) -> str:
    """Return the notice's text, addressed to its subscriber."""
    subscriber = subscribers.subscriber_of(tx, office.vault, notice.subscriber_id)
    values = json.loads(notice.values)
    known = decisions.named(tx, values["decision"]).facts
    rulebook = office.rulebook(notice.queued_at, known)
    text = resources.files("policy").joinpath("texts", f"{notice.template}.vi.txt")
    return Template(text.read_text("utf-8")).substitute(
        addressee=_addressee(subscriber),
        email=subscriber.personal.email,
        serial=values["serial"],
        at=_local(datetime.fromisoformat(values["at"]), rulebook),
        clause=values["clause"],
        missing=_missing(known, rulebook),
    )


def _addressee(subscriber: Subscriber) -> str:
    person = subscriber.personal.holder or subscriber.personal.representative
    return f"{subscriber.organisation} - {person}" if subscriber.organisation else person


def _local(at: datetime, rulebook: Rulebook) -> str:
    return at.astimezone(rulebook.calendar.zone).strftime("%H:%M ngày %d/%m/%Y")


def _missing(known: Facts, rulebook: Rulebook) -> str:
    lacks = rules.judge(known.kind, known.documents, rulebook).lacks
    names = [rulebook.documents[lack.document].vi for lack in lacks]
    return "\n".join(f"  - {name}" for name in names) or "  (không)"
