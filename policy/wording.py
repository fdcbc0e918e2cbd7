"""The texts of notices, in Vietnamese and English, filled in strictly.

A text is a file: its subject, its short form for channels of few letters, a blank line, its body.
A name that the text asks for and the notice does not have is an error, never a gap.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from string import Template

from core.errors import Invalid

_ACT = frozenset({"serial", "at", "clause"})
KINDS: Mapping[str, frozenset[str]] = {
    "remind": frozenset({"serial", "missing", "hold_at", "revoke_at", "clause"}),
    "remind_held": frozenset({"serial", "missing", "revoke_at", "clause"}),
    "hold": _ACT | {"missing"},
    "lift": _ACT,
    "revoke": _ACT,
    "activate": _ACT - {"clause"},
    "forfeit": _ACT,
    "close_unpaid": frozenset({"at"}),
    "request_payment": frozenset({"case", "due", "amount"}),
    "extended": frozenset({"case", "due"}),
    "renewal": frozenset({"serial", "end"}),
    "contact_code": frozenset({"code", "end"}),
    "lookup_code": frozenset({"code", "end"}),
}
"""The kinds of notices, and what each of them may name."""

_FRAME = "frame"


class Language(StrEnum):
    """The languages of notices; what a subscriber did not choose is sent in both."""

    VI = "vi"
    EN = "en"
    BOTH = "both"

    @property
    def each(self) -> tuple["Language", ...]:
        """Return the languages to write in, Vietnamese first."""
        return (Language.VI, Language.EN) if self is Language.BOTH else (self,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """Who writes, and where status is looked up."""

    authority: str
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A notice in one language, ready to be read."""

    subject: str
    short: str
    text: str


def write(
    kind: str,
    language: Language,
    values: Mapping[str, str],
    *,
    addressee: str,
    letterhead: Letterhead,
) -> Wording:
    """Return the notice of this kind in one language; raises Invalid when a value is missing."""
    subject, short, _, body = _text(kind, language).split("\n", 3)
    named = {name: values[name] for name in KINDS.get(kind, ()) if name in values}
    frame = {
        "addressee": addressee,
        "body": _fill(body.strip(), named, kind),
        "site": letterhead.site,
        "authority": letterhead.authority,
    }
    return Wording(
        subject=_fill(subject, named, kind),
        short=_fill(short, named, kind),
        text=_fill(_text(_FRAME, language), frame, kind),
    )


def _fill(text: str, values: Mapping[str, str], kind: str) -> str:
    try:
        return Template(text).substitute(values)
    except KeyError as error:
        raise Invalid(
            f"The text of {kind!r} asks for {error.args[0]!r}, which this notice does not have."
        ) from None


@functools.cache
def _text(kind: str, language: Language) -> str:
    if kind not in KINDS and kind != _FRAME:
        raise Invalid(f"There is no text for notices of the kind {kind!r}.")
    path = resources.files("policy").joinpath("texts", f"{kind}.{language}.txt")
    return path.read_text("utf-8")
