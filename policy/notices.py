"""Notices composed: a row of the outbox and the register's entry become a message to a person.

Personal data comes in here and goes out through a channel alone; errors name none of it.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from ca.model import HoldSource
from core.database import Tx
from core.errors import Invalid
from policy import rules, wording
from policy.channels.letters import Message, Recipient, one_line
from policy.model import Action, Facts
from policy.office import Office
from policy.records import decisions, outbox, subscribers
from policy.records.outbox import Notice
from policy.register import Subscriber
from policy.rulebook import Rulebook
from policy.wording import Language, Letterhead

_AGREED = {
    Language.VI: "số tiền mà tổng đài đã thông báo",
    Language.EN: "the sum that customer care named",
}
_RULE = "\n" + "-" * 40 + "\n\n"


def compose(tx: Tx, office: Office, notice: Notice, letterhead: Letterhead) -> Message:
    """Return the notice as a message in its subscriber's language; raises Invalid or NotFound."""
    subscriber = subscribers.subscriber_of(tx, office.vault, notice.subscriber_id)
    language = subscribers.language_of(tx, notice.subscriber_id)
    stored = _opened(office, notice)
    known = decisions.named(tx, str(stored["decision"])).facts if "decision" in stored else None
    rulebook = office.rulebook(notice.queued_at, known)
    kind = _kind(notice.template, known)
    to = _recipient(subscriber, str(stored.get("only", "")))
    written = [
        wording.write(
            kind,
            each,
            _values(stored, known, rulebook, each),
            addressee=to.name,
            letterhead=letterhead,
        )
        for each in language.each
    ]
    return Message(
        number=notice.id,
        kind=notice.template,
        key=f"notice-{notice.id}.{notice.queued_at:%Y%m%d%H%M%S}",
        to=to,
        subject=" / ".join(each.subject for each in written),
        text=_RULE.join(each.text for each in written),
        short=written[0].short,
        languages=tuple(language.each),
        queued_at=notice.queued_at,
        dated=f"{rulebook.calendar.day(notice.queued_at):%d/%m/%Y}",
    )


def queue_code(
    tx: Tx, office: Office, subscriber_id: str, kind: str, code: str, *, ends_at: datetime,
    only: str = "",
) -> None:  # fmt: skip
    """Queue a `code`, sealed until it goes out; `only` names the one contact that may get it."""
    sealed = office.vault.seal(_code_owner(subscriber_id), {"code": code})
    values = {"sealed": b64encode(sealed).decode(), "end": ends_at.isoformat(), "only": only}
    outbox.add_notice(tx, subscriber_id, kind, json.dumps(values), office.clock.now())


def _opened(office: Office, notice: Notice) -> Mapping[str, Any]:
    """Return what was noted when the notice was queued, with the code that it carries."""
    stored = values_of(notice)
    if "sealed" not in stored:
        return stored
    sealed = b64decode(str(stored["sealed"]))
    return {**stored, **office.vault.open(_code_owner(notice.subscriber_id), sealed)}


def _code_owner(subscriber_id: str) -> str:
    return f"{subscriber_id}|code"


def values_of(notice: Notice) -> Mapping[str, Any]:
    """Return what was noted when the notice was queued; raises Invalid when it is no object."""
    try:
        stored = json.loads(notice.values)
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or "\\u0000" in notice.values:  # PostgreSQL keeps no NUL
        raise Invalid(f"The values of the notice {notice.id} are no JSON object of plain text.")
    return stored


def _kind(template: str, known: Facts | None) -> str:
    """Return which text serves: who is held already is not threatened with the hold."""
    certificate = known.certificate if known else None
    held = certificate is not None and HoldSource.DOSSIER in certificate.holds
    return "remind_held" if template == Action.REMIND and held else template


def _recipient(subscriber: Subscriber, only: str) -> Recipient:
    personal = subscriber.personal
    person = personal.holder or personal.representative
    name = f"{subscriber.organisation} - {person}" if subscriber.organisation else person
    return Recipient(
        name=one_line(name),
        email=one_line(personal.email) if only in ("", "email") else "",
        phone=one_line(personal.phone) if only in ("", "phone") else "",
        address=one_line(personal.address),
        province=one_line(subscriber.province),
        by_post=not only,
    )


def _values(
    stored: Mapping[str, Any], known: Facts | None, rulebook: Rulebook, language: Language
) -> dict[str, str]:
    """Return everything that a text may name; instants in local time."""
    values = {name: one_line(str(stored[name])) for name in ("serial", "clause", "case", "code")
              if stored.get(name)}  # fmt: skip
    instants = {
        name: datetime.fromisoformat(str(stored[name]))
        for name in ("at", "due", "end")
        if stored.get(name)
    }
    if known is not None:
        values["missing"] = _missing(known, rulebook, language)
        if known.campaign is not None:
            instants["hold_at"] = known.campaign.hold_at
            instants["revoke_at"] = known.campaign.revoke_at
    if stored.get("case"):
        values["amount"] = _amount(stored.get("dong"), language)
    return values | {
        name: _instant(rulebook.calendar.local(each), language, last=name == "due")
        for name, each in instants.items()
    }


def _instant(local: datetime, language: Language, *, last: bool) -> str:
    """Write an instant; the `last` one of a term is 24:00 of its day, not 0:00 of the next."""
    hour = f"{local:%H:%M}"
    if last and local.time() == time.min:
        local, hour = local - timedelta(days=1), "24:00"
    form = "%d/%m/%Y" if language is Language.VI else "%Y-%m-%d (UTC%z)"
    return f"{hour} {'ngày' if language is Language.VI else 'on'} {local.strftime(form)}"


def _amount(dong: int | None, language: Language) -> str:
    if dong is None:
        return _AGREED[language]
    figure = f"{dong:,}"
    return f"{figure.replace(',', '.')} đồng" if language is Language.VI else f"VND {figure}"


def _missing(known: Facts, rulebook: Rulebook, language: Language) -> str:
    lacks = rules.judge(known.kind, known.documents, rulebook).lacks
    documents = [rulebook.documents[lack.document] for lack in lacks]
    names = [each.vi if language is Language.VI else each.en for each in documents]
    nothing = "  (không)" if language is Language.VI else "  (none)"
    return "\n".join(f"  - {name}" for name in names) or nothing
