"""Identifiers of the register: what looks wrong is told to an officer and refuses nothing."""

from dataclasses import astuple
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import identifiers
from policy.model import SubscriberKind
from policy.records import subscribers
from tests.support.dossiers import at
from tests.support.office import Bureau, person

TODAY = date(2026, 1, 5)


@pytest.mark.parametrize(
    "code",
    ["0100112437", "3500807781", "0106324653", "0100686209-199", "0100686209199", "079185001234"],
)
def test_tax_codes_that_are_in_order(code: str) -> None:
    """Real codes of companies, a branch, and a person's 12-digit number raise no warning."""
    assert list(identifiers.tax_code(code, TODAY)) == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("0101234567", "fails its check"),
        ("0100686209-000", "fails its check"),
        ("01001124", "fails its check"),
        ("MST", "fails its check"),
        ("", "is missing"),
        ("979185001234", "code of no province"),
        ("079225001234", "year of birth"),
    ],
)
def test_tax_codes_to_check(code: str, says: str) -> None:
    """A failed check digit, a wrong length and an impossible personal number are warned of."""
    (warning,) = identifiers.tax_code(code, TODAY)
    assert says in warning


@pytest.mark.parametrize(
    ("kind", "number", "says"),
    [
        ("CCCD", "079185001234", ""),
        ("CMND", "023456789", ""),
        ("HC", "C1234567", ""),
        ("passport", "B12345678", ""),
        ("CMND", "079185001234", "labelled CMND, but has the form of a CCCD"),
        ("CCCD", "023456789", "labelled CCCD, but has the form of a CMND"),
        ("thẻ lạ", "023456789", "labelled otherwise"),
        ("CCCD", "12345", "no known form"),
        ("CCCD", "٠٧٩١٨٥٠٠١٢٣٤", "no known form"),
        ("CCCD", "000185001234", "code of no province"),
        ("CCCD", "079325001234", "year of birth"),
    ],
)
def test_identity_numbers(kind: str, number: str, says: str) -> None:
    """The number tells its kind; a label that says otherwise, and odd digits, are warned of."""
    found = list(identifiers.identity(kind, number, TODAY))
    assert bool(found) is bool(says)
    assert all(says in each for each in found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0912345678", ""),
        ("+84 912 345 678", ""),
        ("0084.35.1234567", ""),
        ("19001234", "service number"),
        ("1800 123456", "service number"),
        ("0212345678", "no Vietnamese mobile"),
        ("091234567", "no Vietnamese mobile"),
        ("0712345678", "no mobile network"),
    ],
)
def test_phone_numbers(text: str, says: str) -> None:
    """Only a person's own mobile number passes without a warning."""
    found = list(identifiers.phone(text))
    assert bool(found) is bool(says)
    assert all(says in each for each in found)


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("dai@rieng-tu.example", False),
        ("dai@công-ty.vn", False),
        ("dai.@example.com", True),
        ("dai@example", True),
        ("dai@exa mple.com", True),
        ("dai@-example.com", True),
    ],
)
def test_addresses(text: str, *, odd: bool) -> None:
    """An address that no mail server could take is warned of; no server is asked."""
    assert bool(list(identifiers.address(text))) is odd


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_examined(kind: str, text: str) -> None:
    """Whatever an import brings, the checks answer with sentences and never fail."""
    found = [
        *identifiers.tax_code(text, TODAY),
        *identifiers.identity(kind, text, TODAY),
        *identifiers.phone(text),
        *identifiers.address(text),
    ]
    assert all(each.endswith(".") for each in found)


def test_warnings_are_stored_and_refuse_nothing(bureau: Bureau) -> None:
    """A subscriber with a wrong tax code is entered, and the officer finds what to check."""
    bureau.move(at("2026-01-05 09:00"))
    bureau.enter("KH00001", tax_code="0101234567")
    with bureau.db.read() as tx:
        stored = subscribers.warnings_of(tx, "KH00001")
        assert subscribers.warnings_of(tx, "KH99999") == []
    assert any("check" in each for each in stored)


def test_warnings_hold_no_personal_value(lite: Bureau) -> None:
    """No stored sentence repeats what was entered, because it is stored in the clear."""
    entered = lite.enter("KH00001", SubscriberKind.INDIVIDUAL, person("KH00001"))
    told = " ".join(identifiers.warnings(entered, TODAY))
    values = set(astuple(entered.personal)) - {"", "CCCD"}
    assert not [each for each in values if each in told]
