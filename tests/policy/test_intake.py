"""Papers arrive and are judged; what a dossier demands is done in the same commit."""

from datetime import timedelta

import pytest

from ca.model import Act, HoldSource, Status
from core.errors import NotFound
from core.reasons import Reason
from policy import intake, orders, remedy, sweep
from policy.model import Action, CaseState, Decision, Party, Request, Verdict, Wanted
from policy.records import documents
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import HOLD_AT, paper
from tests.support.office import Bureau


@pytest.fixture
def held(bureau: Bureau) -> Bureau:
    """KH00001 lacks its contract and is held since 20 April; it is 20 April, 00:05."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.move("2024-03-20 16:00")
    bureau.campaign()
    bureau.move(HOLD_AT)
    sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    bureau.move("2024-04-20 00:05")
    return bureau


def test_paper_that_completes_restores(held: Bureau) -> None:
    """The document that completes the dossier lifts the hold at that instant, with a decision."""
    (certificate,) = held.all_of("KH00001")
    assert certificate.standing.sources == {HoldSource.DOSSIER}
    held.bring("KH00001", "contract")
    after = held.now(certificate)
    assert (after.standing.status, after.standing.since) == (Status.GOOD, held.clock.now())
    made = held.decisions("KH00001")[-1]
    assert isinstance(made, Decision)
    assert (made.action, made.source) == (Action.LIFT, HoldSource.DOSSIER)
    assert held.events(certificate)[-1].clause == made.clause == "130/2018:28(3)"
    assert [each.template for each in held.notices()] == ["remind", "hold", "lift"]


@pytest.mark.parametrize("form", ["scan", "electronic", "certified_copy"])
def test_paper_in_another_form_does_not_count(held: Bureau, form: str) -> None:
    """A contract that is not a paper original is recorded, and the hold stays."""
    (certificate,) = held.all_of("KH00001")
    held.bring("KH00001", "contract", form=form)
    assert held.now(certificate).standing.status is Status.HOLD


def test_pending_paper_waits_for_the_officer(held: Bureau) -> None:
    """A paper restores when an officer accepts it, not when it arrives."""
    (certificate,) = held.all_of("KH00001")
    (number,) = held.bring("KH00001", "contract", verdict=Verdict.PENDING)
    assert held.now(certificate).standing.status is Status.HOLD
    held.clock.move_to(held.clock.now() + timedelta(hours=3))
    assert intake.judge(held.office, number, Verdict.ACCEPTED) == "KH00001"
    after = held.now(certificate)
    assert (after.standing.status, after.standing.since) == (Status.GOOD, held.clock.now())


def test_rejected_paper_restores_nothing(held: Bureau) -> None:
    """A rejected paper keeps its reason, and the hold stays until a better one is accepted."""
    (certificate,) = held.all_of("KH00001")
    (number,) = held.bring("KH00001", "contract", verdict=Verdict.PENDING)
    intake.judge(held.office, number, Verdict.REJECTED, "Thiếu chữ ký.")
    assert held.now(certificate).standing.status is Status.HOLD
    with held.db.read() as tx:
        (_, _, kept) = documents.numbered_documents(tx, "KH00001")[-1]
    assert (kept.verdict, kept.reason) == (Verdict.REJECTED, "Thiếu chữ ký.")
    held.bring("KH00001", "contract")
    assert held.now(certificate).standing.status is Status.GOOD


def test_papers_that_come_together_restore_together(bureau: Bureau) -> None:
    """Several papers in one delivery are one commit and one act."""
    certificate = bureau.enrol("KH00001", without=["contract", "representative_id"])
    bureau.move("2024-03-20 16:00")
    bureau.campaign()
    bureau.move(HOLD_AT)
    sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    bureau.bring("KH00001", "contract", "representative_id")
    assert bureau.now(certificate).standing.status is Status.GOOD
    assert bureau.actions("KH00001").count(Action.LIFT) == 1


def test_contested_paper_holds_until_it_is_cleared(bureau: Bureau) -> None:
    """A contested paper holds at once; cleared, it restores; forged, it revokes for ever."""
    certificate = bureau.enrol("KH00001")
    numbers = bureau.bring("KH00001", "contract", verdict=Verdict.PENDING)
    states = []
    for verdict in (Verdict.CONTESTED, Verdict.ACCEPTED, Verdict.CONTESTED, Verdict.FORGED):
        bureau.clock.move_to(bureau.clock.now() + timedelta(hours=1))
        intake.judge(bureau.office, numbers[0], verdict, "Con dấu khác mẫu.")
        states.append(bureau.now(certificate).standing.status)
    assert states == [Status.HOLD, Status.GOOD, Status.HOLD, Status.REVOKED]
    standing = bureau.now(certificate).standing
    assert standing.reason is Reason.PRIVILEGE_WITHDRAWN
    assert standing.invalidity_date == certificate.not_before
    assert standing.since == bureau.clock.now()


def test_complete_dossier_does_not_lift_an_authority_hold(held: Bureau) -> None:
    """The last paper lifts the dossier's hold alone: an authority's hold keeps the certificate."""
    (certificate,) = held.all_of("KH00001")
    order = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-1")
    orders.ask(held.office, certificate.serial, Wanted.SUSPEND, order)
    held.bring("KH00001", "contract")
    after = held.now(certificate)
    assert after.standing.status is Status.HOLD
    assert after.standing.sources == {HoldSource.AUTHORITY}
    assert after.standing.since == HOLD_AT


def test_papers_belong_to_the_newest_case(held: Bureau) -> None:
    """From the opening of a case on papers belong to it alone: the old hold stays."""
    (certificate,) = held.all_of("KH00001")
    case = remedy.open_case(held.office, "KH00001")
    held.bring("KH00001", "contract")
    assert held.now(certificate).standing.sources == {HoldSource.DOSSIER}
    with held.db.read() as tx:
        owners = [of_case for _, of_case, _ in documents.numbered_documents(tx, "KH00001")]
        by_dossier = documents.documents_of(tx, ["KH00001"])
    assert owners == [None, None, None, case.id]
    assert [len(by_dossier["KH00001", each]) for each in (None, case.id)] == [3, 1]
    assert held.case(case.id).state is CaseState.PHOTOS_RECEIVED


def test_papers_after_revocation_change_nothing(held: Bureau) -> None:
    """Revoked is final: papers that complete the dossier afterwards restore nothing."""
    (certificate,) = held.all_of("KH00001")
    held.move("2024-05-02 00:00")
    sweep.enforce(held.office, "spring", Act.REVOKE)
    before = held.now(certificate)
    held.bring("KH00001", "contract")
    assert before.revoked
    assert held.now(certificate) == before


def test_papers_after_expiry_change_nothing(held: Bureau) -> None:
    """An expired certificate takes no act: it stays as it stood when it ended."""
    (certificate,) = held.all_of("KH00001")
    held.move(certificate.not_after + timedelta(seconds=1))
    held.bring("KH00001", "contract")
    assert held.now(certificate).standing == certificate.standing


def test_paper_of_nobody_is_refused(bureau: Bureau) -> None:
    """A paper for a subscriber that the register does not have is refused, and nothing is kept."""
    with pytest.raises(NotFound, match="no subscriber 'KH99999'"):
        bureau.bring("KH99999", "contract")
    assert "document.receive" not in [each.act for each in bureau.trail()]


def test_unknown_paper_cannot_be_judged(bureau: Bureau) -> None:
    """A verdict on a document that does not exist is refused with its number."""
    with pytest.raises(NotFound, match="no document number 4711"):
        intake.judge(bureau.office, 4711, Verdict.ACCEPTED)


def test_every_paper_and_verdict_is_audited(bureau: Bureau) -> None:
    """The trail names the officer and the number of every paper received and judged."""
    bureau.enter("KH00001")
    (number,) = bureau.bring("KH00001", "contract", verdict=Verdict.PENDING)
    intake.judge(bureau.director, number, Verdict.ACCEPTED)
    trail = [(each.act, each.actor, each.detail) for each in bureau.trail()[-2:]]
    assert trail == [
        ("document.receive", "operator:lan", f'{{"document":{number}}}'),
        ("document.judge", "operator:mai", f'{{"document":{number}}}'),
    ]


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_a_paper_restores(held: Bureau, *, persisted: bool) -> None:
    """Paper, decision, lifted hold and notice are one commit: all are there or none is."""
    (certificate,) = held.all_of("KH00001")
    office = held.on(CrashingDatabase(held.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        intake.receive(office, "KH00001", [paper("contract", received=held.clock.now())])
    good = held.now(certificate).standing.status is Status.GOOD
    with held.db.read() as tx:
        papers = len(documents.numbered_documents(tx, "KH00001"))
    lifted = Action.LIFT in held.actions("KH00001")
    told = "lift" in [each.template for each in held.notices()]
    audited = "certificate.restore" in [each.act for each in held.trail()]
    assert (good, papers == 4, lifted, told, audited) == (persisted,) * 5


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_a_verdict_restores(held: Bureau, *, persisted: bool) -> None:
    """A verdict and the restoration that it brings are one commit; saying it again is no harm."""
    (certificate,) = held.all_of("KH00001")
    (number,) = held.bring("KH00001", "contract", verdict=Verdict.PENDING)
    office = held.on(CrashingDatabase(held.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        intake.judge(office, number, Verdict.ACCEPTED)
    assert (held.now(certificate).standing.status is Status.GOOD) == persisted
    intake.judge(held.office, number, Verdict.ACCEPTED)
    assert held.now(certificate).standing.status is Status.GOOD
    assert held.actions("KH00001").count(Action.LIFT) == 1
