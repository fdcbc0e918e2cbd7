"""The sample spring: the report agrees with the rules, customer by customer and in total."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import antin
from tests.support import registers
from tests.support import spring as rules


def _compared(customer: dict[str, Any]) -> dict[str, Any]:
    """Bring a report's customer to the model's form: instants, and no holds in remedies."""
    remedy = customer["remedy"]
    certificate = remedy["certificate"] if remedy else None
    return {
        "certificate": _at(customer["certificate"]),
        "dossier": customer["dossier"],
        "remedy": remedy
        and {
            **remedy,
            "certificate": certificate
            and {key: value for key, value in _at(certificate).items() if key != "holds"},
        },
    }


def _at(certificate: dict[str, Any]) -> dict[str, Any]:
    since = certificate["since"]
    return {**certificate, "since": datetime.fromisoformat(since) if since else None}


def _differences(got: dict[str, Any], folder: Path) -> list[str]:
    wanted = rules.judge(folder)
    assert got.keys() == wanted.keys()
    return [
        f"{name}: the rules say {wanted[name]}, the report says {_compared(got[name])}"
        for name in wanted
        if _compared(got[name]) != wanted[name]
    ]


def test_every_customer_agrees_with_the_rules(spring_report: dict[str, Any], sample: Path) -> None:
    """A model written from the rules' text alone says the same of each of the 300 customers."""
    assert _differences(spring_report["customers"], sample) == []


def test_totals_are_counted_anew(spring_report: dict[str, Any], sample: Path) -> None:
    """The report's counts are those of an independent count over the recording."""
    wanted = rules.judge(sample)
    counts = spring_report["counts"]
    for status in ("good", "hold", "revoked", "expired"):
        alike = [each for each in wanted.values() if each["certificate"]["status"] == status]
        assert counts[f"status_{status}"] == len(alike)
    remedies = [each["remedy"]["state"] for each in wanted.values() if each["remedy"]]
    for state in ("activated", "forfeited", "unpaid", "open"):
        assert counts[f"remedies_{state}"] == remedies.count(state)
    assert counts["held_for_dossier"] == rules.held_at_deadline(sample)
    assert counts["customers"] == counts["issued"] == len(wanted)


def test_only_an_act_on_an_expired_certificate_was_refused(
    spring: Path, spring_report: dict[str, Any]
) -> None:
    """What the rules refused in the sample is the authority's order on an expired certificate."""
    assert spring_report["counts"]["events_refused"] == 1
    said = " ".join((spring / "said").read_text().split())
    assert "KH00111 hold_ordered: The certificate" in said
    assert "expired after 2023-07-29 07:59:59+07:00" in said


def test_report_is_deterministic(sample: Path, tmp_path: Path) -> None:
    """Replayed twice, a recording gives the same report to the letter."""
    data = tmp_path / "data"
    data.mkdir()
    registers.make(data, 7, customers=8)
    assert _replayed(tmp_path / "first", data) == _replayed(tmp_path / "second", data)


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        # rule 6: an authority's hold at once, which nothing lifts
        ("KH00027", ("hold", "certificateHold", "2024-04-10T09:00:00+07:00", ["authority"])),
        # rule 6: lost key, requested revocation
        ("KH00004", ("revoked", "keyCompromise", "2024-04-12T10:00:00+07:00", [])),
        ("KH00017", ("revoked", "cessationOfOperation", "2024-04-24T09:00:00+07:00", [])),
        # rule 3: papers before the day save
        ("KH00033", ("good", None, None, [])),
        # rule 5: still held on 2 May
        ("KH00012", ("revoked", "privilegeWithdrawn", "2024-05-02T00:00:00+07:00", [])),
        # rule 10: expired before anything could happen
        ("KH00256", ("expired", None, None, [])),
    ],
)
def test_rules_on_hand_picked_customers(
    spring_report: dict[str, Any], customer: str, expected: tuple[Any, ...]
) -> None:
    """Customers picked by hand for one rule each stand where that rule puts them."""
    found = spring_report["customers"][customer]["certificate"]
    assert tuple(found[key] for key in ("status", "reason", "since", "holds")) == expected


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        # rule 8: the full dossier in time activates at that instant
        ("KH00030", ("activated", "activated", "good", "2024-05-10T15:00:00+07:00")),
        # rule 8: due on Saturday 11 May, rolled to Monday 13 May 24:00
        (
            "KH00122",
            ("forfeited", "permanently_locked", "revoked", "2024-05-14T00:00:00+07:00"),
        ),
    ],
)
def test_remedies_on_hand_picked_customers(
    spring_report: dict[str, Any], customer: str, expected: tuple[str, ...]
) -> None:
    """The remedy ends activated in time, or forfeited at the rolled end of the third day."""
    remedy = spring_report["customers"][customer]["remedy"]
    issued = remedy["certificate"]
    assert (remedy["state"], remedy["token"], issued["status"], issued["since"]) == expected


def test_unpaid_remedy_has_no_certificate(spring_report: dict[str, Any]) -> None:
    """Rule 9: a case that was never paid closes unpaid, and nothing was issued for it."""
    assert spring_report["customers"]["KH00012"]["remedy"] == {
        "state": "unpaid",
        "certificate": None,
        "token": None,
    }


@pytest.mark.parametrize("seed", [1])
def test_other_registers_agree_with_the_rules(seed: int, tmp_path: Path) -> None:
    """Made-up registers, with events at the very strokes of the dates, come out by the rules."""
    _try_registers(tmp_path, seed, customers=30)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 104))
def test_many_other_registers_agree_with_the_rules(seed: int, tmp_path: Path) -> None:
    """Four more made-up registers of 100 customers each come out by the rules."""
    _try_registers(tmp_path, seed, customers=100)


def _try_registers(folder: Path, seed: int, *, customers: int) -> None:
    data = folder / "data"
    data.mkdir()
    registers.make(data, seed, customers=customers)
    assert _differences(_replayed(folder, data)["customers"], data) == []


def _replayed(folder: Path, data: Path) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    done = antin("replay", data, "--report", folder / "report.json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found
