"""The trail of an instance: sealed by the worker, verified and exported by the command line."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app import check, create, trail, worker
from app.wiring import AUDIT_FOLDER, Works
from core import audit, sealing
from core.clock import SetClock
from core.errors import Conflict
from hsm.mechanisms import KeyKind
from tests.app.conftest import antin
from tests.support.dossiers import TEXT

PROGRAM = Path(__file__).parents[2] / "deploy" / "verify_audit.py"


@pytest.fixture
def works(tmp_path: Path, clock: SetClock, sqlite_template: Path) -> Iterator[Works]:
    """A new instance whose trail has been sealed and signed once."""
    plan = create.Plan(
        root_kind=KeyKind.P_256, issuing_kind=KeyKind.P_256, rulebooks={"lcs-2024.toml": TEXT}
    )
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(sqlite_template, home / "antin.db")
    made = create.create(home, plan, clock=clock)
    trail.seal(made)
    yield made
    made.instance.keyring.close()
    made.db.dispose()


def _act(works: Works, count: int = 1) -> None:
    for _ in range(count):
        with works.db.begin() as tx:
            audit.append(tx, at=works.clock.now(), actor="a:b", act="test.act", subject="test:1")


def _examine(works: Works) -> tuple[str, ...]:
    return trail.examine(works, trail.public_key(works)).findings


def _signed(works: Works) -> int:
    with works.db.read() as tx:
        newest = sealing.newest_checkpoint(tx)
    return newest.position if newest else 0


def _sql(works: Works, *statements: str) -> None:
    """Change the database as a thief of its file would: without guards."""
    works.db.dispose()
    with sqlite3.connect(works.instance.home / "antin.db") as thief:
        thief.execute("PRAGMA foreign_keys=OFF")
        names = thief.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            if name.startswith("audit") and "_no_" in name:
                thief.execute(f"DROP TRIGGER {name}")
        for each in statements:
            thief.execute(each)


def test_worker_seals_each_round_and_signs_when_due(works: Works, clock: SetClock) -> None:
    """Each round seals what waits; a checkpoint is signed after an hour, and kept outside too."""
    signed = _signed(works)
    assert signed > 0
    _act(works)
    assert worker.once(works) == []
    report = trail.examine(works, trail.public_key(works))
    assert (report.waiting, report.signed) == (0, signed)
    clock.move_to(clock.now() + timedelta(hours=1))
    assert worker.once(works) == []
    assert _signed(works) == trail.length(works) > signed
    key = trail.public_key(works)
    kept = works.instance.home / AUDIT_FOLDER / trail.KEPT
    assert sealing.read_checkpoint(key, kept.read_text()).position == _signed(works)
    assert _examine(works) == ()


def test_cut_trail_is_found_and_not_signed_again(works: Works, clock: SetClock) -> None:
    """A tail cut out of the database with its checkpoints is found, and no checkpoint hides it."""
    first = _signed(works)
    _act(works, 3)
    trail.seal(works, sign_now=True)
    _sql(
        works,
        f"DELETE FROM audit_link WHERE position > {first}",
        f"DELETE FROM audit_checkpoint WHERE position > {first}",
        "DELETE FROM audit_entry WHERE id NOT IN (SELECT entry_id FROM audit_link)",
    )
    assert any("tail is cut off" in each for each in _examine(works))
    clock.move_to(clock.now() + timedelta(hours=2))
    _act(works, 9)
    with pytest.raises(Conflict, match="cut or rewritten"):
        trail.seal(works)
    assert any("cut or rewritten" in each for each in worker.once(works))
    assert any(name == "audit trail" for name, _ in check.findings(works))


def test_check_says_what_is_late(works: Works, clock: SetClock) -> None:
    """Entries that nobody seals, and sealed ones that nobody signs, are late after three hours."""
    _act(works)
    assert trail.delays(works) == []
    clock.move_to(clock.now() + timedelta(hours=4))
    assert "wait for their seal" in trail.delays(works)[0]
    sealing.seal(works.db)
    assert "1 entries are unsigned" in trail.delays(works)[0]
    trail.seal(works)
    assert trail.delays(works) == []


def _cut(at: Callable[[bytes], int]) -> Callable[[bytes], bytes]:
    return lambda content: content[: at(content)]


@pytest.mark.parametrize(
    "cut",
    [
        _cut(lambda _: 0),
        _cut(lambda _: 7),
        _cut(lambda content: content.index(b"\n") + 1),
        _cut(lambda content: content.index(b'"position":1}') + 5),
        _cut(lambda content: content.index(b'"position":1}') + 14),
        _cut(lambda content: content.index(b'"position":3}') + 14),
        _cut(lambda content: content.rindex(b'{"checkpoint"')),
        _cut(lambda content: content.rindex(b'{"end"') + 3),
        _cut(len),
    ],
)
def test_interrupted_export_goes_on(
    works: Works, tmp_path: Path, cut: Callable[[bytes], bytes]
) -> None:
    """Wherever an export was interrupted, it goes on to the same bytes, also after new entries."""
    whole, again = tmp_path / "whole.jsonl", tmp_path / "again.jsonl"
    entries = trail.export(works, whole)
    part = again.with_name(again.name + trail.PART)
    part.write_bytes(cut(whole.read_bytes()))
    begun = b'"position":2}' in part.read_bytes()
    if begun:
        _act(works)
        trail.seal(works)
    assert trail.export(works, again) == entries
    assert again.read_bytes() == whole.read_bytes()
    assert not part.exists()


def test_export_goes_on_with_its_own_trail_alone(works: Works, tmp_path: Path) -> None:
    """What is there is neither overwritten nor continued when it is of another trail."""
    whole = tmp_path / "whole.jsonl"
    trail.export(works, whole)
    with pytest.raises(Conflict, match="There is a file"):
        trail.export(works, whole)
    (tmp_path / f"other.jsonl{trail.PART}").write_bytes(
        whole.read_bytes().replace(b'"hash":"', b'"hash":"00')
    )
    with pytest.raises(Conflict, match="not the beginning"):
        trail.export(works, tmp_path / "other.jsonl")


@pytest.fixture(scope="session")
def copied(spring: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instance of the sample spring, a copy to be tampered with."""
    home = tmp_path_factory.mktemp("copied") / "home"
    shutil.copytree(spring / "home", home)
    text = (home / "antin.toml").read_text()
    (home / "antin.toml").write_text(text.replace(str(spring / "home"), str(home)))
    return home


