"""The remedy's branches: tokens refused or lost, force majeure, the morning after, contracts."""

from dataclasses import replace

import pytest

from ca.model import HoldSource, Status
from core.errors import Conflict, Invalid, NotFound, Refused
from core.reasons import Reason
from policy import relief, remedy
from policy.cases import CaseEvent
from policy.model import Action, CaseState, Verdict
from policy.records import cases
from policy.rulebook import load
from policy.rules import decide, repeat
from policy.tokens import TokenState
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import PAPERS, RULES, TEXT, at, papers
from tests.support.dossiers import remedy as remedy_facts
from tests.support.office import ORGANISATION, Bureau, key_request

ALL = PAPERS[ORGANISATION]
PROOF = "force_majeure_proof"
CAREFUL = load(TEXT.replace("extension_days", "forfeit_hour = 8\nextension_days"))


@pytest.fixture
def shipped(bureau: Bureau) -> Bureau:
    """The case KH00001-1 has its certificate in the token LCS1; it is Friday 19 April, 10:00."""
    bureau.enter("KH00001")
    bureau.move("2024-04-19 10:00")
    bureau.shipped_case("KH00001")
    return bureau


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (CaseEvent.TOKEN_REFUSED, Reason.SUPERSEDED),
        (CaseEvent.TOKEN_LOST, Reason.KEY_COMPROMISE),
    ],
)
@pytest.mark.parametrize("delivered", [False, True])
def test_token_refused_or_lost_is_replaced(
    shipped: Bureau, event: CaseEvent, reason: Reason, *, delivered: bool
) -> None:
    """The old serial is revoked, its token locked, a new one on hold goes out; the clock is new."""
    (old,) = shipped.all_of("KH00001")
    if delivered:
        remedy.deliver(shipped.office, "KH00001-1")
        shipped.tick(hours=2)
    after = relief.replace_token(shipped.office, "KH00001-1", event)
    assert (after.state, after.token, after.due_at) == (CaseState.PAID, None, None)
    gone = shipped.now(old).standing
    assert (gone.status, gone.reason) == (Status.REVOKED, reason)
    assert shipped.token("LCS1") == TokenState.LOCK_PENDING
    shipped.move("2024-05-20 09:00")
    assert remedy.settle_due(shipped.office) == []
    new = remedy.ship(shipped.desk, "KH00001-1", "LCS2", key_request())
    assert new.serial != old.serial
    assert new.standing.sources == {HoldSource.NOT_ACTIVATED}
    remedy.deliver(shipped.office, "KH00001-1")
    shipped.bring("KH00001", *ALL)
    assert shipped.now(new).standing.status is Status.GOOD
    remedy.confirm_lock(shipped.office, "LCS1")
    assert shipped.token("LCS1") == TokenState.PERMANENTLY_LOCKED
    assert shipped.case("KH00001-1").state is CaseState.ACTIVATED


