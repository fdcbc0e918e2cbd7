"""The sample spring, replayed once through the command line for all tests that look at it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import shipped
from tests.support.once import once


def antin(*words: object) -> subprocess.CompletedProcess[str]:
    """Run one command of the product to its end."""
    command = [sys.executable, "-m", "app.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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
