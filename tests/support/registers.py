"""Makes up registers like the sample spring's: other customers, papers and events, from a seed."""

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app import shipped
from tests.support.spring import COPIES, HOLD_AT, ORIGINALS, REQUIRED, REVOKE_AT, UNTIL, VN

STROKES = [
    HOLD_AT - timedelta(seconds=1),
    HOLD_AT,
    HOLD_AT + timedelta(minutes=5),
    REVOKE_AT - timedelta(seconds=1),
    REVOKE_AT,
    REVOKE_AT + timedelta(seconds=1),
    datetime(2024, 4, 26, 23, 59, tzinfo=VN),
]
_ROAD = [
    ("photos_uploaded", "phone=0900000000;email=a@example.com"),
    ("video_verified", "officer=cskh01"),
    ("payment_requested", "amount_vnd=550000"),
    ("payment_received", "amount_vnd=550000"),
    ("token_shipped", ""),
    ("token_received", ""),
]


def make(folder: Path, seed: int, *, customers: int) -> None:
    """Write a made-up recording of `customers` customers into `folder`."""
    chance = random.Random(seed)
    sample = shipped.sample()
    rows = chance.sample(_rows(sample / "subscribers.csv"), customers)
    documents: list[dict[str, str]] = []
    events: list[dict[str, Any]] = []
    for row in rows:
        row["years"] = chance.choice(["1", "2", "2", "3"])
        documents += _papers_before(chance, row)
        events += _life(chance, row)
    events.sort(key=lambda each: datetime.fromisoformat(each["at"]))
    _write(folder / "subscribers.csv", rows)
    _write(folder / "documents.csv", documents)
    _write(folder / "events.csv", events)
    (folder / "requests.pem").write_text((sample / "requests.pem").read_text())


def _papers_before(chance: random.Random, row: dict[str, str]) -> list[dict[str, str]]:
    whole = chance.random() < 0.5
    return [
        {
            "customer_id": row["customer_id"],
            "document": kind,
            "form": _form(chance, kind, sound=whole or chance.random() < 0.6),
            "received_on": "2024-02-15",
            "verdict": "accepted" if whole else chance.choice(["accepted", "rejected", "pending"]),
            "note": "",
        }
        for kind in sorted(REQUIRED[row["kind"]])
        if whole or chance.random() < 0.8
    ]


def _life(chance: random.Random, row: dict[str, str]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []

    def happen(at: datetime, event: str, detail: str) -> None:
        who = row["customer_id"]
        events.append({"at": at.isoformat(), "customer_id": who, "event": event, "detail": detail})

    def bring(at: datetime, *, all_sound: bool) -> None:
        for kind in sorted(REQUIRED[row["kind"]]):
            sound = all_sound or chance.random() < 0.7
            verdict = (
                "accepted" if all_sound else chance.choice(["accepted", "accepted", "pending"])
            )
            form = _form(chance, kind, sound=sound)
            happen(at, "document_received", f"document={kind};form={form};verdict={verdict}")

    for _ in range(chance.choice([0, 0, 1, 2])):
        at = chance.choice([*STROKES, _some_time(chance)])
        bring(at, all_sound=chance.random() < 0.7)
    for event in ("hold_ordered", "revocation_requested", "key_lost"):
        if chance.random() < 0.12:
            by = (
                "by=authority;ref=QD-1/2024"
                if event == "hold_ordered"
                else "by=subscriber;verified=yes"
            )
            happen(_some_time(chance), event, by)
    if chance.random() < 0.6:
        _road(chance, row, happen, bring)
    return events


def _road(chance: random.Random, row: dict[str, str], happen: Any, bring: Any) -> None:
    at = _some_time(chance)
    steps = _ROAD if chance.random() < 0.7 else _ROAD[: chance.randrange(1, len(_ROAD))]
    for event, detail in steps:
        shipped_token = f"token=T{row['customer_id']}"
        happen(at, event, shipped_token if event == "token_shipped" else detail)
        at += timedelta(
            hours=chance.choice([1, 20, 30, 100 if event != "payment_requested" else 400])
        )
        if chance.random() < 0.1:
            bring(at, all_sound=chance.random() < 0.5)
    received = at
    for _ in range(chance.choice([0, 1, 1, 2])):
        midnight = received.replace(hour=0, minute=0, second=0)
        late = midnight + timedelta(days=chance.choice([1, 2, 3, 4, 5, 6]))
        bring(late + timedelta(hours=chance.choice([0, 9])), all_sound=chance.random() < 0.7)


def _some_time(chance: random.Random) -> datetime:
    start = datetime(2024, 3, 21, tzinfo=VN)
    return start + timedelta(minutes=chance.randrange(int((UNTIL - start).total_seconds() // 60)))


def _form(chance: random.Random, kind: str, *, sound: bool) -> str:
    if not sound:
        return "scan"
    return "paper_original" if kind in ORIGINALS else chance.choice(sorted(COPIES))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    sample = shipped.sample() / path.name
    with sample.open(encoding="utf-8") as stream:
        columns = next(csv.reader(stream))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
