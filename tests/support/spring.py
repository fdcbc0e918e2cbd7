"""The rules of the recorded spring once more, written from their text alone.

A naive model that shares no code with the product: it reads the CSV files with its own eyes and
walks each customer by themselves. The replay's report must agree with it, customer by customer.
"""

import csv
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

VN = timezone(timedelta(hours=7))
HOLD_AT = datetime(2024, 4, 20, tzinfo=VN)
REVOKE_AT = datetime(2024, 5, 2, tzinfo=VN)
UNTIL = datetime(2024, 6, 15, tzinfo=VN)
OFFICIAL_DAYS_OFF = {date(2024, 4, 18), date(2024, 4, 29), date(2024, 4, 30), date(2024, 5, 1)}
SATURDAYS_WORKED = {date(2024, 5, 4)}

REQUIRED = {
    "organisation": {"registration_form", "contract", "business_registration", "representative_id"},
    "individual": {"registration_form", "contract", "holder_id"},
    "staff": {
        "registration_form",
        "contract",
        "business_registration",
        "representative_id",
        "holder_id",
        "title_proof",
    },
}
ORIGINALS = {"registration_form", "contract"}
COPIES = {"certified_copy", "master_register_copy", "copy_compared_with_original", "stamped_copy"}


def counts(kind: str, form: str, verdict: str) -> bool:
    """Whether one paper counts."""
    good = form == "paper_original" if kind in ORIGINALS else form in COPIES
    return good and verdict == "accepted"


def due(received: datetime) -> datetime:
    """24:00 of the third day after the one of receipt, rolled forward to a working day."""
    day = received.astimezone(VN).date() + timedelta(days=3)
    while (day.weekday() >= 5 and day not in SATURDAYS_WORKED) or day in OFFICIAL_DAYS_OFF:
        day += timedelta(days=1)
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), VN)


def unpaid_at(requested: datetime) -> datetime:
    """24:00 of the fifteenth day after the one of the payment request."""
    day = requested.astimezone(VN).date() + timedelta(days=16)
    return datetime.combine(day, datetime.min.time(), VN)


