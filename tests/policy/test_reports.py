"""Reports on campaigns: what would be, in HTML that stands alone, and what was, as workbooks."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.model import Act
from core import serials
from core.errors import Invalid
from core.reasons import Reason
from crl import entries
from policy import closing, forecast, planning, reports, sweep
from policy.forecast import Forecast, Line, Total
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, REVOKE_AT
from tests.support.office import Bureau, person, taints

HOSTILE = '<script>alert(1)</script>" onload="x'


class _Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def _forecast(bureau: Bureau) -> Forecast:
    planning.plan(bureau.office, "spring", hold_at=HOLD_AT, revoke_at=REVOKE_AT)
    return forecast.foresee(bureau.office, "spring", planning.simulate(bureau.office, "spring"))


@pytest.fixture
def simulated(lite: Bureau) -> Forecast:
    """Two lack papers, of two provinces and one reseller; one is complete."""
    lite.enrol("KH00001", without=["contract"])
    lite.enter("KH00002", province="Huế")
    lite.issue("KH00002")
    lite.enrol("KH00003")
    lite.move(ANNOUNCED_AT)
    return _forecast(lite)


def test_forecast_sums_by_reseller_and_province(simulated: Forecast) -> None:
    """Who, why, on which clause; sums by reseller and province; CRL and OCSP."""
    assert [(each.subscriber, each.act) for each in simulated.lines] == [
        ("KH00001", "hold"), ("KH00002", "hold"), ("KH00001", "revoke"), ("KH00002", "revoke"),
    ]  # fmt: skip
    assert simulated.lines[0].clause.startswith("130/2018:28(1)(d); subscriber contract")
    assert "contract is missing" in simulated.lines[0].because
    assert simulated.resellers == (Total(name="DL01", holds=2, revocations=2),)
    assert [each.name for each in simulated.provinces] == ["Huế", "Hà Nội"]
    assert (simulated.scope, simulated.active, simulated.crl_entries) == (3, 3, 2)
    assert (simulated.ocsp_at_hold, simulated.ocsp_at_revocation) == (2, 2)


@given(st.integers(1, (1 << 159) - 1))
def test_foretold_entry_is_as_long_as_the_crl_makes_it(serial: int) -> None:
    """The growth that is foretold is that of the product's own CRL entries."""
    made = entries.line(serial, HOLD_AT, Reason.CERTIFICATE_HOLD)
    assert forecast.entry_bytes(serials.to_hex(serial)) == len(made)


def test_page_stands_alone(simulated: Forecast, tmp_path: Path) -> None:
    """No script, nothing from outside, charts inline; nobody else may read the file."""
    path = tmp_path / "spring.html"
    reports.write(path, simulated)
    text = path.read_text("utf-8")
    tags = _Tags(text)
    assert {"svg", "rect", "table"} <= tags.names
    assert not tags.names & {"script", "link", "img", "iframe", "object", "form", "a"}
    assert not tags.attributes & {"src", "href", "onload", "style", "action"}
    assert "://" not in text
    assert "KH00001" in text
    assert simulated.digest in text
    assert path.stat().st_mode & 0o777 == 0o600


def test_reports_hold_no_personal_data(simulated: Forecast, tmp_path: Path) -> None:
    """Subscriber ids stand in reports, never a name, a number or an address of a person."""
    reports.write(tmp_path / "spring.xlsx", simulated)
    book = openpyxl.load_workbook(tmp_path / "spring.xlsx")
    cells = {
        str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row
    }
    text = reports.html(simulated) + "\n".join(cells)
    for name in ("KH00001", "KH00002"):
        assert not [value for value in taints(person(name)) if value in text]


def test_hostile_words_are_escaped(simulated: Forecast) -> None:
    """Whatever stands in the register is text in the page."""
    hostile = Line(
        subscriber=HOSTILE, serial="01", act="hold", clause=HOSTILE, because=HOSTILE,
        province=HOSTILE, reseller=HOSTILE,
    )  # fmt: skip
    total = Total(name=HOSTILE, holds=1, revocations=0)
    page = reports.html(replace(simulated, lines=(hostile,), provinces=(total,), campaign=HOSTILE))
    assert "<script" not in page
    assert "onload" not in _Tags(page).attributes


def test_many_provinces_are_charted_by_the_largest(simulated: Forecast) -> None:
    """A chart shows twenty bars and the sum of the rest."""
    many = tuple(Total(name=f"P{n}", holds=50 - n, revocations=1) for n in range(25))
    page = reports.html(replace(simulated, provinces=many))
    assert "5 more" in page
    assert "140 held, 5 revoked" in page


def test_workbook_has_every_act_and_sum(simulated: Forecast, tmp_path: Path) -> None:
    """The workbook's sheets: the acts, the sums, the plan."""
    path = tmp_path / "spring.xlsx"
    reports.write(path, simulated)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Acts", "Resellers", "Provinces", "Plan"]
    assert len(list(book["Acts"].iter_rows())) == 5
    plan = dict(book["Plan"].iter_rows(values_only=True))
    assert (plan["Plan"], plan["Holds"], plan["CRL entries more"]) == (simulated.digest, "2", "2")


def test_other_kinds_of_file_are_refused(simulated: Forecast, tmp_path: Path) -> None:
    """Only .html and .xlsx are written."""
    with pytest.raises(Invalid, match=r"not as 'spring\.pdf'"):
        reports.write(tmp_path / "spring.pdf", simulated)


def test_final_account_as_a_workbook(lite: Bureau, tmp_path: Path) -> None:
    """Every certificate of the scope with its outcome, and the sums."""
    lite.enrol("KH00001", without=["contract"])
    lite.enrol("KH00002")
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    lite.move(HOLD_AT)
    sweep.enforce(lite.office, "spring", Act.SUSPEND)
    done = closing.close(lite.office, "spring")
    with pytest.raises(Invalid, match=r"\.xlsx"):
        reports.write_reconciliation(tmp_path / "spring.html", done)
    path = tmp_path / "spring.xlsx"
    reports.write_reconciliation(path, done)
    book = openpyxl.load_workbook(path)
    outcomes = [row[2] for row in book["Certificates"].iter_rows(min_row=2, values_only=True)]
    assert outcomes == ["held", "complete"]
    sums = dict(book["Sums"].iter_rows(min_row=2, values_only=True))
    assert (sums["held"], sums["complete"], sums["scope"]) == ("1", "1", "2")
