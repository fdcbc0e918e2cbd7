"""Official numbers in Vietnamese names: the label that stands before one, and what it can be. Pure.

A label does not decide what a document is: real certificates hold `CMND:` before the 12 digits of
a CCCD. So a number is kept with its label, and `kinds` says what its shape allows.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    """The prefixes in use, as written before the number."""

    MST = "MST"
    MNS = "MNS"
    QD = "QĐ"
    BHXH = "BHXH"
    MDV = "MDV"
    CMND = "CMND"
    CCCD = "CCCD"
    HC = "HC"


class Kind(StrEnum):
    """What a number can be, by its shape alone."""

    TAX_CODE = "tax_code"
    BRANCH_TAX_CODE = "branch_tax_code"
    PERSONAL_NUMBER = "personal_number"
    OLD_IDENTITY_CARD = "old_identity_card"
    PASSPORT = "passport"


PERSONS = frozenset({Label.CMND, Label.CCCD, Label.HC})
"""The labels of a person's documents; all others belong to organisations."""

_SHAPES = {
    Kind.TAX_CODE: re.compile(r"\d{10}"),
    Kind.BRANCH_TAX_CODE: re.compile(r"\d{10}-(?!000)\d{3}"),
    Kind.PERSONAL_NUMBER: re.compile(r"\d{12}"),
    Kind.OLD_IDENTITY_CARD: re.compile(r"\d{9}"),
    Kind.PASSPORT: re.compile(r"[A-Z]\d{7,8}"),
}
# A personal number is a tax code too, from 2025-07-01 on.
_EXPECTED = {
    Label.MST: {Kind.TAX_CODE, Kind.BRANCH_TAX_CODE, Kind.PERSONAL_NUMBER},
    Label.CMND: {Kind.OLD_IDENTITY_CARD},
    Label.CCCD: {Kind.PERSONAL_NUMBER},
    Label.HC: {Kind.PASSPORT},
}
_LABELLED = re.compile(
    r"\s*(MST|MNS|Q[ĐD]|BHXH|MDV|CMND|CMTND|CCCD|CC|HC)\s*[:\uFF1A]\s*(\S.*?)\s*", re.IGNORECASE
)
_WRITTEN = {"QD": Label.QD, "CMTND": Label.CMND, "CC": Label.CCCD}
# ETSI EN 319 412-1 5.1.3 and 5.1.4: three letters, the country, a hyphen, the number.
_SEMANTIC = re.compile(r"(VAT|TIN|NTR|IDC|PNO|PAS)VN-(\S+)", re.IGNORECASE)
_MEANT = {
    "VAT": Label.MST, "TIN": Label.MST, "NTR": Label.MST,
    "IDC": Label.CCCD, "PNO": Label.CCCD, "PAS": Label.HC,
}  # fmt: skip
_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """One number as a name bears it: its label, None where there was none, and the number."""

    label: Label | None
    number: str

    @property
    def kinds(self) -> frozenset[Kind]:
        """What the number can be by its shape; empty when it looks like none that we know."""
        return frozenset(kind for kind, shape in _SHAPES.items() if shape.fullmatch(self.number))

    @property
    def of_person(self) -> bool:
        """Whether it names a person and not an organisation."""
        if self.label is None:
            return self.kinds <= {Kind.PERSONAL_NUMBER, Kind.OLD_IDENTITY_CARD, Kind.PASSPORT}
        return self.label in PERSONS

    @property
    def doubts(self) -> tuple[str, ...]:
        """Sentences for the officer: nothing here is a refusal (a failed check is a warning)."""
        return tuple(_doubts(self))

    def __str__(self) -> str:
        """The identifier as our own certificates hold it."""
        return self.number if self.label is None else f"{self.label}:{self.number}"


def read(text: str) -> Identifier | None:
    """Return the identifier that `text` is, None when it is something else (a name, an address).

    Understood are labels with a colon, ETSI's semantic forms, and bare numbers.
    """
    if labelled := _LABELLED.fullmatch(text):
        word = labelled[1].upper()
        return Identifier(label=_WRITTEN.get(word) or Label(word), number=_number(labelled[2]))
    if semantic := _SEMANTIC.fullmatch(text.strip()):
        return Identifier(label=_MEANT[semantic[1].upper()], number=_number(semantic[2]))
    bare = Identifier(label=None, number=_number(text))
    return bare if bare.kinds else None


def check_digit_fits(tax_code: str) -> bool:
    """Whether the tenth digit of a tax code is right: 10 - (weighted sum mod 11), 10 being none."""
    total = sum(int(digit) * weight for digit, weight in zip(tax_code, _WEIGHTS, strict=False))
    return 10 - total % 11 == int(tax_code[9])


def _number(text: str) -> str:
    return re.sub(r"\s+", "", text).upper()


def _doubts(found: Identifier) -> list[str]:
    doubts = []
    expected = _EXPECTED.get(found.label) if found.label else None
    if expected is not None and not expected & found.kinds:
        seen = " or ".join(sorted(found.kinds)) or "no number that we know"
        doubts.append(
            f"{found} is labelled {found.label} but looks like {seen}; look at the paper."
        )
    tax_codes = {Kind.TAX_CODE, Kind.BRANCH_TAX_CODE}
    if (
        found.label in (Label.MST, None)
        and tax_codes & found.kinds
        and not check_digit_fits(found.number)
    ):
        doubts.append(f"The check digit of {found} does not fit; compare it with the register.")
    return doubts
