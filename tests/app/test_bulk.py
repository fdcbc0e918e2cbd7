"""Bulk issuance by processes, through the command line: answers, resumption after a kill."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from app import bulk as issuance
from policy import bulk
from tests.support.office import key_request
from tests.support.terminal import Terminal

SIZE = 12
LONG = issuance.BATCH + 20


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """An instance with subscribers whose papers are accepted."""
    opened = Terminal(tmp_path_factory.mktemp("bulk") / "home")
    for number in range(1, 2 * SIZE + 1):
        opened.bring(opened.enter(f"KH{number:05}"))
    yield opened
    opened.close()


def write(path: Path, first: int) -> Path:
    """Write a file with a request for each of SIZE subscribers from number `first` on."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(f"KH{first + n:05}", key_request().decode(), "1") for n in range(SIZE)]
        csv.writer(file).writerows([tuple(bulk.COLUMNS), *rows])
    return path


def answers(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of answers."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_issue_all(terminal: Terminal, tmp_path: Path) -> None:
    """Every row is answered in its place, every certificate lies in the folder, once."""
    file = write(tmp_path / "in.csv", 1)
    with file.open("a", encoding="utf-8") as more:
        more.write("KH99999,no request,1\n")
    words = ("issue-all", file, "--out", tmp_path / "out", "--result", tmp_path / "r.csv")
    said = terminal.run(*words)
    assert said.code == 1
    assert f"{SIZE} issued, 0 issued before, 1 refused, 0 failed" in said.out
    found = answers(tmp_path / "r.csv")
    assert [each["outcome"] for each in found] == ["issued"] * SIZE + ["refused"]
    assert [int(each["line"]) for each in found] == sorted(int(each["line"]) for each in found)
    kept = {each.name for each in (tmp_path / "out").iterdir()}
    assert kept == {f"{each['serial']}.pem" for each in found if each["serial"]}
    first = x509.load_pem_x509_certificate((tmp_path / "out" / min(kept)).read_bytes())
    assert f"{first.serial_number:032X}.pem" == min(kept)
    again = terminal.run(*words)
    assert f"0 issued, {SIZE} issued before" in again.out
    assert {each.name for each in (tmp_path / "out").iterdir()} == kept


def test_another_process_signs(terminal: Terminal, tmp_path: Path) -> None:
    """A long file by one process: where processors are left, another signs; all are in order."""
    file = tmp_path / "in.csv"
    with file.open("w", encoding="utf-8", newline="") as rows:
        table = csv.writer(rows)
        table.writerow(tuple(bulk.COLUMNS))
        for number in range(LONG):
            owner = f"KH{1 + number % (2 * SIZE):05}"
            table.writerow((owner, key_request().decode(), "1"))
    words = ("issue-all", file, "--out", tmp_path / "out", "--result", tmp_path / "r.csv")
    said = terminal.run(*words, "--processes", 1)
    assert said.code == 0, said.err
    assert {each["outcome"] for each in answers(tmp_path / "r.csv")} == {"issued"}
    assert len(list((tmp_path / "out").iterdir())) == LONG


def test_killed_and_resumed(terminal: Terminal, tmp_path: Path) -> None:
    """A run that is killed with all its processes leaves nothing that the next one repeats."""
    file, out = write(tmp_path / "in.csv", SIZE + 1), tmp_path / "out"
    words = ["--home", terminal.home, "issue-all", file, "--out", out]
    command = [sys.executable, "-m", "app.cli", *map(str, words)]
    run = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    while run.poll() is None and not (out.exists() and any(out.iterdir())):
        time.sleep(0.01)
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    said = terminal.run("issue-all", file, "--out", out)
    assert said.code == 0, said.err
    owners = [
        x509.load_pem_x509_certificate(each.read_bytes()).subject.rfc4514_string()
        for each in out.iterdir()
    ]
    assert len(set(owners)) == len(owners) == SIZE


def test_sheets(terminal: Terminal, tmp_path: Path) -> None:
    """What a month brought is written as CSV or workbook, or shown; nonsense is usage."""
    month = f"{datetime.now(UTC):%Y-%m}"
    listed = terminal.run("sheet", "invoices", "--month", month, "--json").json
    for name in ("sheet.csv", "sheet.xlsx"):
        out = tmp_path / name
        said = terminal.run("sheet", "invoices", "--month", month, "--out", out)
        assert said.out.startswith(f"{len(listed)} lines")
    assert len(answers(tmp_path / "sheet.csv")) == len(listed)
    assert terminal.run("sheet", "fees", "--month", month, "--json").code == 0
    assert terminal.run("sheet", "fees", "--month", "April").code == 2
