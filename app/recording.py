"""A recorded spring: four files that tell who the subscribers are and what happened, read strictly.

`subscribers.csv`, `documents.csv`, `requests.pem` (each request preceded by `# customer_id`) and
`events.csv`, in UTF-8. Everything wrong is named with its file and line.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import TypeVar

from core.errors import Invalid, NotFound
from policy.model import Document, SubscriberKind, Verdict
from policy.register import Personal, Subscriber

LOCAL = timezone(timedelta(hours=7))
"""The recorded dates are civil dates in Vietnam, which keeps UTC+7 all year."""

MOST_FILE_BYTES = 256 * 1024 * 1024
_Word = TypeVar("_Word", SubscriberKind, Verdict)
_ISSUED_AT = time(8, 0)
_SUBSCRIBER_COLUMNS = (
    "customer_id", "kind", "tax_code", "organisation", "short_name", "holder", "title", "province",
    "representative", "id_type", "id_number", "id_expires", "phone", "email", "reseller",
    "token_serial", "valid_from", "years",
)  # fmt: skip
_DOCUMENT_COLUMNS = ("customer_id", "document", "form", "received_on", "verdict", "note")
_EVENT_COLUMNS = ("at", "customer_id", "event", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A subscriber and the certificate that is issued to them at `at` for `years`."""

    subscriber: Subscriber
    at: datetime
    years: int
    request: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a customer; `detail` holds the event's own values."""

    at: datetime
    customer: str
    name: str
    detail: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """All that was recorded; `documents` is what the office held before the notice."""

    enrolments: tuple[Enrolment, ...]
    documents: tuple[tuple[str, Document], ...]
    events: tuple[Event, ...]

    def moved(self, by: timedelta) -> "Recording":
        """Return the same recording with every instant moved by `by`."""
        return Recording(
            enrolments=tuple(replace(each, at=each.at + by) for each in self.enrolments),
            documents=tuple(
                (who, replace(paper, received_at=paper.received_at + by))
                for who, paper in self.documents
            ),
            events=tuple(replace(each, at=each.at + by) for each in self.events),
        )


def read(folder: Path) -> Recording:
    """Read the four files in `folder`; raises NotFound for a missing one, Invalid for a line."""
    requests = _requests(folder / "requests.pem")
    enrolments = tuple(_enrolments(folder / "subscribers.csv", requests))
    known = {each.subscriber.id for each in enrolments}
    if len(known) != len(enrolments):
        raise Invalid(f"The file {folder / 'subscribers.csv'} names a customer twice.")
    return Recording(
        enrolments=enrolments,
        documents=tuple(_documents(folder / "documents.csv", known)),
        events=tuple(sorted(_events(folder / "events.csv", known), key=lambda each: each.at)),
    )


def _enrolments(path: Path, requests: Mapping[str, bytes]) -> Iterator[Enrolment]:
    for where, row in _rows(path, _SUBSCRIBER_COLUMNS):
        customer = row["customer_id"]
        if customer not in requests:
            raise Invalid(f"{where}: the customer {customer!r} has no request in requests.pem.")
        issued_at = datetime.combine(_date(where, row["valid_from"]), _ISSUED_AT, LOCAL)
        yield Enrolment(
            subscriber=Subscriber(
                id=customer,
                kind=_word(where, SubscriberKind, row["kind"]),
                tax_code=row["tax_code"],
                organisation=row["organisation"],
                short_name=row["short_name"],
                province=row["province"],
                reseller=row["reseller"],
                personal=Personal(**{name: row.get(name, "") for name in Personal.__slots__}),
                registered_at=issued_at,
            ),
            at=issued_at,
            years=_number(where, row["years"]),
            request=requests[customer],
        )


def _documents(path: Path, known: set[str]) -> Iterator[tuple[str, Document]]:
    for where, row in _rows(path, _DOCUMENT_COLUMNS):
        received = datetime.combine(_date(where, row["received_on"]), time.min, LOCAL)
        yield (
            _customer(where, row["customer_id"], known),
            Document(
                kind=row["document"],
                form=row["form"],
                verdict=_word(where, Verdict, row["verdict"]),
                received_at=received,
                reason=row["note"],
            ),
        )


def _events(path: Path, known: set[str]) -> Iterator[Event]:
    for where, row in _rows(path, _EVENT_COLUMNS):
        detail = {}
        for part in filter(None, row["detail"].split(";")):
            key, equals, value = part.partition("=")
            if not equals:
                raise Invalid(f"{where}: the detail {part!r} is not of the form key=value.")
            detail[key.strip()] = value.strip()
        yield Event(
            at=_instant(where, row["at"]),
            customer=_customer(where, row["customer_id"], known),
            name=row["event"],
            detail=detail,
        )


def document(event: Event) -> Document:
    """Return the document that a `document_received` event brought; raises Invalid."""
    where = f"The event of {event.customer} at {event.at.isoformat()}"
    missing = {"document", "form", "verdict"} - event.detail.keys()
    if missing:
        raise Invalid(f"{where}: the detail lacks {', '.join(sorted(missing))}.")
    return Document(
        kind=event.detail["document"],
        form=event.detail["form"],
        verdict=_word(where, Verdict, event.detail["verdict"]),
        received_at=event.at,
        reason=event.detail.get("note", ""),
    )


def _requests(path: Path) -> dict[str, bytes]:
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in _text(path).splitlines():
        if line.startswith("#"):
            current = found.setdefault(line.removeprefix("#").strip(), [])
        elif current is not None:
            current.append(line)
    return {customer: "\n".join(lines).encode() for customer, lines in found.items()}


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    reader = csv.DictReader(_text(path).splitlines(keepends=True), strict=True)
    missing = set(columns) - set(reader.fieldnames or ())
    if missing:
        raise Invalid(f"The file {path} lacks the columns {', '.join(sorted(missing))}.")
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or any(row[column] is None for column in columns):
                raise Invalid(f"{where}: the row does not have {len(columns)} fields.")
            yield where, {column: row[column].strip() for column in columns}
    except csv.Error as error:
        raise Invalid(f"{path}, line {reader.line_num}: {error}.") from error


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise NotFound(f"The recording lacks the file {path}.") from None
    if size > MOST_FILE_BYTES:
        raise Invalid(f"The file {path} has {size} bytes; the limit is {MOST_FILE_BYTES}.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"The file {path} is not UTF-8 at byte {error.start}.") from error


def _customer(where: str, customer: str, known: set[str]) -> str:
    if customer not in known:
        raise Invalid(f"{where}: the customer {customer!r} is not in subscribers.csv.")
    return customer


def _word(where: str, kind: type[_Word], text: str) -> _Word:
    try:
        return kind(text)
    except ValueError:
        raise Invalid(f"{where}: {text!r} is none of {', '.join(kind)}.") from None


def _date(where: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{where}: {text!r} is no date; write 2024-04-20.") from None


def _instant(where: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{where}: {text!r} is no instant; write 2024-04-20T00:05:00+07:00."
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=LOCAL)


def _number(where: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Invalid(f"{where}: {text!r} is no whole number.")
    return int(text)
