"""Resellers and contracts: entered once, with one known party, and ended."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from core.errors import Conflict, Invalid, NotFound, Refused
from policy import contracts, resellers
from policy.records import contracts as kept
from policy.records.contracts import Contract, Reseller
from tests.support.office import Bureau

DL01 = Reseller(id="DL01", name="Đại lý Một", tax_code="9900000050", since=date(2023, 1, 1))
HD = Contract(
    id="HD-17",
    subscriber_id="KH00001",
    reseller_id=None,
    signed_on=date(2024, 3, 1),
    ends_on=None,
    terms="2023-2",
)


def test_contracts_have_one_known_party(bureau: Bureau) -> None:
    """A contract is with a subscriber or a reseller that is there, and is entered once."""
    bureau.enter("KH00001")
    contracts.add_reseller(bureau.office, DL01)
    with pytest.raises(Conflict, match="'DL01'"):
        contracts.add_reseller(bureau.office, DL01)
    contracts.add_contract(bureau.office, HD)
    theirs = replace(HD, id="HD-18", subscriber_id=None, reseller_id="DL01")
    contracts.add_contract(bureau.office, theirs)
    with pytest.raises(Conflict, match="'HD-17'"):
        contracts.add_contract(bureau.office, HD)
    with bureau.db.read() as tx:
        assert kept.contracts_of(tx, "KH00001") == [HD]
        assert kept.contracts_of(tx, "DL01") == [theirs]
        assert kept.resellers(tx) == [DL01]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subscriber_id": "KH99999"}, NotFound),
        ({"subscriber_id": None, "reseller_id": "DL99"}, NotFound),
        ({"subscriber_id": None}, Invalid),
        ({"reseller_id": "DL01"}, Invalid),
        ({"ends_on": date(2024, 2, 29)}, Refused),
    ],
)
def test_impossible_contracts_are_refused(
    lite: Bureau, changes: dict[str, object], error: type[Exception]
) -> None:
    """Nobody, an unknown party, two parties, and an end before the signature are refused."""
    lite.enter("KH00001")
    contracts.add_reseller(lite.office, DL01)
    with pytest.raises(error):
        contracts.add_contract(lite.office, replace(HD, **changes))  # type: ignore[arg-type] # mixed


def test_reseller_who_ended_brings_no_more_files(lite: Bureau, tmp_path: Path) -> None:
    """On the last day a file is still taken, the day after it is refused whole."""
    contracts.add_reseller(lite.office, DL01)
    contracts.end_reseller(lite.office, "DL01", date(2024, 4, 10))
    path = tmp_path / "asks.csv"
    path.write_text("serial,act,reference\n4F0A12C3,suspend,CV 7\n")
    lite.move("2024-04-10 23:59")
    assert len(list(resellers.carry_out(lite.office, path, "DL01"))) == 1
    lite.move("2024-04-11 00:00")
    with pytest.raises(Refused, match="no reseller since"):
        next(resellers.carry_out(lite.office, path, "DL01"))
    with pytest.raises(NotFound, match="'DL99'"):
        contracts.end_reseller(lite.office, "DL99", date(2024, 4, 10))
    with pytest.raises(Invalid, match="id and a name"):
        contracts.add_reseller(lite.office, replace(DL01, id=" "))
