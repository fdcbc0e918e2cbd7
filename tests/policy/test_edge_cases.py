"""The trade's edge cases, one test each: how states join, and what a spreadsheet brings.

What each part does alone stands in its own file; here it is asked once whether the whole keeps its
promise, from the use cases down to the database.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from ca.model import Act, Certificate, HoldSource, Status
from core import serials
from core.errors import AntinError, Refused
from core.reasons import Reason
from policy import due, identifiers, intake, orders, relief, remedy, resellers, sweep
from policy.calendar import DayKind
from policy.cases import CaseEvent
from policy.filed import Outcome
from policy.model import CaseState, DossierState, Party, Request, Verdict, Wanted
from policy.records import documents, subscribers
from policy.rules import judge
from policy.tokens import TokenState
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, PAPERS, REVOKE_AT, RULES, at, paper
from tests.support.office import ORGANISATION, Bureau, person

ALL = PAPERS[ORGANISATION]
ORDER = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-573/2024")
RELEASE = Request(by=Party.AUTHORITY, source=HoldSource.AUTHORITY, reference="QD-574/2024")
PAUSE = Request(by=Party.SUBSCRIBER, ground="subscriber_pause", verified=True)
LOSS = Request(by=Party.SUBSCRIBER, ground="loss_reported")


@pytest.fixture
def incomplete(lite: Bureau) -> Certificate:
    """The certificate of KH00001, which lacks its contract and was told so on 20 March 2024."""
    issued = lite.enrol("KH00001", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    return issued


def _ask(bureau: Bureau, of: Certificate, wanted: Wanted, request: Request) -> Certificate:
    return orders.ask(bureau.office, of.serial, wanted, request)


def _enforce(bureau: Bureau, act: Act) -> None:
    sweep.enforce(bureau.office, "spring", act)


# ---- Joins of states -----------------------------------------------------------------------------


def test_holds_are_a_set(lite: Bureau, incomplete: Certificate) -> None:
    """Held on three grounds a certificate is good only when the last of them is lifted."""
    lite.move(HOLD_AT)
    _enforce(lite, Act.SUSPEND)
    for request in (ORDER, LOSS):
        lite.tick()
        _ask(lite, incomplete, Wanted.SUSPEND, request)
    lite.tick()
    lite.bring("KH00001", "contract")
    left = lite.now(incomplete).standing
    assert (left.status, left.since) == (Status.HOLD, HOLD_AT)
    assert left.sources == {HoldSource.AUTHORITY, HoldSource.LOSS}
    lite.tick()
    after = _ask(lite, incomplete, Wanted.RESTORE, RELEASE)
    assert after.standing.sources == {HoldSource.LOSS}
    lite.tick()
    found = Request(by=Party.SUBSCRIBER, source=HoldSource.LOSS, verified=True)
    assert _ask(lite, incomplete, Wanted.RESTORE, found).standing.status is Status.GOOD


@pytest.mark.parametrize("by", [Party.SUBSCRIBER, Party.CA])
def test_nobody_else_lifts_an_authority_hold(lite: Bureau, by: Party) -> None:
    """Neither the subscriber nor the CA nor a complete dossier lifts an authority's hold."""
    issued = lite.enrol("KH00001")
    lite.tick()
    _ask(lite, issued, Wanted.SUSPEND, ORDER)
    lite.tick()
    request = Request(by=by, source=HoldSource.AUTHORITY, verified=True)
    with pytest.raises(Refused):
        _ask(lite, issued, Wanted.RESTORE, request)
    lite.bring("KH00001", *ALL)
    assert lite.now(issued).standing.sources == {HoldSource.AUTHORITY}


def test_hold_whose_end_passed_is_not_silently_kept(lite: Bureau) -> None:
    """An order that goes on past its end is named until somebody extends it or lifts it."""
    issued = lite.enrol("KH00001")
    lite.tick()
    until = lite.clock.now() + (HOLD_AT - ANNOUNCED_AT)
    ending = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-1", ends_at=until)
    _ask(lite, issued, Wanted.SUSPEND, ending)
    lite.move(until)
    assert due.lift_ended(lite.office) == []
    with lite.db.read() as tx:
        assert [source for _, source in due.overdue(tx, until)] == [HoldSource.AUTHORITY]
    later = Request(
        by=Party.AUTHORITY, ground="authority_order", reference="QD-2",
        ends_at=until + (HOLD_AT - ANNOUNCED_AT),
    )  # fmt: skip
    _ask(lite, issued, Wanted.EXTEND, later)
    with lite.db.read() as tx:
        assert due.overdue(tx, until) == []


