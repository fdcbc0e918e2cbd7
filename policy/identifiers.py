"""Tax codes, identity numbers, phones, addresses, pure: what looks wrong, for an officer to check.

A finding is a warning, never a refusal: registers hold codes that were typed wrong decades ago and
are in force all the same. No sentence repeats a value, because warnings are stored in the clear.
"""

import re
from collections.abc import Iterator
from datetime import date

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from stdnum.exceptions import ValidationError
from stdnum.vn import mst

from policy.model import SubscriberKind
from policy.register import Subscriber

_PLACES = range(1, 97)
_LEAST_AGE = 14
_MOBILE = re.compile(r"0[35789]\d{8}")
_COMPANY_NUMBER = re.compile(r"1[89]00\d{4,6}")
_PASSPORT = re.compile(r"[A-Z]\d{7,8}")
_BLANKS = re.compile(r"[\s.-]")
_CCCD_DIGITS = 12
_CMND_DIGITS = 9


def warnings(subscriber: Subscriber, today: date) -> tuple[str, ...]:
    """Return what looks wrong in a subscriber's entry, full sentences without any value."""
    return tuple(_warnings(subscriber, today))


def _warnings(subscriber: Subscriber, today: date) -> Iterator[str]:
    personal = subscriber.personal
    if subscriber.tax_code or subscriber.kind is not SubscriberKind.INDIVIDUAL:
        yield from tax_code(subscriber.tax_code, today)
    if personal.id_number or personal.id_type:
        yield from identity(personal.id_type, personal.id_number, today)
    if personal.phone:
        yield from phone(personal.phone)
    if personal.email:
        yield from address(personal.email)


def tax_code(text: str, today: date) -> Iterator[str]:
    """Yield what is odd in a tax code: 10 digits, 10-3 for a branch, or a 12-digit number.

    Since 2025-07-01 a person's own identity number is their tax code.
    """
    digits = _BLANKS.sub("", text)
    if not digits:
        yield "The tax code is missing; ask for it."
    elif digits.isdigit() and len(digits) == _CCCD_DIGITS:
        yield from _personal_number("tax code", digits, today)
    else:
        try:
            mst.validate(text)
        except ValidationError:
            yield "The tax code fails its check; compare it with the tax authority's register."


def identity(kind: str, number: str, today: date) -> Iterator[str]:
    """Yield what is odd in an identity number; the number is believed before its label.

    Old certificates and forms write CMND before the 12 digits of a CCCD.
    """
    label, written = kind.strip().upper(), _BLANKS.sub("", number).upper()
    found = _kind(written)
    if not found:
        yield "The identity number is of no known form; compare it with the document."
        return
    if found == "CCCD":
        yield from _personal_number("identity number", written, today)
    if label not in _LABELS[found]:
        yield f"The identity number is labelled {_known(label)}, but has the form of a {found}."


def phone(text: str) -> Iterator[str]:
    """Yield what is odd in a phone number, which must be a person's own mobile number."""
    digits = re.sub(r"^(\+84|0084)", "0", _BLANKS.sub("", text))
    if _COMPANY_NUMBER.fullmatch(digits):
        yield "The phone number is a company's service number (1800, 1900), not a person's own."
    elif not _MOBILE.fullmatch(digits):
        yield "The phone number is no Vietnamese mobile number; ask for the person's own."
    elif not phonenumbers.is_valid_number(phonenumbers.parse(digits, "VN")):
        yield "The phone number has a prefix that no mobile network of Vietnam uses; check it."


def address(text: str) -> Iterator[str]:
    """Yield what is odd in an e-mail address by its form; nobody's server is asked."""
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        yield "The e-mail address does not look like one; check it."


_LABELS = {
    "CCCD": frozenset({"CCCD", "CC", "CĂN CƯỚC"}),
    "CMND": frozenset({"CMND", "CMT"}),
    "passport": frozenset({"HC", "PASSPORT", "HỘ CHIẾU"}),
}


def _kind(number: str) -> str:
    if number.isascii() and number.isdigit():
        return {_CCCD_DIGITS: "CCCD", _CMND_DIGITS: "CMND"}.get(len(number), "")
    return "passport" if _PASSPORT.fullmatch(number) else ""


def _known(label: str) -> str:
    # A label is free text of an import: only a word that we know is repeated.
    return label if any(label in each for each in _LABELS.values()) else "otherwise"


def _personal_number(what: str, digits: str, today: date) -> Iterator[str]:
    """Examine 12 digits: 3 of the place, 1 of century and sex, 2 of the year of birth, 6 more."""
    if int(digits[:3]) not in _PLACES:
        yield f"The {what} begins with the code of no province; check it."
    born = 1900 + int(digits[3]) // 2 * 100 + int(digits[4:6])
    if born > today.year - _LEAST_AGE:
        yield f"The {what} says a year of birth under {_LEAST_AGE} years ago; check it."
