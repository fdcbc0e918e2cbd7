"""antin crl list, show, check, diff: what people are told of CRLs."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from app.cli import crl as commands
from app.cli.desk import Place
from core import serials
from core.reasons import Reason
from tests.crl.stage import WITH_DELTAS, Stage


def _antin(stage: Stage, *arguments: str) -> Result:
    """Run `antin crl ...` on the stage."""

    def publish_crl(name: str, *, only_if_due: bool) -> object:
        del only_if_due
        return stage.publish(issuer=name)

    place = Place(home=stage.folder, operator="test")
    instance = SimpleNamespace(
        config=SimpleNamespace(issuer="issuing"),
        crl_settings=stage.settings,
        crl_folder=stage.targets[0],
        crl_targets=stage.targets,
    )
    works = SimpleNamespace(
        db=stage.db, clock=stage.clock, instance=instance, publish_crl=publish_crl
    )
    vars(place)["works"] = works
    return CliRunner().invoke(commands.app, arguments, obj=place)


def _json(stage: Stage, *arguments: str) -> list[dict[str, object]]:
    found = _antin(stage, *arguments, "--json")
    assert found.exit_code in (0, 1), found.output
    rows: list[dict[str, object]] = json.loads(found.stdout)
    return rows


@pytest.fixture
def past(stage: Stage) -> Stage:
    """A CA with two CRLs: a hold became a revocation, one hold was lifted, one is new."""
    certificates = [stage.issue() for _ in range(4)]
    for each in certificates[:3]:
        stage.suspend(each)
    assert _antin(stage, "publish").exit_code == 0
    stage.pass_time()
    stage.revoke(certificates[0], Reason.PRIVILEGE_WITHDRAWN)
    stage.restore(certificates[1])
    stage.revoke(certificates[3], Reason.KEY_COMPROMISE)
    assert "number 2, 3 entries" in _antin(stage, "publish").stdout.replace("\n", " ")
    return stage


def test_list(past: Stage) -> None:
    """The list names each CRL with its number, times, entries and digest, newest first."""
    rows = _json(past, "list")
    assert [(row["number"], row["entries"], row["kind"]) for row in rows] == [
        (2, 3, "full"),
        (1, 3, "full"),
    ]
    assert len(_json(past, "list", "--limit", "1")) == 1
    assert _antin(past, "list").exit_code == 0


def test_show(past: Stage) -> None:
    """A CRL is shown by its number, also when only the history has it, or from a file."""
    (newest,) = _json(past, "show")
    (old,) = _json(past, "show", "1")
    (file,) = _json(past, "show", str(past.path()))
    assert (newest["number"], old["number"]) == (2, 1)
    assert file == newest
    reasons = [entry["reason"] for entry in old["entries"]]  # type: ignore[attr-defined] # a list
    assert reasons == ["certificateHold"] * 3
    assert "number: 2" in _antin(past, "show").stdout


def test_show_delta(stage: Stage) -> None:
    """A delta is shown beside its full CRL."""
    stage.settings = WITH_DELTAS
    stage.publish()
    stage.pass_time()
    stage.publish()
    (delta,) = _json(stage, "show", "--delta")
    assert delta["base_number"] == 1


@pytest.mark.parametrize("which", ["9", "nonsense", "-1"])
def test_no_such_crl(past: Stage, which: str) -> None:
    """What is no CRL of ours is refused in a sentence."""
    assert _antin(past, "show", "--", which).exit_code != 0


def test_diff(past: Stage) -> None:
    """The difference of two CRLs names each certificate, both states, and the decision."""
    rows = {str(row["serial"]): row for row in _json(past, "diff", "1", "2")}
    names = [serials.to_hex(each.serial) for each in past.issued]
    assert set(rows) == {names[0], names[1], names[3]}
    assert str(rows[names[0]]["before"]).startswith("certificateHold")
    assert str(rows[names[0]]["after"]).startswith("privilegeWithdrawn")
    assert rows[names[1]]["after"] == "not listed"
    assert rows[names[3]]["before"] == "not listed"
    because = str(rows[names[1]]["because"])
    assert because.count("The test wants") == 1
    assert "The test wants to restore. [130/2018:28(1)(d)" in because
    assert rows[names[1]]["subscriber"] == "KH1"
    assert _antin(past, "diff", "1").exit_code == 0
    assert _json(past, "diff", "2", "2") == []


def test_check(past: Stage) -> None:
    """A check that finds nothing says so; one that finds something ends with exit code 1."""
    sound = _antin(past, "check")
    assert (sound.exit_code, "newest, signed, fresh and complete" in sound.stdout) == (0, True)
    past.path().unlink()
    assert _antin(past, "check").exit_code == 1
    assert [row["rule"] for row in _json(past, "check")] == ["missing"]
