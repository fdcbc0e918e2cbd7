"""The import contracts: they cover what they are meant to cover, and nothing is let through."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def _settings() -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    settings: dict[str, Any] = project["tool"]["importlinter"]
    return settings


def test_every_package_is_under_contract() -> None:
    """The contracts look at every package of the product."""
    packages = {path.parent.name for path in ROOT.glob("[a-z]*/__init__.py")}
    assert packages == set(_settings()["root_packages"])


def test_all_tables_are_protected() -> None:
    """Every package's tables have a contract that leaves them to its records."""
    modules = {f"{path.parent.name}.tables" for path in ROOT.glob("[a-z]*/tables.py")}
    contracts = [c for c in _settings()["contracts"] if c["type"] == "protected"]
    assert modules == {name for c in contracts for name in c["protected_modules"]}
    for contract in contracts:
        (tables,) = contract["protected_modules"]
        records = tables.replace("tables", "records")
        assert contract["allowed_importers"] == [records, f"{records}.**", "app.schema"]


def test_no_import_is_ignored() -> None:
    """No contract has an exception."""
    assert not [c["name"] for c in _settings()["contracts"] if "ignore_imports" in c]
