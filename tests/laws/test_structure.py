"""The laws of the house that no linter keeps: sizes, names, docstrings, links."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.laws import structure

ROOT = Path(__file__).parents[2]
PRODUCT = ("core", "ca", "hsm", "crl", "ocsp", "policy", "web", "app")
OWN = (*PRODUCT, "tests", "bench")

Measure = Callable[[str], Iterable[str]]
_SOURCE_LAWS: dict[Measure, tuple[str, ...]] = {
    structure.long_file: OWN,
    structure.long_functions: OWN,
    structure.positional_crowds: PRODUCT,
    structure.silent_module: (*OWN, "migrations"),
    structure.unpromising_tests: ("tests",),
}

# (path, law): why this file may break this law. An entry that is not needed fails below.
EXCEPTIONS: dict[tuple[str, str], str] = {}


@functools.cache
def _files(suffix: str) -> list[str]:
    """Every file with this suffix, without hidden folders, instances and build results."""
    found = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [n for n in below if n[0] != "." and n not in ("var", "build", "dist")]
        found += [Path(folder, name) for name in names if name.endswith(suffix)]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _broken(law: Measure) -> dict[str, list[str]]:
    """What each file has against a law, whether excepted or not."""
    packages = _SOURCE_LAWS[law]
    sources = [p for p in _files(".py") if p.split("/")[0] in packages]
    return {path: found for path in sources if (found := list(law(_read(path))))}


@pytest.mark.parametrize("law", _SOURCE_LAWS, ids=lambda law: law.__name__)
def test_law_is_kept(law: Measure) -> None:
    """Every file keeps the law, or its exception is written down with a reason."""
    findings = [
        f"{path}: {finding}"
        for path, found in _broken(law).items()
        if (path, law.__name__) not in EXCEPTIONS
        for finding in found
    ]
    assert not findings, "\n".join(findings)


def test_exceptions_are_needed() -> None:
    """No exception outlives its reason: each one still has a finding to excuse."""
    broken = {(path, law.__name__) for law in _SOURCE_LAWS for path in _broken(law)}
    assert not EXCEPTIONS.keys() - broken


def test_names_speak() -> None:
    """No file or folder has a name under which anything could be put."""
    findings = [f"{path}: {f}" for path in _files(".py") for f in structure.empty_name(path)]
    assert not findings, "\n".join(findings)


def _dead_links(path: str) -> Iterator[str]:
    for link in structure.links(_read(path)):
        target, _, anchor = link.partition("#")
        file = (ROOT / path).parent / target if target else ROOT / path
        if not file.exists():
            yield f"{path} links to {target}, which does not exist"
        elif anchor and anchor not in structure.anchors(file.read_text(encoding="utf-8")):
            yield f"{path} links to {link}, but no heading has that name"


def test_links_resolve() -> None:
    """Every link from one page of the repository to another leads somewhere."""
    findings = [finding for path in _files(".md") for finding in _dead_links(path)]
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize(
    ("law", "good", "bad"),
    [
        (structure.long_file, "a = 1\n" * 400, "a = 1\n" * 401),
        (
            structure.long_functions,
            "def f():\n" + "    a = 1\n" * 59,
            "class C:\n  async def f():\n" + "    a = 1\n" * 60,
        ),
        (
            structure.positional_crowds,
            "def f(self, a, b, c, d, e, *, g, h): ...\n",
            "def f(a, b, c, /, d, e, g): ...\n",
        ),
        (structure.silent_module, '"""Says it."""\n', "# Says it.\n"),
        (
            structure.unpromising_tests,
            'def test_a():\n    """Water is wet."""\ndef other(): ...\n',
            'def test_a():\n    """wetness"""\n',
        ),
        (structure.unpromising_tests, "", "async def test_a(): ...\n"),
        (structure.empty_name, "ca/database.py", "ca/_utils.py"),
        (structure.empty_name, "policy/commons.py", "web/common/forms.py"),
    ],
)
def test_measures_fire(law: Measure, good: str, bad: str) -> None:
    """Each measure passes a sample at its limit and finds one thing in a sample beyond it."""
    assert list(law(good)) == []
    assert len(list(law(bad))) == 1


def test_links_are_found() -> None:
    """Links to the web, in code and in fences are left alone; all others are seen."""
    text = """[a](b.md "title") ![c](d.png) [e](https://example.org) `[f](g.md)`
```
[h](i.md)
```
[j]: k.md#l
"""
    assert structure.links(text) == ["b.md", "d.png", "k.md#l"]


def test_anchors_are_named() -> None:
    """A heading is linked by its words, a repeated one by its words and a number."""
    text = "# Ấn tín: `make`, twice\n## A [b](c.md) d\n## Same\n## Same\n```\n# no\n```\n"
    assert structure.anchors(text) == {"ấn-tín-make-twice", "a-b-d", "same", "same-1"}