def test_remedy_certificate_is_issued_on_hold_and_activation_lifts_it(lite: Bureau) -> None:
    """What goes out in a token is not activated; papers in time lift that hold and no other."""
    lite.enter("KH00001")
    case, issued = lite.shipped_case("KH00001")
    assert issued.standing.sources == {HoldSource.NOT_ACTIVATED}
    own = Request(by=Party.SUBSCRIBER, source=HoldSource.NOT_ACTIVATED, verified=True)
    with pytest.raises(Refused):
        _ask(lite, issued, Wanted.RESTORE, own)
    remedy.deliver(lite.office, case.id)
    lite.tick()
    lite.bring("KH00001", *ALL)
    assert lite.now(issued).standing.status is Status.GOOD


def test_certificate_is_published_once_its_subscriber_confirmed_it(lite: Bureau) -> None:
    """The confirmation is the subscriber's own, verified, and nobody else's."""
    issued = lite.enrol("KH00001")
    lite.tick()
    assert issued.confirmed_at is None
    for request in (Request(by=Party.CA), Request(by=Party.SUBSCRIBER)):
        with pytest.raises(Refused):
            _ask(lite, issued, Wanted.CONFIRM, request)
    own = Request(by=Party.SUBSCRIBER, verified=True)
    assert _ask(lite, issued, Wanted.CONFIRM, own).confirmed_at == lite.clock.now()


def test_document_before_the_deadline_cancels_the_suspension(
    lite: Bureau, incomplete: Certificate
) -> None:
    """A paper accepted in the last minute before the date keeps the certificate good."""
    lite.move("2024-04-19 23:59")
    lite.bring("KH00001", "contract")
    lite.move(HOLD_AT)
    _enforce(lite, Act.SUSPEND)
    assert lite.now(incomplete).standing.status is Status.GOOD


def test_commit_that_came_first_wins_and_restoration_is_immediate(
    lite: Bureau, incomplete: Certificate
) -> None:
    """Held at the stroke, complete a second later: both acts stand, a second apart."""
    lite.move(HOLD_AT)
    _enforce(lite, Act.SUSPEND)
    instant = lite.tick()
    lite.bring("KH00001", "contract")
    after = lite.now(incomplete).standing
    assert (after.status, after.since) == (Status.GOOD, instant)
    assert [each.act for each in lite.events(incomplete)][-2:] == [Act.SUSPEND, Act.RESTORE]


def test_papers_after_revocation_lead_to_a_new_certificate(
    lite: Bureau, incomplete: Certificate
) -> None:
    """Revoked is final: complete papers give a new key and serial, never the old one back."""
    lite.move(HOLD_AT)
    _enforce(lite, Act.SUSPEND)
    lite.move(REVOKE_AT)
    _enforce(lite, Act.REVOKE)
    lite.tick()
    lite.bring("KH00001", "contract")
    assert lite.now(incomplete).revoked
    with pytest.raises(Refused):
        _ask(lite, incomplete, Wanted.RESTORE, RELEASE)
    new = lite.issue("KH00001")
    assert (new.serial == incomplete.serial, new.standing.status) == (False, Status.GOOD)
    assert lite.now(incomplete).revoked


def test_one_representative_of_several_companies(lite: Bureau) -> None:
    """Dossier, consent and video call are the company's: each case is verified for itself."""
    shared = person("KH00001")
    for name in ("KH00001", "KH00002"):
        lite.enter(name, personal=shared)
    cases = [remedy.open_case(lite.office, name) for name in ("KH00001", "KH00002")]
    assert {each.state for each in cases} == {CaseState.MULTI_COMPANY}
    remedy.step(lite.office, cases[0].id, CaseEvent.VIDEO_VERIFIED)
    assert lite.case(cases[1].id).state is CaseState.MULTI_COMPANY
    lite.bring("KH00001", *ALL)
    with lite.db.read() as tx:
        assert documents.numbered_documents(tx, "KH00002") == []


@pytest.mark.parametrize("event", [CaseEvent.COURIER_FAILED, CaseEvent.TOKEN_REFUSED])
def test_clock_does_not_start_while_receipt_is_unknown(lite: Bureau, event: CaseEvent) -> None:
    """A parcel that is refused or lost starts no clock, however long it is away."""
    lite.enter("KH00001")
    case, _ = lite.shipped_case("KH00001")
    if event is CaseEvent.COURIER_FAILED:
        remedy.step(lite.office, case.id, event)
    else:
        relief.replace_token(lite.office, case.id, event)
    lite.tick(days=60)
    assert remedy.settle_due(lite.office) == []
    assert (lite.case(case.id).token_received_at, lite.case(case.id).due_at) == (None, None)


