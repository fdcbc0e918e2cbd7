"""What is installed: pinned, explained, and the same from every place."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([a-z0-9.-]+)(?:\[[a-z]+\])?==(\S+)", re.MULTILINE)


def _pins(name: str) -> set[tuple[str, str]]:
    return set(_PIN.findall((ROOT / name).read_text(encoding="utf-8")))


def _system_packages() -> set[str]:
    script = (ROOT / "deploy" / "setup.sh").read_text(encoding="utf-8")
    return {name for found in re.findall(r"packages\+?=\((.+)\)", script) for name in found.split()}


def _explained() -> set[str]:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    return {name.strip().split("\\[")[0] for row in rows for name in row.split(",")}


@pytest.mark.parametrize("kind", ["requirements", "requirements-dev"])
def test_lock_follows(kind: str) -> None:
    """The lock file holds exactly the versions that its source asks for."""
    wanted = _pins(f"{kind}.in")
    assert wanted
    assert wanted <= _pins(f"{kind}.lock")


def test_development_lock_is_superset() -> None:
    """Tests run with the very versions that an instance runs with."""
    assert _pins("requirements.lock") < _pins("requirements-dev.lock")


@pytest.mark.parametrize("kind", ["requirements", "requirements-dev"])
def test_lock_names_no_place(kind: str) -> None:
    """A lock file works with any index: it names no address and no folder."""
    lock = (ROOT / f"{kind}.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|^--(?:index|extra|find|trusted)|^\s*#.*[ ]/", lock, re.MULTILINE)


def test_every_dependency_is_explained() -> None:
    """The page on dependencies has a line for each direct one, and for no other."""
    direct = {name for name, _ in _pins("requirements.in") | _pins("requirements-dev.in")}
    heads = {"package"}
    assert _explained() - heads == direct | _system_packages()
