"""Files of requests: every row is answered, and what was issued is not issued again."""

import csv
from pathlib import Path

import pytest

from core.errors import Invalid
from policy import bulk
from policy.bulk import Asked, Outcome, Result
from policy.model import SubscriberKind, Verdict
from tests.support import dossiers
from tests.support.crash import Crash, CrashingDatabase
from tests.support.office import Bureau, key_request

PAPERS = dossiers.PAPERS[SubscriberKind.ORGANISATION]


def write(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    """Write a file of requests."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([tuple(bulk.COLUMNS), *rows])
    return path


def read(path: Path) -> tuple[list[Asked], list[Result]]:
    """Return the rows that can be used, and the answers to the others."""
    found = list(bulk.read(path))
    asked = [each for each in found if isinstance(each, Asked)]
    return asked, [each for each in found if isinstance(each, Result)]


@pytest.fixture
def ready(bureau: Bureau) -> Bureau:
    """The office with three subscribers, of whom the third brought a forged contract."""
    for name in ("KH00001", "KH00002", "KH00003"):
        bureau.enter(name)
        bureau.bring(name, *PAPERS)
    bureau.bring("KH00003", "contract", verdict=Verdict.FORGED, reason="Con dấu giả.")
    return bureau


def test_every_row_is_answered(ready: Bureau, tmp_path: Path) -> None:
    """Each row gets its certificate or its sentence, and one refusal stops no other."""
    rows = [(name, key_request().decode(), "1") for name in ("KH00001", "KH00003", "KH00002")]
    asked, refused = read(write(tmp_path / "in.csv", [*rows, ("KH99999", rows[0][1], "1")]))
    assert not refused
    found = list(bulk.issue(ready.desk, [asked]))
    assert [each.outcome for each in found] == [
        Outcome.ISSUED, Outcome.REFUSED, Outcome.ISSUED, Outcome.REFUSED
    ]  # fmt: skip
    assert "forged" in found[1].sentence
    assert "'KH99999'" in found[3].sentence
    assert [each.der is None for each in found] == [False, True, False, True]


def test_brought_again(ready: Bureau, tmp_path: Path) -> None:
    """A file with a row added issues that row alone; a refusal is judged anew."""
    rows = [(name, key_request().decode(), "1") for name in ("KH00001", "KH00004")]
    first, _ = read(write(tmp_path / "first.csv", rows))
    before = list(bulk.issue(ready.desk, [first]))
    ready.tick()
    ready.enter("KH00004")
    second, _ = read(
        write(tmp_path / "second.csv", [("KH00002", key_request().decode(), "1"), *rows])
    )
    found = list(bulk.issue(ready.desk, [second]))
    assert [each.outcome for each in found] == [
        Outcome.ISSUED, Outcome.ISSUED_BEFORE, Outcome.ISSUED
    ]  # fmt: skip
    assert found[1].der == before[0].der
    assert [len(ready.all_of(name)) for name in ("KH00001", "KH00002", "KH00004")] == [1, 1, 1]


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("commit", [1, 2, 3, 4, 5, 6])
def test_crash(ready: Bureau, tmp_path: Path, commit: int, *, ahead: bool, persisted: bool) -> None:
    """Whichever commit of two batches fails, or persists and fails, all end with one each."""
    rows = [(name, key_request().decode(), "1") for name in ("KH00001", "KH00002")]
    asked, _ = read(write(tmp_path / "in.csv", rows))
    crashing = CrashingDatabase(ready.db, commit, persisted=persisted)
    with pytest.raises(Crash):
        list(bulk.issue(ready.on(crashing), [[each] for each in asked], ahead=ahead))
    found = list(bulk.issue(ready.desk, [asked]))
    assert all(each.der for each in found)
    assert [len(ready.all_of(name)) for name in ("KH00001", "KH00002")] == [1, 1]


def test_request_beside_the_table(ready: Bureau, tmp_path: Path) -> None:
    """A row may name a file beside the table, and no other."""
    (tmp_path / "a.csr").write_bytes(key_request())
    (tmp_path / "big.csr").write_bytes(bytes(20_000))
    names = ["a.csr", "absent.csr", "../a.csr", "/etc/hostname", "", "big.csr"]
    asked, refused = read(write(tmp_path / "in.csv", [("KH00001", each, "1") for each in names]))
    assert [each.line for each in asked] == [2]
    assert all(each.outcome is Outcome.REFUSED and each.sentence for each in refused)
    assert [each.line for each in refused] == [3, 4, 5, 6, 7]
    assert next(bulk.issue(ready.desk, [asked])).der


@pytest.mark.parametrize("years", ["", "0", "-1", "two", "99", "100", "²", "1.5"])
def test_years(ready: Bureau, tmp_path: Path, years: str) -> None:
    """Years that are no number, or more than the rules allow, are that row's refusal."""
    asked, refused = read(write(tmp_path / "in.csv", [("KH00001", key_request().decode(), years)]))
    found = [*refused, *bulk.issue(ready.desk, [asked])]
    assert [each.outcome for each in found] == [Outcome.REFUSED]
    assert not ready.all_of("KH00001")


def test_repeated_row(ready: Bureau, tmp_path: Path) -> None:
    """A row that stands twice is issued once, and the second says where the first is."""
    request = key_request().decode()
    asked, refused = read(write(tmp_path / "in.csv", [("KH00001", request, "1")] * 2))
    assert [each.outcome for each in bulk.issue(ready.desk, [asked])] == [Outcome.ISSUED]
    (again,) = refused
    assert "repeats line" in again.sentence


def test_key_of_another(ready: Bureau, tmp_path: Path) -> None:
    """One key for two subscribers is refused to the second."""
    request = key_request().decode()
    rows = [(name, request, "1") for name in ("KH00001", "KH00002")]
    asked, _ = read(write(tmp_path / "in.csv", rows))
    found = list(bulk.issue(ready.desk, [asked]))
    assert [each.outcome for each in found] == [Outcome.ISSUED, Outcome.REFUSED]
    assert "another subscriber" in found[1].sentence


def test_file_refused_whole(tmp_path: Path) -> None:
    """A file without the columns, or of no text, is refused before its first row."""
    (tmp_path / "in.csv").write_text("customer_id,request\nKH00001,x\n")
    with pytest.raises(Invalid, match="lacks columns"):
        list(bulk.read(tmp_path / "in.csv"))
