"""The measures that hold files and functions small: each takes text and returns findings.

A finding is one line that says where, what, and the limit. Nothing here reads a file, so that
each measure can be shown to fire on a made-up sample.
"""

import ast
import re
from collections.abc import Iterator

MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60
MOST_POSITIONAL = 5
# Names that say nothing about what is inside, so that anything ends up there.
EMPTY_NAMES = frozenset({"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"})

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^()\s]+)(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def long_file(text: str) -> Iterator[str]:
    """Find a file that is longer than a reader keeps in mind."""
    lines = text.count("\n")
    if lines > MOST_FILE_LINES:
        yield f"the file has {lines} lines; the limit is {MOST_FILE_LINES}"


def long_functions(text: str) -> Iterator[str]:
    """Find functions that do more than one thing, by their length."""
    for function in _functions(text):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > MOST_FUNCTION_LINES:
            yield f"{function.name} has {lines} lines; the limit is {MOST_FUNCTION_LINES}"


def positional_crowds(text: str) -> Iterator[str]:
    """Find functions whose calls cannot be read: too many arguments without a name."""
    for function in _functions(text):
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > MOST_POSITIONAL:
            yield (
                f"{function.name} takes {count} positional parameters; "
                f"the limit is {MOST_POSITIONAL}, keyword-only ones are free"
            )


def silent_module(text: str) -> Iterator[str]:
    """Find a module that does not say what it is for."""
    if not ast.get_docstring(ast.parse(text)):
        yield "the module has no docstring"


def unpromising_tests(text: str) -> Iterator[str]:
    """Find tests that do not open with the sentence that they hold true."""
    for function in _functions(text):
        if not function.name.startswith("test_"):
            continue
        promise = (ast.get_docstring(function) or "").split("\n\n")[0].rstrip()
        if not re.fullmatch(r"\S.*\s.*\.", promise, re.DOTALL):
            yield f"{function.name} does not open with a sentence that ends in a full stop"


def empty_name(path: str) -> Iterator[str]:
    """Find a file or a folder whose name says nothing."""
    for part in path.removesuffix(".py").split("/"):
        if part.strip("_") in EMPTY_NAMES:
            yield f"the name {part!r} does not say what is inside"


def links(text: str) -> list[str]:
    """Return the targets of a markdown text's links that stay inside the repository."""
    prose = _CODE.sub("", _FENCED.sub("", text))
    targets = [inline or reference for inline, reference in _LINK.findall(prose)]
    return [target for target in targets if not re.match(r"[a-z][a-z0-9+.-]*:", target)]


def anchors(text: str) -> set[str]:
    """Return the names under which a markdown text's headings can be linked."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading)).lower()
        name, repeat = words.replace(" ", "-"), 0
        while (anchor := f"{name}-{repeat}" if repeat else name) in found:
            repeat += 1
        found.add(anchor)
    return found


def _functions(text: str) -> Iterator[_Function]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, _Function))
