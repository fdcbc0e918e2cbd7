"""Crashes at every commit point, in pairs: before the commit happened, and right after it did.

Whatever crashed, the next run publishes a sound CRL that tells every change, and no number is used
for two CRLs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core import durable
from core.database import Database, Tx
from core.errors import Conflict, Unavailable
from crl import publish, reading
from crl.records import signed
from crl.schedule import publish_if_due
from crl.targets import Directory, Parcel
from tests.crl.stage import Stage

COMMITS = {1: "number", 2: "list", 3: "store", 4: "delivered", 5: "forgotten"}


class Crash(BaseException):
    """The machine stops here."""


class CrashingDatabase(Database):
    """A database whose nth commit crashes: before it happened, or right after it did."""

    def __init__(self, db: Database, at: int, *, persisted: bool) -> None:
        """Crash at commit number `at`, counted from 1; `persisted` says whether it happened."""
        self.engine = db.engine
        self._at = at
        self._persisted = persisted
        self.commits = 0

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """Begin a transaction whose commit may be the crash."""
        self.commits += 1
        crash = self.commits == self._at
        with super().begin() as tx:
            yield tx
            if crash and not self._persisted:
                raise Crash
        if crash:
            raise Crash


def test_commits_are_counted(stage: Stage) -> None:
    """A publication to one target has the five commits that are crashed below."""
    db = CrashingDatabase(stage.db, 0, persisted=True)
    stage.revoke(stage.issue())
    stage.publish(db=db)
    assert db.commits == len(COMMITS)


@pytest.mark.parametrize("persisted", [False, True], ids=["failed", "persisted"])
@pytest.mark.parametrize("at", COMMITS, ids=COMMITS.values())
def test_crash_at_commit(both: Stage, at: int, *, persisted: bool) -> None:
    """After a crash at any commit the next run brings out what is due, by the ordinary steps."""
    before = both.issue()
    both.revoke(before)
    both.publish()
    both.pass_time()
    after = both.issue()
    both.revoke(after)
    with pytest.raises(Crash):
        both.publish(db=CrashingDatabase(both.db, at, persisted=persisted))
    assert set(both.listed()) >= {before.serial}
    both.pass_time()
    _run(both)
    assert set(both.listed()) == {before.serial, after.serial}
    _assert_sound(both)


def _run(stage: Stage) -> None:
    publish_if_due(
        stage.db, stage.clock.now(), issuer="issuing", key=stage.key,
        settings=stage.settings, targets=stage.targets,
    )  # fmt: skip


def _assert_sound(stage: Stage) -> None:
    """Each number stands for one CRL, all are in the history, and the newest one is shown."""
    with stage.db.read() as tx:
        crls = signed.history(tx, stage.issuer.issuer.id)
        lacking = signed.undelivered(tx, stage.issuer.issuer.id, "directory")
    assert lacking == []
    numbers = [crl.number for crl in crls]
    assert numbers == sorted(set(numbers), reverse=True)
    for crl in crls:
        assert len(stage.path(f"issuing/history/{crl.number}.crl").read_bytes()) == crl.size
    newest = stage.path(f"issuing/history/{numbers[0]}.crl")
    assert stage.path().read_bytes() == newest.read_bytes()


class CrashingDirectory(Directory):
    """A folder that crashes before or after one of its steps."""

    def __init__(self, folder: Path, step: str, *, persisted: bool) -> None:
        """Crash at `step`: keep, show or tidy."""
        super().__init__(folder)
        self._step = step
        self._persisted = persisted

    def keep(self, parcel: Parcel) -> None:
        """Keep the CRL, or crash."""
        self._perform("keep", parcel)

    def show(self, parcel: Parcel) -> None:
        """Show the CRL, or crash."""
        self._perform("show", parcel)

    def tidy(self, parcel: Parcel) -> None:
        """Tidy up, or crash."""
        self._perform("tidy", parcel)

    def _perform(self, step: str, parcel: Parcel) -> None:
        crash = step == self._step
        if not crash or self._persisted:
            getattr(Directory, step)(self, parcel)
        if crash:
            raise Crash


@pytest.mark.parametrize("persisted", [False, True], ids=["failed", "persisted"])
@pytest.mark.parametrize("step", ["keep", "show", "tidy"])
def test_crash_at_target(stage: Stage, step: str, *, persisted: bool) -> None:
    """After a crash inside a target the next run ends what was begun, without a new number."""
    stage.publish()
    stage.pass_time()
    revoked = stage.issue()
    stage.revoke(revoked)
    crashing = CrashingDirectory(stage.folder, step, persisted=persisted)
    with pytest.raises(Crash):
        stage.publish(targets=[crashing])
    _run(stage)
    assert set(stage.listed()) == {revoked.serial}
    _assert_sound(stage)
    with stage.db.read() as tx:
        assert len(signed.history(tx, stage.issuer.issuer.id)) == 2


def test_torn_write(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut while the file is written leaves the published CRL as it was."""
    stage.publish()
    before = stage.path().read_bytes()
    stage.pass_time()
    with monkeypatch.context() as broken:

        def cut(path: Path, content: bytes) -> None:
            path.with_name(".half").write_bytes(content[: len(content) // 2])
            raise Crash

        broken.setattr(durable, "write", cut)
        with pytest.raises(Crash):
            stage.publish()
    assert stage.path().read_bytes() == before
    _run(stage)
    _assert_sound(stage)


def test_signing_fails(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is away leaves the published CRL, and a later run tells the change."""
    stage.publish()
    stage.pass_time()
    stage.revoke(stage.issue())
    with monkeypatch.context() as broken:
        broken.setattr(publish, "sign", _away)
        with pytest.raises(Unavailable):
            stage.publish()
    stage.pass_time()
    _run(stage)
    assert len(stage.listed()) == 1


def _away(*_given: object) -> bytes:
    raise Unavailable("The token is away.")


class FullDisk(Directory):
    """A folder on a disk that is full."""

    def keep(self, parcel: Parcel) -> None:
        """Fail as a full disk does."""
        raise Unavailable(f"{self.folder / parcel.history} cannot be written: disk full.")


def test_one_target_fails(stage: Stage, tmp_path: Path) -> None:
    """A target that fails is named, keeps no other waiting, and gets its CRLs later in order."""
    second = Directory(tmp_path / "second", name="second")
    full = FullDisk(tmp_path / "second", name="second")
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"second: .* disk full"):
            stage.publish(targets=[full, *stage.targets])
        stage.pass_time()
    assert stage.read().extensions
    stage.targets.append(second)
    assert stage.publish().number == 3
    kept = sorted(path.name for path in (tmp_path / "second/issuing/history").iterdir())
    assert kept == ["1.crl", "2.crl", "3.crl"]
    assert (tmp_path / "second/issuing.crl").read_bytes() == stage.path().read_bytes()


def test_restored_backup(stage: Stage, tmp_path: Path) -> None:
    """A database that fell back behind what is published does not step the folder back."""
    other = Directory(tmp_path / "other", name="directory")
    for _ in range(3):
        stage.publish()
        stage.pass_time()
    shown = stage.path().read_bytes()
    with stage.db.begin() as tx:
        tx.exec_driver_sql("INSERT INTO issuer (id, name, parent_id, der, not_before, not_after)"
                           " SELECT 99, 'again', parent_id, der, not_before,"
                           " not_after FROM issuer WHERE name = 'issuing'")  # fmt: skip
    stage.publish(issuer="again", targets=[other])
    younger = (tmp_path / "other/again.crl").read_bytes()
    parcel = Parcel(
        current="issuing.crl",
        history="issuing/history/again.crl",
        heading=reading.outline(younger).heading,
        content=younger,
    )
    with pytest.raises(Conflict, match="step back"):
        Directory(stage.folder).show(parcel)
    assert stage.path().read_bytes() == shown
