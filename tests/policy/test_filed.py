"""Requests in files: the feed of ended subscribers, and resellers' files, each row done once."""

import csv
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from ca.model import Certificate, Status
from core import serials
from core.clock import SetClock
from core.database import Database
from core.errors import Invalid, Refused
from core.reasons import Reason
from policy import feed, resellers
from policy.filed import Outcome, Result
from policy.rulebook import load
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import RULES, TEXT
from tests.support.office import Bureau

START = datetime(2024, 3, 1, 1, 0, tzinfo=UTC)
SOURCE = "Thông báo 12/TB-ĐKKD"


def _file(folder: Path, header: tuple[str, ...], *rows: tuple[str, ...]) -> Path:
    path = folder / f"file-{len(list(folder.iterdir()))}.csv"
    with path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows([header, *rows])
    return path


def _feed(folder: Path, *rows: tuple[str, ...]) -> Path:
    return _file(folder, ("tax_code", "ended_on", "source"), *rows)


def _asks(folder: Path, *rows: tuple[Certificate | str, str]) -> Path:
    texts = [
        (each if isinstance(each, str) else serials.to_hex(each.serial), act, "Công văn 7")
        for each, act in rows
    ]
    return _file(folder, ("Số sê-ri", "Yêu cầu", "Văn bản của khách hàng"), *texts)


def _outcomes(results: list[Result]) -> list[Outcome]:
    return [each.outcome for each in results]


def _hashes(bureau: Bureau, act: str) -> list[object]:
    return [json.loads(each.detail)["sha256"] for each in bureau.trail() if each.act == act]


def test_dissolved_organisations_are_revoked_when_somebody_says_so(
    bureau: Bureau, tmp_path: Path
) -> None:
    """A feed only answers; applied, it revokes as cessationOfOperation; again, it does nothing."""
    issued = bureau.enrol("KH00001")
    bureau.move("2024-04-10 09:00")
    path = _feed(tmp_path, ("9900000001", "2024-04-09", SOURCE), ("9900000077", "2024-04-09", "x"))
    told = list(feed.carry_out(bureau.office, path))
    assert _outcomes(told) == [Outcome.WOULD, Outcome.UNKNOWN]
    assert bureau.now(issued).standing.status is Status.GOOD
    assert _hashes(bureau, "feed.dissolved") == []
    done = list(feed.carry_out(bureau.office, path, apply=True))
    assert _outcomes(done) == [Outcome.DONE, Outcome.UNKNOWN]
    after = bureau.now(issued).standing
    assert (after.status, after.reason) == (Status.REVOKED, Reason.CESSATION_OF_OPERATION)
    assert SOURCE in repr(bureau.decisions("KH00001")[-1])
    again = list(feed.carry_out(bureau.office, path, apply=True))
    assert _outcomes(again) == [Outcome.DONE_BEFORE, Outcome.UNKNOWN]
    assert len(bureau.decisions("KH00001")) == 2
    assert len(_hashes(bureau, "feed.dissolved")) == 2


@pytest.mark.parametrize(
    "row",
    [
        ("", "2024-03-01", SOURCE),
        ("9900000001", "2024-03-01", ""),
        ("9900000001", "01/03/2024", SOURCE),
        ("9900000001", "2034-01-01", SOURCE),
        ("9900000001", "2024-03-01"),
    ],
)
def test_rows_of_the_feed_that_cannot_be_used_are_refused(
    lite: Bureau, tmp_path: Path, row: tuple[str, ...]
) -> None:
    """A row without its code, day or source, or of a day ahead, is refused and stops no other."""
    issued = lite.enrol("KH00001")
    good = ("9900000001", "2024-02-29", SOURCE)
    found = list(feed.carry_out(lite.office, _feed(tmp_path, row, good), apply=True))
    assert _outcomes(found) == [Outcome.REFUSED, Outcome.DONE]
    assert lite.now(issued).revoked


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_inside_a_feed(lite: Bureau, tmp_path: Path, *, persisted: bool) -> None:
    """After a crash at a row's commit the same file, brought again, does each row exactly once."""
    for name in ("KH00001", "KH00002"):
        lite.enrol(name)
    day = "2024-02-29"
    path = _feed(tmp_path, ("9900000001", day, SOURCE), ("9900000002", day, SOURCE))
    crashing = lite.on(CrashingDatabase(lite.db, 2, persisted=persisted)).office
    with pytest.raises(Crash):
        list(feed.carry_out(crashing, path, apply=True))
    first = Outcome.DONE_BEFORE if persisted else Outcome.DONE
    again = list(feed.carry_out(lite.office, path, apply=True))
    assert _outcomes(again) == [first, Outcome.DONE]
    for name in ("KH00001", "KH00002"):
        assert len(lite.decisions(name)) == 2
        assert lite.all_of(name)[0].revoked