def test_forged_revokes_from_issue_on_and_is_never_back_dated(lite: Bureau) -> None:
    """CONTESTED holds at once; FORGED revokes now, with the time of issue as invalidityDate."""
    issued = lite.enrol("KH00001")
    lite.enter("KH00002", personal=person("KH00001"))
    contested_at = lite.tick(days=1)
    (number,) = lite.bring("KH00001", "contract", verdict=Verdict.CONTESTED)
    held = lite.now(issued).standing
    assert (held.status, held.since) == (Status.HOLD, contested_at)
    forged_at = lite.tick(days=1)
    intake.judge(lite.office, number, Verdict.FORGED, "Không có trong sổ gốc.")
    after = lite.now(issued).standing
    assert (after.since, after.invalidity_date) == (forged_at, issued.not_before)
    assert after.reason is Reason.PRIVILEGE_WITHDRAWN
    with lite.db.read() as tx:
        assert "phone" in subscribers.related(tx, "KH00001")["KH00002"]


def test_deadline_missed_forfeits_in_two_acts_revoke_first(lite: Bureau) -> None:
    """The certificate is revoked, then the lock is ordered until the token reports it: final."""
    lite.enter("KH00001")
    case, issued = lite.shipped_case("KH00001")
    remedy.deliver(lite.office, case.id)
    lite.tick(days=30)
    assert remedy.settle_due(lite.office) == [case.id]
    assert lite.now(issued).revoked
    states = (lite.case(case.id).state, lite.token("LCS1"))
    assert states == (CaseState.DEADLINE_MISSED, TokenState.LOCK_PENDING)
    remedy.confirm_lock(lite.office, "LCS1")
    states = (lite.case(case.id).state, lite.token("LCS1"))
    assert states == (CaseState.FORFEITED, TokenState.PERMANENTLY_LOCKED)


def test_resellers_bulk_file(lite: Bureau, tmp_path: Path) -> None:
    """Each row is answered; brought again nothing is done twice; another's serial is unknown."""
    own = lite.enrol("KH00001")
    lite.enter("KH00002", reseller="DL02")
    lite.bring("KH00002", *ALL)
    foreign = lite.issue("KH00002")
    path = tmp_path / "file.csv"
    with path.open("w", encoding="utf-8", newline="") as target:
        rows = [(serials.to_hex(each.serial), "suspend", "CV 7") for each in (own, foreign)]
        csv.writer(target).writerows([("Số sê-ri", "Yêu cầu", "Văn bản của khách hàng"), *rows])

    def bring() -> list[Outcome]:
        found = resellers.carry_out(lite.office, path, "DL01", verified=True, apply=True)
        return [each.outcome for each in found]

    assert bring() == [Outcome.DONE, Outcome.UNKNOWN]
    assert bring() == [Outcome.DONE_BEFORE, Outcome.UNKNOWN]
    assert lite.now(foreign).standing.status is Status.GOOD
    assert [each.act for each in lite.events(own)].count(Act.SUSPEND) == 1


def test_expired_certificate_takes_no_act(lite: Bureau) -> None:
    """Expiry ends it: an expired certificate is not suspended, restored or renewed."""
    issued = lite.enrol("KH00001")
    lite.tick()
    _ask(lite, issued, Wanted.SUSPEND, ORDER)
    lite.move(issued.not_after)
    lite.tick()
    before = lite.events(issued)
    for wanted, request in ((Wanted.SUSPEND, LOSS), (Wanted.RESTORE, RELEASE)):
        with pytest.raises(AntinError):
            _ask(lite, issued, wanted, request)
    assert lite.events(issued) == before