def judge(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what the rules make of each customer of the recording in `folder`."""
    papers: dict[str, list[dict[str, str]]] = {}
    for row in _rows(folder / "documents.csv"):
        papers.setdefault(row["customer_id"], []).append(row)
    happened: dict[str, list[dict[str, str]]] = {}
    for row in _rows(folder / "events.csv"):
        happened.setdefault(row["customer_id"], []).append(row)
    return {
        row["customer_id"]: _Customer(
            row, papers.get(row["customer_id"], []), happened.get(row["customer_id"], [])
        ).live()
        for row in _rows(folder / "subscribers.csv")
    }


def held_at_deadline(folder: Path) -> int:
    """How many certificates rule 3 holds: alive, and incomplete by what came before the day."""
    ended = {"revocation_requested", "key_lost"}
    papers: dict[str, set[str]] = {}
    dead: set[str] = set()
    opened: set[str] = set()
    for row in _rows(folder / "documents.csv"):
        if counts(row["document"], row["form"], row["verdict"]):
            papers.setdefault(row["customer_id"], set()).add(row["document"])
    for row in _rows(folder / "events.csv"):
        if datetime.fromisoformat(row["at"]) >= HOLD_AT:
            continue
        who = row["customer_id"]
        detail = dict(part.split("=", 1) for part in row["detail"].split(";") if part)
        if row["event"] in ended:
            dead.add(who)
        if row["event"] == "photos_uploaded":
            opened.add(who)
        if row["event"] == "document_received" and who not in opened:
            kind = detail["document"]
            if counts(kind, detail["form"], detail["verdict"]):
                papers.setdefault(who, set()).add(kind)
    held = 0
    for row in _rows(folder / "subscribers.csv"):
        who = row["customer_id"]
        alive = who not in dead and _end(row) >= HOLD_AT
        held += bool(alive and REQUIRED[row["kind"]] - papers.get(who, set()))
    return held


def _end(row: dict[str, str]) -> datetime:
    start = datetime.combine(date.fromisoformat(row["valid_from"]), datetime.min.time(), VN)
    start += timedelta(hours=8)
    return start.replace(year=start.year + int(row["years"])) - timedelta(seconds=1)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


class _Customer:
    def __init__(
        self, row: dict[str, str], papers: list[dict[str, str]], events: list[dict[str, str]]
    ) -> None:
        self.required = REQUIRED[row["kind"]]
        self.end = _end(row)
        self.held = {
            each["document"]
            for each in papers
            if counts(each["document"], each["form"], each["verdict"])
        }
        self.events = sorted(events, key=lambda each: datetime.fromisoformat(each["at"]))
        self.holds: set[str] = set()
        self.reason: str | None = None
        self.since: datetime | None = None
        self.case: dict[str, Any] | None = None
        self.case_held: set[str] = set()

    def live(self) -> dict[str, Any]:
        steps = [(HOLD_AT, 0, None), (REVOKE_AT, 0, None)]
        instants = [(datetime.fromisoformat(each["at"]), 1, each) for each in self.events]
        for at, rank, event in sorted([*steps, *instants], key=lambda step: step[:2]):
            if at > UNTIL:
                break
            self._clocks(at, inclusive=False)
            if rank == 0:
                self._campaign(at)
            elif event is not None:
                self._event(at, event)
        self._clocks(UNTIL, inclusive=True)
        return self._report()

    def _alive(self, at: datetime) -> bool:
        return at <= self.end and self.reason is None

    def _campaign(self, at: datetime) -> None:
        if not self._alive(at):
            return
        if at == HOLD_AT and self.required - self.held:
            self._hold("dossier", at)
        if at == REVOKE_AT and "dossier" in self.holds:
            self._revoke("privilegeWithdrawn", at)

    def _hold(self, source: str, at: datetime) -> None:
        if not self.holds:
            self.since = at
        self.holds.add(source)

    def _revoke(self, reason: str, at: datetime) -> None:
        self.reason, self.since, self.holds = reason, at, set()

    def _event(self, at: datetime, event: dict[str, str]) -> None:
        detail = dict(part.split("=", 1) for part in event["detail"].split(";") if part)
        name = event["event"]
        if name == "document_received":
            self._paper(at, detail)
        elif name == "hold_ordered" and self._alive(at):
            self._hold("authority", at)
        elif name == "revocation_requested" and self._alive(at):
            self._revoke("cessationOfOperation", at)
        elif name == "key_lost" and self._alive(at):
            self._revoke("keyCompromise", at)
        else:
            self._remedy(at, name, detail)

    def _paper(self, at: datetime, detail: dict[str, str]) -> None:
        if not counts(detail["document"], detail["form"], detail["verdict"]):
            return
        if self.case is not None:
            self.case_held.add(detail["document"])
            self._activate(at)
            return
        self.held.add(detail["document"])
        if not self.required - self.held and "dossier" in self.holds and self._alive(at):
            self.holds.remove("dossier")
            if not self.holds:
                self.since = at

    def _remedy(self, at: datetime, name: str, detail: dict[str, str]) -> None:
        case = self.case
        if name == "photos_uploaded" and case is None:
            self.case = {"state": "opened", "certificate": None, "token": None}
        elif case is None:
            return
        elif name == "video_verified" and case["state"] == "opened":
            case["state"] = "verified"
        elif name == "payment_requested" and case["state"] == "verified":
            case |= {"state": "requested", "unpaid_at": unpaid_at(at)}
        elif name == "payment_received" and case["state"] == "requested":
            case["state"] = "paid"
        elif name == "token_shipped" and case["state"] == "paid":
            case |= {"state": "shipped", "token": "shipped"}
            case["certificate"] = ("hold", "certificateHold", at)
        elif name == "token_received" and case["state"] == "shipped":
            case |= {"state": "received", "token": "delivered", "due": due(at)}
            self._activate(at)

    def _activate(self, at: datetime) -> None:
        case = self.case or {}
        if case.get("state") == "received" and not self.required - self.case_held:
            case |= {"state": "activated", "token": "activated"}
            case["certificate"] = ("good", None, at)

    def _clocks(self, at: datetime, *, inclusive: bool) -> None:
        case = self.case or {}
        for state, key in (("requested", "unpaid_at"), ("received", "due")):
            when = case.get(key)
            if case.get("state") != state or when is None:
                continue
            if when < at or (inclusive and when == at):
                if state == "requested":
                    case["state"] = "unpaid"
                else:
                    case |= {"state": "forfeited", "token": "permanently_locked"}
                    case["certificate"] = ("revoked", "privilegeWithdrawn", when)

    def _report(self) -> dict[str, Any]:
        if self.reason:
            status, reason = "revoked", self.reason
        elif self.end < UNTIL:
            status, reason = "expired", None
        elif self.holds:
            status, reason = "hold", "certificateHold"
        else:
            status, reason = "good", None
        remedy = None
        if self.case is not None:
            final = {"activated", "forfeited", "unpaid"}
            state = self.case["state"] if self.case["state"] in final else "open"
            remedy = {"state": state, "token": self.case["token"], "certificate": None}
            if self.case["certificate"]:
                kept = dict(
                    zip(("status", "reason", "since"), self.case["certificate"], strict=True)
                )
                remedy["certificate"] = kept
        return {
            "certificate": {
                "status": status,
                "reason": reason,
                "since": self.since,
                "holds": sorted(self.holds),
            },
            "dossier": "incomplete" if self.required - self.held else "complete",
            "remedy": remedy,
        }