def test_resellers_file_is_answered_row_by_row(bureau: Bureau, tmp_path: Path) -> None:
    """Own serials are done, foreign and unknown ones are told alike, wrong acts are refused."""
    own = bureau.enrol("KH00001")
    bureau.enter("KH00002", reseller="DL02")
    bureau.bring("KH00002", "contract")
    foreign = bureau.enrol("KH00003")
    path = _asks(
        tmp_path, (own, "Tạm dừng"), ("4F0A12C3", "suspend"), (own, "delete"), ("xyz", "suspend")
    )
    found = list(resellers.carry_out(bureau.office, path, "DL01", verified=True, apply=True))
    outcomes = [Outcome.DONE, Outcome.UNKNOWN, Outcome.REFUSED, Outcome.REFUSED]
    assert _outcomes(found) == outcomes
    assert bureau.now(own).standing.status is Status.HOLD
    (sha256,) = _hashes(bureau, "reseller.file")
    assert len(str(sha256)) == 64
    theirs = list(
        resellers.carry_out(
            bureau.office, _asks(tmp_path, (foreign, "revoke")), "DL02", verified=True, apply=True
        )
    )
    assert _outcomes(theirs) == [Outcome.UNKNOWN]
    assert theirs[0].sentence.startswith("No customer of DL02 has a certificate")
    assert bureau.now(foreign).standing.status is Status.GOOD


def test_resellers_row_is_done_once_for_a_campaign(lite: Bureau, tmp_path: Path) -> None:
    """By serial, act and campaign a row is done once; a new file without one may ask again."""
    own = lite.enrol("KH00001")
    first, second = (_asks(tmp_path, *rows) for rows in ([(own, "suspend")], [(own, "restore")]))
    third = _asks(tmp_path, (own, "suspend"), ("4F0A12C3", "suspend"))

    def done(path: Path, campaign: str = "") -> Outcome:
        found = resellers.carry_out(
            lite.office, path, "DL01", campaign=campaign, verified=True, apply=True
        )
        return next(iter(found)).outcome

    assert done(first, "spring") is Outcome.DONE
    assert done(second, "spring") is Outcome.DONE
    assert done(third, "spring") is Outcome.DONE_BEFORE
    assert lite.now(own).standing.status is Status.GOOD
    assert done(third) is Outcome.DONE
    assert done(third) is Outcome.DONE_BEFORE


def test_letters_are_verified_before_anything_is_done(lite: Bureau, tmp_path: Path) -> None:
    """A file whose letters nobody checked is answered as the rulebook does, and changes nothing."""
    own = lite.enrol("KH00001")
    path = _asks(tmp_path, (own, "revoke"))
    (found,) = resellers.carry_out(lite.office, path, "DL01", apply=True)
    assert found.outcome is Outcome.REFUSED
    assert "not verified" in found.sentence
    (would,) = resellers.carry_out(lite.office, path, "DL01", verified=True)
    assert would.outcome is Outcome.WOULD
    assert lite.now(own).standing.status is Status.GOOD