def test_dossier_goes_from_none_to_verified_and_back() -> None:
    """NONE, PARTIAL, SUBMITTED, REJECTED, VERIFIED, CONTESTED and FORGED, by its papers alone."""
    full = [paper(each) for each in ALL]

    def state(*last: Verdict) -> DossierState:
        papers = (*full[:-1], *(paper(ALL[-1], verdict=each) for each in last))
        return judge(ORGANISATION, papers, RULES).state

    assert judge(ORGANISATION, (), RULES).state is DossierState.NONE
    told = [
        state(), state(Verdict.PENDING), state(Verdict.REJECTED), state(Verdict.ACCEPTED),
        state(Verdict.CONTESTED), state(Verdict.FORGED),
    ]  # fmt: skip
    assert told == [
        DossierState.PARTIAL, DossierState.SUBMITTED, DossierState.REJECTED,
        DossierState.VERIFIED, DossierState.CONTESTED, DossierState.FORGED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ground", "by", "reason"),
    [
        ("key_lost", Party.SUBSCRIBER, Reason.KEY_COMPROMISE),
        ("replaced", Party.SUBSCRIBER, Reason.SUPERSEDED),
        ("name_changed", Party.SUBSCRIBER, Reason.AFFILIATION_CHANGED),
        ("subscriber_request", Party.SUBSCRIBER, Reason.CESSATION_OF_OPERATION),
        ("subscriber_ended", Party.CA, Reason.CESSATION_OF_OPERATION),
        ("authority_revocation", Party.AUTHORITY, Reason.PRIVILEGE_WITHDRAWN),
    ],
)
def test_hold_that_becomes_a_revocation_takes_the_final_reason(
    lite: Bureau, ground: str, by: Party, reason: Reason
) -> None:
    """Each ground has its code, and the hold before it stays in the history."""
    issued = lite.enrol("KH00001")
    lite.tick()
    _ask(lite, issued, Wanted.SUSPEND, PAUSE)
    revoked_at = lite.tick()
    request = Request(by=by, ground=ground, verified=True, reference="CV 7")
    after = _ask(lite, issued, Wanted.REVOKE, request).standing
    assert (after.reason, after.since) == (reason, revoked_at)
    held = [each for each in lite.events(issued) if each.act is Act.SUSPEND]
    assert [each.reason for each in held] == [Reason.CERTIFICATE_HOLD]


# ---- Identifiers and calendar --------------------------------------------------------------------


@pytest.mark.parametrize("code", ["0100112437", "3500807781", "0106324653", "0100686209-199"])
def test_tax_codes_of_real_companies_raise_no_warning(code: str) -> None:
    """Ten digits with their check digit, and a branch's three more."""
    assert list(identifiers.tax_code(code, HOLD_AT.date())) == []


def test_tax_code_that_fails_its_check_is_a_warning_and_no_refusal(lite: Bureau) -> None:
    """Who has a code that was typed wrong decades ago is enrolled; an officer is to look at it."""
    lite.enter("KH00001", tax_code="0101234567")
    lite.bring("KH00001", *ALL)
    assert lite.issue("KH00001").standing.status is Status.GOOD
    with lite.db.read() as tx:
        assert subscribers.warnings_of(tx, "KH00001")


@pytest.mark.parametrize(
    ("examine", "right", "wrong"),
    [
        (lambda text: identifiers.identity("CCCD", text, HOLD_AT.date()), "079185001234", "12345"),
        (lambda text: identifiers.identity("CMND", text, HOLD_AT.date()), "023456789", "02345678"),
        (lambda text: identifiers.identity("HC", text, HOLD_AT.date()), "C1234567", "1234567"),
        (identifiers.phone, "0912345678", "19004525"),
        (identifiers.phone, "0312345678", "0612345678"),
    ],
)
def test_identity_and_phone_numbers(
    examine: Callable[[str], list[str]], right: str, wrong: str
) -> None:
    """Citizen and old identity cards, passports, mobiles; a company's hotline is nobody's own."""
    assert list(examine(right)) == []
    assert list(examine(wrong)) != []


def test_twelve_digits_labelled_cmnd_are_not_taken_for_one(lite: Bureau) -> None:
    """The kind of a document is never derived from its label alone."""
    found = list(identifiers.identity("CMND", "079185001234", HOLD_AT.date()))
    assert any("has the form of a CCCD" in each for each in found)


@pytest.mark.parametrize(
    ("received", "due_at"),
    [("2024-04-19 10:00", "2024-04-23 00:00"), ("2024-04-24 10:00", "2024-05-03 00:00")],
)
def test_three_days_from_receipt_rolled_over_weekend_and_holidays(
    lite: Bureau, received: str, due_at: str
) -> None:
    """Received on Friday 19 April: until Monday 24:00; on Wednesday 24 April: until 2 May 24:00."""
    lite.enter("KH00001")
    lite.move(received)
    case, _ = lite.shipped_case("KH00001")
    assert remedy.deliver(lite.office, case.id).due_at == at(due_at)


def test_day_limits_are_local_days(lite: Bureau) -> None:
    """At 17:00 UTC a new civil day begins: the same instant, another day than in UTC."""
    late = at("2024-04-20 00:00")
    assert (lite.office.day(late), RULES.calendar.day(late).day) == (late.date(), 20)
    assert RULES.remedy.clock.day_kind is DayKind.CALENDAR
