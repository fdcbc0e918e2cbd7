"""What the clock alone makes due: holds whose time is over, and planned revocations."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ca.model import Act, Certificate, HoldSource, Status
from core.errors import Refused
from core.reasons import Reason
from policy import due, orders, replay
from policy.model import Action, CaseState, Decision, Party, Request, Wanted
from policy.office import Office
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import RULES
from tests.support.office import Bureau

DAY = timedelta(days=1)
PAUSE = Request(by=Party.SUBSCRIBER, ground="subscriber_pause", verified=True)
ORDER = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-573/2024")
STOP = Request(by=Party.SUBSCRIBER, ground="subscriber_request", verified=True)


@pytest.fixture
def certificate(bureau: Bureau) -> Certificate:
    """A good certificate of KH00001, issued a minute ago."""
    issued = bureau.enrol("KH00001")
    bureau.tick(minutes=1)
    return issued


def _pause(bureau: Bureau, certificate: Certificate, request: Request = PAUSE) -> None:
    until = replace(request, ends_at=bureau.clock.now() + DAY)
    orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, until)


def _plan(bureau: Bureau, certificate: Certificate) -> None:
    later = replace(STOP, due_at=bureau.clock.now() + DAY)
    orders.ask(bureau.office, certificate.serial, Wanted.REVOKE, later)


def _crashing(bureau: Bureau, *, persisted: bool) -> Office:
    return bureau.on(CrashingDatabase(bureau.db, 1, persisted=persisted)).office


def test_a_pause_ends_by_itself(bureau: Bureau, certificate: Certificate) -> None:
    """When the time of a hold is over it is lifted by a decision, and the subscriber is told."""
    _pause(bureau, certificate)
    bureau.tick(hours=23)
    assert due.lift_ended(bureau.office) == []
    bureau.tick(hours=1)
    (after,) = due.lift_ended(bureau.office)
    assert after.standing.status is Status.GOOD
    assert due.lift_ended(bureau.office) == []
    made = bureau.decisions("KH00001")[-1]
    assert isinstance(made, Decision)
    assert (made.action, made.clause) == (Action.LIFT, "130/2018:28(3)")
    assert made.because.startswith("The time of the hold from subscriber is over.")
    assert [each.template for each in bureau.notices()] == ["hold", "lift"]


def test_an_extended_pause_goes_on(bureau: Bureau, certificate: Certificate) -> None:
    """A hold that was extended ends at its later end, and both acts are in the history."""
    _pause(bureau, certificate)
    longer = replace(PAUSE, ends_at=bureau.clock.now() + 3 * DAY)
    orders.ask(bureau.office, certificate.serial, Wanted.EXTEND, longer)
    bureau.tick(days=2)
    assert due.lift_ended(bureau.office) == []
    bureau.tick(days=1)
    assert len(due.lift_ended(bureau.office)) == 1
    acts = [each.act for each in bureau.events(certificate)]
    assert acts == [Act.ISSUE, Act.SUSPEND, Act.EXTEND, Act.RESTORE]


def test_an_order_does_not_end_by_itself(bureau: Bureau, certificate: Certificate) -> None:
    """What the rulebook leaves to the authority stays on hold, is named, and decides nothing."""
    _pause(bureau, certificate, ORDER)
    bureau.tick(days=2)
    before = bureau.actions()
    assert due.lift_ended(bureau.office) == []
    assert bureau.actions() == before
    with bureau.db.read() as tx:
        ((found, source),) = due.overdue(tx, bureau.clock.now())
    assert (found.id, source) == (certificate.id, HoldSource.AUTHORITY)


def test_a_hold_of_another_source_stays(bureau: Bureau, certificate: Certificate) -> None:
    """The end of one hold leaves the certificate on hold while another is open."""
    _pause(bureau, certificate)
    orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, ORDER)
    bureau.tick(days=1)
    (after,) = due.lift_ended(bureau.office)
    assert after.standing.sources == {HoldSource.AUTHORITY}


def test_planned_revocation(bureau: Bureau, certificate: Certificate) -> None:
    """A revocation for later is decided now, done and told when its date comes, and replays."""
    _plan(bureau, certificate)
    assert bureau.actions("KH00001")[-1] is Action.PLAN
    assert bureau.notices() == []
    assert due.carry_out_plans(bureau.office) == []
    bureau.tick(days=1)
    (after,) = due.carry_out_plans(bureau.office)
    assert (after.standing.reason, after.standing.since) == (
        Reason.CESSATION_OF_OPERATION,
        bureau.clock.now(),
    )
    assert due.carry_out_plans(bureau.office) == []
    assert [each.template for each in bureau.notices()] == ["revoke"]
    with bureau.db.read() as tx:
        assert replay.replay(tx, [RULES])[1] == []


def test_planned_revocation_ends_the_case(bureau: Bureau) -> None:
    """When the certificate of a remedy case is revoked as planned, its case is over too."""
    bureau.enter("KH00001")
    case, issued = bureau.shipped_case("KH00001")
    bureau.tick()
    _plan(bureau, issued)
    bureau.tick(days=1)
    assert len(due.carry_out_plans(bureau.office)) == 1
    assert bureau.case(case.id).state is not CaseState.TOKEN_SHIPPED


def test_confirmation_of_another(bureau: Bureau, certificate: Certificate) -> None:
    """Only the subscriber confirms, and their confirmation changes no status."""
    with pytest.raises(Refused, match="only the subscriber"):
        orders.ask(bureau.office, certificate.serial, Wanted.CONFIRM, Request(by=Party.CA))
    bureau.tick()
    own = Request(by=Party.SUBSCRIBER, verified=True)
    after = orders.ask(bureau.office, certificate.serial, Wanted.CONFIRM, own)
    assert (after.confirmed_at, after.standing) == (bureau.clock.now(), certificate.standing)
    made = bureau.decisions("KH00001")[-1]
    assert isinstance(made, Decision)
    assert made.clause == "130/2018:25"


@pytest.mark.parametrize("persisted", [False, True])
def test_after_a_crash(bureau: Bureau, certificate: Certificate, *, persisted: bool) -> None:
    """Lifting and revoking are one commit each: after a crash the next round makes it one act."""
    _pause(bureau, certificate)
    _plan(bureau, certificate)
    bureau.tick(days=1)
    for act in (due.lift_ended, due.carry_out_plans):
        with pytest.raises(Crash):
            act(_crashing(bureau, persisted=persisted))
        assert len(act(bureau.office)) == int(not persisted)
    acts = [each.act for each in bureau.events(certificate)]
    assert acts == [Act.ISSUE, Act.SUSPEND, Act.RESTORE, Act.REVOKE]
    assert [each.template for each in bureau.notices()] == ["hold", "lift", "revoke"]