def test_replayed_spring_is_sealed(copied: Path, tmp_path: Path) -> None:
    """After a replay every entry is under a checkpoint; the stand-alone program agrees."""
    said = antin("--home", copied, "audit", "verify", "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    (report,) = json.loads(said.stdout)
    assert (report["sound"], report["waiting"]) == (True, 0)
    assert report["sealed"] == report["signed"] > 1000
    file = tmp_path / "trail.jsonl"
    done = antin("--home", copied, "audit", "export", file)
    assert done.returncode == 0, done.stderr
    kept = copied / AUDIT_FOLDER / trail.KEPT
    program = [sys.executable, PROGRAM, file, "--key", copied / "ceremony" / "audit.pub"]
    judged = subprocess.run(
        [*map(str, program), "--kept", str(kept)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert f"The trail of {report['sealed']} entries is sound." in judged.stdout


def test_verify_names_the_place(copied: Path, tmp_path: Path) -> None:
    """A changed entry ends `audit verify` with exit code 1 and the number of its place."""
    home = tmp_path / "home"
    shutil.copytree(copied, home)
    text = (home / "antin.toml").read_text()
    (home / "antin.toml").write_text(text.replace(str(copied), str(home)))
    with sqlite3.connect(home / "antin.db") as thief:
        thief.execute("DROP TRIGGER audit_entry_no_update")
        thief.execute("UPDATE audit_entry SET actor = 'operator:mai' WHERE id = 500")
    said = antin("--home", home, "audit", "verify", "--key", home / "ceremony" / "audit.pub")
    assert said.returncode == 1
    assert "The entry 500 at position 500 was changed" in said.stdout
    assert "is NOT sound" in said.stdout
