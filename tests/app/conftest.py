"""The sample spring, replayed once through the command line for all tests that look at it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import create, shipped
from app.wiring import Works
from core.clock import SetClock
from hsm.mechanisms import KeyKind
from tests.support.dossiers import TEXT
from tests.support.former import Former
from tests.support.once import once


def antin(*words: object) -> subprocess.CompletedProcess[str]:
    """Run one command of the product to its end."""
    command = [sys.executable, "-m", "app.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def made(home: Path, template: Path, clock: SetClock) -> Works:
    """Make an instance in `home`, on SQLite, with P-256 keys and the rules of 2024."""
    home.mkdir()
    shutil.copy(template, home / "antin.db")
    plan = create.Plan(
        root_kind=KeyKind.P_256, issuing_kind=KeyKind.P_256, rulebooks={"lcs-2024.toml": TEXT}
    )
    return create.create(home, plan, clock=clock)


@pytest.fixture(scope="session")
def spring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sample spring as recorded: `home`, `report.json`, `said`."""

    def live(folder: Path) -> None:
        report, home = folder / "report.json", folder / "home"
        done = antin("--home", home, "replay", shipped.sample(), "--report", report, "--keep")
        assert done.returncode == 0, done.stderr
        (folder / "said").write_text(done.stdout)

    return once(tmp_path_factory, "spring", live)


@pytest.fixture(scope="session")
def spring_report(spring: Path) -> dict[str, Any]:
    """The report on the sample spring."""
    found: dict[str, Any] = json.loads((spring / "report.json").read_text())
    return found


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder of the sample recording."""
    return shipped.sample()


@pytest.fixture(scope="session")
def made_former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A former CA with 6 certificates, two revoked, one on hold, and its CRL number 0x1234."""

    def live(folder: Path) -> None:
        former = Former(folder / "former")
        serials = former.issue(6)
        former.crl()
        former.revoke(serials[0], "keyCompromise")
        former.revoke(serials[1], "superseded")
        former.revoke(serials[2], "certificateHold")
        former.crl()

    return once(tmp_path_factory, "former", live)


@pytest.fixture
def former(made_former: Path, tmp_path: Path) -> Former:
    """A copy of the former CA, for this test alone."""
    shutil.copytree(made_former / "former", tmp_path / "former")
    shutil.copy(made_former / "former.cnf", tmp_path / "former.cnf")
    copy = Former.__new__(Former)
    copy.folder = tmp_path / "former"
    copy._conf = tmp_path / "former.cnf"
    copy._request = tmp_path / "former.csr"
    copy._conf.write_text(copy._conf.read_text().replace(str(made_former), str(tmp_path)))
    return copy
