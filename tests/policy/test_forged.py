"""The forged document's road, and the related subscribers that an officer looks at next."""

from dataclasses import replace

import pytest

from ca.model import HoldSource, Status
from core.errors import NotFound
from core.reasons import Reason
from policy import intake
from policy.model import Verdict
from policy.records import subscribers
from tests.support.office import Bureau, person, taints


def test_contested_holds_at_once_and_forged_revokes_from_issue_on(bureau: Bureau) -> None:
    """CONTESTED holds in the same commit; FORGED revokes now, as bad since the time of issue."""
    issued = bureau.enrol("KH00001")
    bureau.move("2024-04-10 09:00")
    (number,) = bureau.bring("KH00001", "contract", verdict=Verdict.PENDING)
    intake.judge(bureau.office, number, Verdict.CONTESTED, "Con dấu không khớp.")
    held = bureau.now(issued).standing
    assert (held.status, set(held.sources)) == (Status.HOLD, {HoldSource.DOSSIER})
    now = bureau.move("2024-04-12 10:00")
    intake.judge(bureau.office, number, Verdict.FORGED, "Không có trong sổ gốc.")
    after = bureau.now(issued).standing
    assert (after.status, after.reason) == (Status.REVOKED, Reason.PRIVILEGE_WITHDRAWN)
    assert (after.since, after.invalidity_date) == (now, issued.not_before)


def test_contested_and_found_true_is_restored(bureau: Bureau) -> None:
    """A doubt that comes to nothing lifts its hold in the commit that says so."""
    issued = bureau.enrol("KH00001")
    (number,) = bureau.bring("KH00001", "contract", verdict=Verdict.CONTESTED)
    assert bureau.now(issued).standing.status is Status.HOLD
    intake.judge(bureau.office, number, Verdict.ACCEPTED)
    assert bureau.now(issued).standing.status is Status.GOOD


def test_related_subscribers_are_listed(bureau: Bureau) -> None:
    """Who shares phone, e-mail, representative or reseller is listed, most shared first."""
    first = person("KH00001")
    bureau.enter("KH00001")
    bureau.enter("KH00002", reseller="DL02")
    bureau.enter("KH00003", reseller="DL02", personal=replace(person("KH00003"), phone=first.phone))
    shared = replace(first, phone="0987654321", email=first.email.upper())
    bureau.enter("KH00004", personal=shared)
    bureau.enter("KH00005", reseller="DL02", personal=replace(person("KH00005"), phone=""))
    with bureau.db.read() as tx:
        found = subscribers.related(tx, "KH00001")
        assert subscribers.related(tx, "KH00005") == {
            "KH00002": ["reseller"],
            "KH00003": ["reseller"],
        }
        with pytest.raises(NotFound, match="'KH99999'"):
            subscribers.related(tx, "KH99999")
    assert list(found.items()) == [
        ("KH00004", ["e-mail", "representative", "reseller"]),
        ("KH00003", ["phone"]),
    ]
    assert not any(value in repr(found) for value in taints(first))