def test_resellers_month_has_a_cap(lite: Bureau, tmp_path: Path) -> None:
    """The cap counts each reseller's acts in the civil month; the next month begins anew."""
    capped = load(TEXT.replace("most_per_month = 200", "most_per_month = 1"))
    office = replace(lite.office, rulebooks=(capped,))
    one, two = lite.enrol("KH00001"), lite.enrol("KH00002")
    path = _asks(tmp_path, (one, "suspend"), (two, "suspend"))

    def bring() -> list[Result]:
        return list(resellers.carry_out(office, path, "DL01", verified=True, apply=True))

    first = bring()
    assert _outcomes(first) == [Outcome.DONE, Outcome.REFUSED]
    assert "the limit is 1" in first[1].sentence
    lite.move("2024-03-31 23:59")
    assert _outcomes(bring()) == [Outcome.DONE_BEFORE, Outcome.REFUSED]
    lite.move("2024-04-01 00:00")
    assert _outcomes(bring()) == [Outcome.DONE_BEFORE, Outcome.DONE]


def test_two_files_at_once_stay_under_the_cap(db_url: str, tmp_path: Path) -> None:
    """Two processes that bring files at once share the cap: the later one counts the earlier's."""
    bureau = Bureau(Database(db_url), SetClock(START))
    capped = load(TEXT.replace("most_per_month = 200", "most_per_month = 1"))
    both = threading.Barrier(2)
    paths = [_asks(tmp_path, (bureau.enrol(f"KH{number:05}"), "suspend")) for number in (1, 2)]

    def meet(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        # Both would be here before either has committed, if nothing kept them apart.
        if statement.startswith("INSERT INTO filed_request"):
            with suppress(threading.BrokenBarrierError):
                both.wait(timeout=0.5)

    def bring(path: Path) -> list[Result]:
        own = Database(db_url)
        event.listen(own.engine, "before_cursor_execute", meet)
        office = replace(bureau.office, db=own, rulebooks=(capped,))
        found = list(resellers.carry_out(office, path, "DL01", verified=True, apply=True))
        own.dispose()
        return found

    with ThreadPoolExecutor(2) as pool:
        outcomes = [_outcomes(each) for each in pool.map(bring, paths)]
    assert sorted(outcomes) == [[Outcome.DONE], [Outcome.REFUSED]]
    bureau.db.dispose()


def test_rulebook_without_terms_takes_no_files(lite: Bureau, tmp_path: Path) -> None:
    """Where the rulebook has no terms for resellers nothing is read; a wrong header stops it."""
    office = replace(lite.office, rulebooks=(RULES.model_copy(update={"resellers": None}),))
    path = _asks(tmp_path, ("4F0A12C3", "suspend"))
    with pytest.raises(Refused, match="takes no files"):
        next(resellers.carry_out(office, path, "DL01"))
    with pytest.raises(Invalid, match="header"):
        next(resellers.carry_out(lite.office, _feed(tmp_path), "DL01"))
    with pytest.raises(Invalid, match="no place"):
        load(TEXT.replace('suspend_ground = "subscriber_pause"', 'suspend_ground = "key_lost"'))


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_inside_a_resellers_file(lite: Bureau, tmp_path: Path, *, persisted: bool) -> None:
    """Brought again after a crash, a reseller's row is done exactly once and counted once."""
    own = lite.enrol("KH00001")
    path = _asks(tmp_path, (own, "suspend"))
    crashing = lite.on(CrashingDatabase(lite.db, 2, persisted=persisted)).office
    with pytest.raises(Crash):
        list(resellers.carry_out(crashing, path, "DL01", verified=True, apply=True))
    assert (lite.now(own).standing.status is Status.HOLD) == persisted
    (again,) = resellers.carry_out(lite.office, path, "DL01", verified=True, apply=True)
    assert again.outcome is (Outcome.DONE_BEFORE if persisted else Outcome.DONE)
    assert lite.now(own).standing.status is Status.HOLD
    assert len(lite.decisions("KH00001")) == 2