def test_replacement_comes_out_the_same_when_repeated(shipped: Bureau) -> None:
    """The stored decision to revoke a lost token's certificate is made again from its facts."""
    relief.replace_token(shipped.office, "KH00001-1", CaseEvent.TOKEN_LOST)
    made = shipped.decisions("KH00001")[-1]
    assert repeat(made, RULES) == made


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_a_token_is_replaced(shipped: Bureau, *, persisted: bool) -> None:
    """Revocation, case and ordered lock of a lost token are one commit."""
    (old,) = shipped.all_of("KH00001")
    crashing = shipped.on(CrashingDatabase(shipped.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        relief.replace_token(crashing, "KH00001-1", CaseEvent.TOKEN_LOST)
    done = (
        shipped.now(old).revoked,
        shipped.case("KH00001-1").state is CaseState.PAID,
        shipped.token("LCS1") == TokenState.LOCK_PENDING,
    )
    assert done == (persisted,) * 3


def test_lost_token_after_the_deadline_does_not_buy_time(shipped: Bureau) -> None:
    """Who reports a loss after the last instant has missed it, though no worker ran."""
    remedy.deliver(shipped.office, "KH00001-1")
    shipped.move("2024-04-23 00:00")
    after = relief.replace_token(shipped.office, "KH00001-1", CaseEvent.TOKEN_LOST)
    assert after.state is CaseState.DEADLINE_MISSED


def test_no_token_is_replaced_before_there_is_one(lite: Bureau) -> None:
    """A paid case has no token to lose."""
    lite.enter("KH00001")
    lite.paid_case("KH00001")
    with pytest.raises(Refused, match="does not take token_lost"):
        relief.replace_token(lite.office, "KH00001-1", CaseEvent.TOKEN_LOST)
    with pytest.raises(ValueError, match="courier_failed"):
        relief.replace_token(lite.office, "KH00001-1", CaseEvent.COURIER_FAILED)


def test_failed_video_call_goes_to_an_officer(lite: Bureau) -> None:
    """After a failed call an officer verifies in person; the case is then led by them."""
    lite.enter("KH00001")
    case = remedy.open_case(lite.office, "KH00001")
    with pytest.raises(Refused):
        remedy.step(lite.office, case.id, CaseEvent.HANDED_TO_OFFICER)
    remedy.step(lite.office, case.id, CaseEvent.VIDEO_FAILED)
    handed = remedy.step(lite.office, case.id, CaseEvent.HANDED_TO_OFFICER)
    assert (handed.state, handed.assisted) == (CaseState.WITH_OFFICER, True)
    verified = remedy.step(lite.office, case.id, CaseEvent.VIDEO_VERIFIED)
    assert verified.state is CaseState.VIDEO_VERIFIED


LATER = at("2024-05-03 00:00")


def _asked(shipped: Bureau, verdict: Verdict = Verdict.ACCEPTED) -> int:
    remedy.deliver(shipped.office, "KH00001-1")
    (evidence,) = shipped.bring("KH00001", PROOF, verdict=verdict)
    return relief.ask_extension(
        shipped.office, "KH00001-1", LATER, evidence=evidence, because="Bão số 3."
    )


def test_force_majeure_extends_before_the_irreversible_step(shipped: Bureau) -> None:
    """Asked for with evidence and approved by a second person, the later date is the one kept."""
    number = _asked(shipped)
    assert shipped.case("KH00001-1").due_at == at("2024-04-23 00:00")
    assert relief.approve_extension(shipped.director, number).due_at == LATER
    shipped.move("2024-05-02 23:59")
    assert remedy.settle_due(shipped.office) == []
    shipped.bring("KH00001", *ALL)
    assert shipped.case("KH00001-1").state is CaseState.ACTIVATED
    acts = [each.act for each in shipped.trail()]
    assert acts.index("case.extension_asked") < acts.index("case.extended")
    with pytest.raises(Conflict, match="was approved by operator:mai"):
        relief.approve_extension(shipped.director, number)


def test_extension_is_not_approved_by_who_asked(shipped: Bureau) -> None:
    """Four eyes: the same person under another spelling is the same person."""
    number = _asked(shipped)
    for actor in ("operator:lan", " Operator:LAN "):
        with pytest.raises(Refused, match="another operator") as refused:
            relief.approve_extension(replace(shipped.office, actor=actor), number)
        assert refused.value.code == "four_eyes"


def test_extension_comes_too_late_after_the_irreversible_step(shipped: Bureau) -> None:
    """Once the certificate is revoked no approval brings it back, and none may be asked for."""
    number = _asked(shipped)
    shipped.move("2024-04-23 00:00")
    remedy.settle_due(shipped.office)
    with pytest.raises(Refused, match="stands at deadline_missed"):
        relief.approve_extension(shipped.director, number)
    with pytest.raises(Refused, match="stands at deadline_missed"):
        relief.ask_extension(shipped.office, "KH00001-1", LATER, evidence=1, because="Lũ.")
    assert shipped.all_of("KH00001")[0].revoked


def test_extension_needs_accepted_evidence_of_its_own_case(shipped: Bureau) -> None:
    """A paper that waits for its verdict, of another subscriber, or of nobody proves nothing."""
    number = _asked(shipped, Verdict.PENDING)
    with pytest.raises(Refused, match="not accepted"):
        relief.approve_extension(shipped.director, number)
    shipped.enter("KH00002")
    (foreign,) = shipped.bring("KH00002", PROOF)
    for evidence, error in ((foreign, Refused), (4711, NotFound)):
        with pytest.raises(error):
            relief.ask_extension(
                shipped.office, "KH00001-1", LATER, evidence=evidence, because="Lũ."
            )
    with pytest.raises(Invalid, match="for a reason"):
        relief.ask_extension(shipped.office, "KH00001-1", LATER, evidence=1, because=" ")


@pytest.mark.parametrize("until", ["2024-04-23 00:00", "2024-05-23 00:01"])
def test_extension_lies_within_the_rulebooks_days(shipped: Bureau, until: str) -> None:
    """An extension moves the date forward, by at most the rulebook's 30 days."""
    remedy.deliver(shipped.office, "KH00001-1")
    (evidence,) = shipped.bring("KH00001", PROOF)
    with pytest.raises(Refused, match="up to 30 days"):
        relief.ask_extension(
            shipped.office, "KH00001-1", at(until), evidence=evidence, because="Lũ."
        )


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_an_extension_is_approved(shipped: Bureau, *, persisted: bool) -> None:
    """Approval and later date are one commit."""
    number = _asked(shipped)
    crashing = replace(shipped.director, db=CrashingDatabase(shipped.db, 1, persisted=persisted))
    with pytest.raises(Crash):
        relief.approve_extension(crashing, number)
    assert (shipped.case("KH00001-1").due_at == LATER) == persisted
    with shipped.db.read() as tx:
        assert len(cases.waiting_extensions(tx)) == (0 if persisted else 1)


@pytest.mark.parametrize(
    ("received", "due", "forfeits"),
    [
        ("2024-04-17 10:00", "2024-04-23 00:00", "2024-04-23 08:00"),  # rolled over the weekend
        ("2024-04-16 10:00", "2024-04-20 00:00", "2024-04-22 08:00"),  # due on Friday night
        ("2024-04-24 10:00", "2024-05-03 00:00", "2024-05-03 08:00"),  # over the holidays
    ],
)
def test_safety_delay_to_the_next_working_morning(received: str, due: str, forfeits: str) -> None:
    """The irreversible step waits for 8:00 of the next working day; the shipped 2024 does not."""
    known = remedy_facts(papers(without=["contract"]), received=at(received))
    assert CAREFUL.dossier_due(at(received)) == at(due)
    assert decide(known, RULES, at(due)).action is Action.FORFEIT
    waits = decide(known, CAREFUL, at(due))
    assert (waits.action, at(forfeits).isoformat(sep=" ") in waits.because) == (
        Action.NOTHING,
        True,
    )
    assert decide(known, CAREFUL, at(forfeits)).action is Action.FORFEIT


def test_safety_delay_gives_no_time_for_papers() -> None:
    """The test is receipt by the date: a paper that comes in the night after is too late."""
    night = at("2024-04-23 00:01")
    known = remedy_facts(papers(received=night), received=at("2024-04-17 10:00"))
    assert decide(known, CAREFUL, night).action is Action.NOTHING
    assert decide(known, CAREFUL, at("2024-04-23 08:00")).action is Action.FORFEIT


def test_worker_knows_the_delayed_instant(lite: Bureau) -> None:
    """The instants of a running case are its date and the morning after."""
    careful = replace(lite.desk, office=replace(lite.office, rulebooks=(CAREFUL,)))
    lite.enter("KH00001")
    lite.move("2024-04-17 10:00")
    lite.paid_case("KH00001")
    remedy.ship(careful, "KH00001-1", "LCS1", key_request())
    remedy.deliver(careful.office, "KH00001-1")
    with lite.db.read() as tx:
        assert remedy.next_due(careful.office, tx) == [
            at("2024-04-23 00:00"),
            at("2024-04-23 08:00"),
        ]
    lite.move("2024-04-23 00:00")
    assert remedy.settle_due(careful.office) == []
    lite.move("2024-04-23 08:00")
    assert remedy.settle_due(careful.office) == ["KH00001-1"]


def test_contract_goes_back_once_after_the_activation(shipped: Bureau) -> None:
    """One copy of the contract goes back when the token is activated, and is tracked until then."""
    with pytest.raises(Refused, match="goes back when it is activated"):
        relief.return_contract(shipped.office, "KH00001-1", "EMS1")
    remedy.deliver(shipped.office, "KH00001-1")
    shipped.bring("KH00001", *ALL)
    with shipped.db.read() as tx:
        assert [each.id for each in cases.contracts_to_return(tx)] == ["KH00001-1"]
    with pytest.raises(Invalid, match="name its number"):
        relief.return_contract(shipped.office, "KH00001-1", " ")
    after = relief.return_contract(shipped.office, "KH00001-1", "EMS1")
    assert (after.contract_returned_at, after.contract_parcel) == (shipped.clock.now(), "EMS1")
    with shipped.db.read() as tx:
        assert cases.contracts_to_return(tx) == []
    with pytest.raises(Conflict, match="'EMS1'"):
        relief.return_contract(shipped.office, "KH00001-1", "EMS2")


def test_one_representative_two_companies_two_dossiers(lite: Bureau) -> None:
    """Dossier, video call and token belong to the company: one's papers never serve the other."""
    shared = lite.enter("KH00001").personal
    lite.enter("KH00002", personal=shared)
    lite.shipped_case("KH00001", token="LCS1")
    lite.shipped_case("KH00002", token="LCS2")
    for name in ("KH00001-1", "KH00002-1"):
        remedy.deliver(lite.office, name)
    lite.bring("KH00001", *ALL)
    assert lite.case("KH00001-1").state is CaseState.ACTIVATED
    assert lite.case("KH00002-1").state is CaseState.TOKEN_RECEIVED


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_the_contract_goes_back(shipped: Bureau, *, persisted: bool) -> None:
    """The returned contract is one commit; who says it again is told that it went, or it goes."""
    remedy.deliver(shipped.office, "KH00001-1")
    shipped.bring("KH00001", *ALL)
    crashing = shipped.on(CrashingDatabase(shipped.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        relief.return_contract(crashing, "KH00001-1", "EMS1")
    assert (shipped.case("KH00001-1").contract_parcel == "EMS1") == persisted
    acts = [each.act for each in shipped.trail()]
    assert acts.count("case.contract_returned") == (1 if persisted else 0)


@pytest.mark.parametrize("persisted", [False, True])
def test_crash_while_an_extension_is_asked_for(shipped: Bureau, *, persisted: bool) -> None:
    """An extension that is asked for, and its audit entry, are one commit."""
    remedy.deliver(shipped.office, "KH00001-1")
    (evidence,) = shipped.bring("KH00001", PROOF)
    crashing = shipped.on(CrashingDatabase(shipped.db, 1, persisted=persisted)).office
    with pytest.raises(Crash):
        relief.ask_extension(crashing, "KH00001-1", LATER, evidence=evidence, because="Lũ.")
    with shipped.db.read() as tx:
        assert len(cases.waiting_extensions(tx)) == (1 if persisted else 0)
