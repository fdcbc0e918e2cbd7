"""The sample spring, replayed once for all tests that look at it."""

from pathlib import Path
from typing import Any

import pytest

from app import recording, report, shipped
from app.create import Plan
from app.replay import Dates, Outcome, replay
from hsm.mechanisms import KeyKind

FAST = Plan(root_kind=KeyKind.P_256)
"""A root that is made at once; what is replayed does not hang on it."""


@pytest.fixture(scope="session")
def spring(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The sample spring as recorded, lived through to its end."""
    home = tmp_path_factory.mktemp("spring")
    return replay(recording.read(shipped.sample()), home, dates=Dates(), plan=FAST)


@pytest.fixture(scope="session")
def spring_report(spring: Outcome) -> dict[str, Any]:
    """The report on the sample spring."""
    return report.build(spring)


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder of the sample recording."""
    return shipped.sample()
