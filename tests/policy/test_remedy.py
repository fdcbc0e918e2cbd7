"""Remedy cases: the whole road back, its branches, and its two endings."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy

from ca.model import HoldSource, Status
from core.errors import Conflict, NotFound, Refused
from core.reasons import Reason
from policy import intake, remedy, representations
from policy.cases import CaseEvent
from policy.model import Action, CaseState, Decision, SubscriberKind, Verdict
from policy.records import cases, subscribers
from policy.tokens import TokenState
from tests.support.dossiers import PAPERS, at
from tests.support.office import ORGANISATION, Bureau, key_request, person

ALL = PAPERS[ORGANISATION]


@pytest.fixture
def ready(bureau: Bureau) -> Bureau:
    """KH00001 is in the register; it is Wednesday 17 April 2024, 09:00."""
    bureau.enter("KH00001")
    bureau.move("2024-04-17 09:00")
    return bureau


def test_the_whole_road(ready: Bureau) -> None:
    """Photos, video, payment, token, receipt, full dossier: the new certificate becomes good."""
    case, certificate = ready.shipped_case("KH00001")
    assert (case.state, case.certificate_id) == (CaseState.TOKEN_SHIPPED, certificate.id)
    assert ready.token("LCS1") == TokenState.SHIPPED
    assert certificate.standing.sources == {HoldSource.NOT_ACTIVATED}
    ready.move("2024-04-19 10:00")
    assert remedy.deliver(ready.office, case.id).due_at == at("2024-04-23 00:00")
    assert ready.token("LCS1") == TokenState.DELIVERED
    ready.bring("KH00001", *ALL[:-1])
    assert ready.case(case.id).state is CaseState.TOKEN_RECEIVED
    ready.move("2024-04-22 16:30")
    ready.bring("KH00001", ALL[-1])
    ended = ready.case(case.id)
    assert (ended.state, ended.closed_at) == (CaseState.ACTIVATED, ready.clock.now())
    assert ready.token("LCS1") == TokenState.ACTIVATED
    after = ready.now(certificate)
    assert (after.standing.status, after.standing.since) == (Status.GOOD, ready.clock.now())
    assert ready.actions("KH00001") == [Action.ISSUE_ON_HOLD, Action.ACTIVATE]
    assert [each.template for each in ready.notices()] == ["request_payment", "activate"]


def test_round_locks_only_what_is_due(ready: Bureau) -> None:
    """While no clock of an open case has run out, the worker's round reads a snapshot alone."""
    case, _ = ready.shipped_case("KH00001")
    remedy.deliver(ready.office, case.id)
    locked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "FOR UPDATE" in statement or statement == "BEGIN IMMEDIATE":
            locked.append(statement)

    sqlalchemy.event.listen(ready.db.engine, "before_cursor_execute", note)
    assert remedy.settle_due(ready.office) == []
    assert locked == []
    ready.move("2024-04-30 09:00")
    assert remedy.settle_due(ready.office) == [case.id]
    assert locked


@pytest.mark.parametrize("kind", SubscriberKind)
def test_every_kind_of_subscriber_is_remedied(bureau: Bureau, kind: SubscriberKind) -> None:
    """The remedy dossier asks of each kind of subscriber what its own dossier asks."""
    bureau.enter("KH00001", kind)
    case, certificate = bureau.shipped_case("KH00001")
    remedy.deliver(bureau.office, case.id)
    bureau.bring("KH00001", *PAPERS[kind][1:])
    assert bureau.now(certificate).standing.status is Status.HOLD
    bureau.bring("KH00001", PAPERS[kind][0])
    assert bureau.now(certificate).standing.status is Status.GOOD


def test_papers_that_came_before_the_token_count(ready: Bureau) -> None:
    """A remedy dossier that is complete before the token arrives activates it on arrival."""
    case, certificate = ready.shipped_case("KH00001")
    ready.bring("KH00001", *ALL)
    assert ready.now(certificate).standing.status is Status.HOLD
    ready.move("2024-04-19 10:00")
    assert remedy.deliver(ready.office, case.id).state is CaseState.ACTIVATED
    assert ready.now(certificate).standing.status is Status.GOOD


def test_papers_of_the_original_dossier_do_not_count(bureau: Bureau) -> None:
    """The remedy dossier is a new one: every paper is needed anew."""
    bureau.enrol("KH00001")
    case, certificate = bureau.shipped_case("KH00001")
    remedy.deliver(bureau.office, case.id)
    assert bureau.now(certificate).standing.status is Status.HOLD
    assert bureau.case(case.id).state is CaseState.TOKEN_RECEIVED


def _delivered(ready: Bureau, *papers: str) -> tuple[str, int]:
    """Deliver KH00001's token on Friday 19 April; due Monday 22 April, 24:00."""
    case, certificate = ready.shipped_case("KH00001")
    ready.move("2024-04-19 10:00")
    remedy.deliver(ready.office, case.id)
    ready.bring("KH00001", *papers)
    return case.id, certificate.id


def test_missed_deadline_forfeits_in_two_acts(ready: Bureau) -> None:
    """At the stroke the certificate is revoked; the token's lock is its own, later act."""
    case_id, _ = _delivered(ready, *ALL[:-1])
    certificate = ready.all_of("KH00001")[0]
    ready.move("2024-04-22 23:59")
    assert remedy.settle_due(ready.office) == []
    ready.move("2024-04-23 00:00")
    assert remedy.settle_due(ready.office) == [case_id]
    after = ready.now(certificate)
    assert (after.standing.status, after.standing.reason) == (
        Status.REVOKED,
        Reason.PRIVILEGE_WITHDRAWN,
    )
    assert after.standing.since == at("2024-04-23 00:00")
    case = ready.case(case_id)
    assert (case.state, case.closed_at) == (CaseState.DEADLINE_MISSED, None)
    assert ready.token("LCS1") == TokenState.LOCK_PENDING
    ready.move("2024-04-25 08:00")
    remedy.confirm_lock(ready.office, "LCS1")
    case = ready.case(case_id)
    assert (case.state, case.closed_at) == (CaseState.FORFEITED, ready.clock.now())
    assert ready.token("LCS1") == TokenState.PERMANENTLY_LOCKED
    acts = [each.act for each in ready.trail()]
    assert acts.index("certificate.revoke") < acts.index("case.forfeited")
    made = ready.decisions("KH00001")[-1]
    assert isinstance(made, Decision)
    assert (made.action, made.ground) == (Action.FORFEIT, "remedy_missed")
    assert len(made.lacks) == 1


def test_lock_is_asked_for_until_it_is_confirmed(ready: Bureau) -> None:
    """A token whose lock was ordered stays on the list until it reports the lock."""
    _delivered(ready)
    ready.move("2024-04-23 00:00")
    lists = []
    for act in (
        lambda: remedy.settle_due(ready.office),
        lambda: remedy.settle_due(ready.office),
        lambda: remedy.confirm_lock(ready.office, "LCS1"),
    ):
        act()
        ready.tick(hours=6)
        with ready.db.read() as tx:
            lists.append(remedy.tokens_to_lock(tx))
    assert lists == [["LCS1"], ["LCS1"], []]


def test_second_report_of_a_lock_is_refused(ready: Bureau) -> None:
    """A token that is locked for ever takes no further event."""
    _delivered(ready)
    ready.move("2024-04-23 00:00")
    remedy.settle_due(ready.office)
    remedy.confirm_lock(ready.office, "LCS1")
    with pytest.raises(Refused, match="permanently_locked"):
        remedy.confirm_lock(ready.office, "LCS1")


def test_unknown_token_cannot_be_locked(ready: Bureau) -> None:
    """A lock of a token that was never sent is refused by its serial."""
    with pytest.raises(NotFound, match="'LCS404'"):
        remedy.confirm_lock(ready.office, "LCS404")


def test_paper_at_the_last_instant_is_in_time(ready: Bureau) -> None:
    """A paper received at 24:00 of the last day activates; the clock then finds nothing to do."""
    case_id, _ = _delivered(ready, *ALL[:-1])
    ready.move("2024-04-23 00:00")
    ready.bring("KH00001", ALL[-1])
    assert ready.case(case_id).state is CaseState.ACTIVATED
    assert remedy.settle_due(ready.office) == []


def test_paper_after_the_deadline_is_too_late(ready: Bureau) -> None:
    """A paper that comes a second late does not activate, though no worker ran in between."""
    case_id, _ = _delivered(ready, *ALL[:-1])
    ready.move("2024-04-23 00:00")
    ready.tick()
    ready.bring("KH00001", ALL[-1])
    assert ready.all_of("KH00001")[0].standing.status is Status.HOLD
    remedy.settle_due(ready.office)
    assert ready.all_of("KH00001")[0].revoked
    assert ready.case(case_id).state is CaseState.DEADLINE_MISSED


def test_unjudged_papers_do_not_stop_the_clock(ready: Bureau) -> None:
    """Under this rulebook papers that wait for a verdict at the deadline forfeit."""
    case_id, _ = _delivered(ready, *ALL[:-1])
    ready.bring("KH00001", ALL[-1], verdict=Verdict.PENDING)
    ready.move("2024-04-23 00:00")
    remedy.settle_due(ready.office)
    assert ready.case(case_id).state is CaseState.DEADLINE_MISSED


def test_forged_paper_ends_the_case(ready: Bureau) -> None:
    """A forged paper revokes as bad since issue, orders the lock, and closes the case."""
    case, certificate = ready.shipped_case("KH00001")
    (number,) = ready.bring("KH00001", "contract", verdict=Verdict.PENDING)
    ready.tick(hours=1)
    intake.judge(ready.office, number, Verdict.FORGED, "Chữ ký giả.")
    after = ready.now(certificate)
    assert after.revoked
    assert after.standing.invalidity_date == certificate.not_before
    ended = ready.case(case.id)
    assert (ended.state, ended.closed_at) == (CaseState.FORFEITED, ready.clock.now())
    assert ready.token("LCS1") == TokenState.LOCK_PENDING


def test_unpaid_case_closes_after_fifteen_days(ready: Bureau) -> None:
    """15 days after the payment request the case ends unpaid, and no certificate was issued."""
    case = remedy.open_case(ready.office, "KH00001")
    for event in (CaseEvent.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED):
        remedy.step(ready.office, case.id, event)
    with ready.db.read() as tx:
        assert remedy.next_due(ready.office, tx) == [at("2024-05-03 00:00")]
    ready.move("2024-05-02 23:59")
    assert remedy.settle_due(ready.office) == []
    ready.move("2024-05-03 00:00")
    assert remedy.settle_due(ready.office) == [case.id]
    ended = ready.case(case.id)
    assert (ended.state, ended.closed_at) == (CaseState.UNPAID, ready.clock.now())
    assert ready.all_of("KH00001") == []
    assert ready.actions("KH00001") == [Action.CLOSE_UNPAID]
    assert [each.template for each in ready.notices()] == ["request_payment", "close_unpaid"]


def test_late_payment_is_refused(ready: Bureau) -> None:
    """A payment after its term is refused, even when no worker has closed the case yet."""
    case = remedy.open_case(ready.office, "KH00001")
    for event in (CaseEvent.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED):
        remedy.step(ready.office, case.id, event)
    ready.move("2024-05-03 00:00")
    ready.tick()
    with pytest.raises(Refused, match="was due by") as refused:
        remedy.step(ready.office, case.id, CaseEvent.PAYMENT_RECEIVED)
    assert refused.value.code == "payment_late"
    assert remedy.settle_due(ready.office) == [case.id]


def test_payment_at_the_last_instant_is_in_time(ready: Bureau) -> None:
    """A payment at 24:00 of the fifteenth day is accepted, and the case goes on."""
    case = remedy.open_case(ready.office, "KH00001")
    for event in (CaseEvent.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED):
        remedy.step(ready.office, case.id, event)
    ready.move("2024-05-03 00:00")
    paid = remedy.step(ready.office, case.id, CaseEvent.PAYMENT_RECEIVED)
    assert (paid.state, paid.paid_at) == (CaseState.PAID, ready.clock.now())
    assert remedy.settle_due(ready.office) == []


def test_several_companies_wait_for_an_officer(bureau: Bureau) -> None:
    """Who represents two companies leaves the self-service path until an officer verifies them."""
    shared = person("KH00001")
    bureau.enter("KH00001", personal=shared)
    bureau.enter("KH00002", personal=replace(shared, email="khac@rieng-tu.example"))
    bureau.enter("KH00003")
    case = remedy.open_case(bureau.office, "KH00002")
    assert (case.state, case.assisted) == (CaseState.MULTI_COMPANY, True)
    with pytest.raises(Refused):
        remedy.step(bureau.office, case.id, CaseEvent.PAYMENT_REQUESTED)
    verified = remedy.step(bureau.office, case.id, CaseEvent.VIDEO_VERIFIED)
    assert (verified.state, verified.assisted) == (CaseState.VIDEO_VERIFIED, True)
    assert remedy.open_case(bureau.office, "KH00003").state is CaseState.PHOTOS_RECEIVED


def test_representation_elsewhere_counts(ready: Bureau) -> None:
    """Who represents a second company by its papers alone does so on its days."""
    own = person("KH00001")
    who = (own.representative.upper(), own.id_type, f" {own.id_number}")
    ready.enter("KH00002")
    (evidence,) = ready.bring("KH00002", "business_registration")
    first, last = date(2024, 4, 18), date(2024, 4, 19)
    number = representations.add(ready.office, "KH00002", who, from_on=first, evidence=evidence)
    representations.end(ready.office, number, last)
    with ready.db.read() as tx:
        entry = subscribers.subscriber_of(tx, ready.office.vault, "KH00001")
        told = [
            representations.several(ready.office, tx, entry, first + timedelta(days=each))
            for each in (-1, 0, 1, 2)
        ]
    assert told == [False, True, True, False]
    ready.move("2024-04-18 00:00")
    for name in ("KH00001", "KH00002"):
        assert remedy.open_case(ready.office, name).state is CaseState.MULTI_COMPANY


def test_failed_video_call_may_be_repeated(ready: Bureau) -> None:
    """A video call that failed is tried again."""
    case = remedy.open_case(ready.office, "KH00001")
    states = [
        remedy.step(ready.office, case.id, event).state
        for event in (CaseEvent.VIDEO_FAILED, CaseEvent.VIDEO_FAILED, CaseEvent.VIDEO_VERIFIED)
    ]
    assert states[-1] is CaseState.VIDEO_VERIFIED


def test_clock_does_not_start_without_the_token(ready: Bureau) -> None:
    """While nobody knows that the customer has the token, no deadline runs."""
    case, certificate = ready.shipped_case("KH00001")
    remedy.step(ready.office, case.id, CaseEvent.COURIER_FAILED)
    ready.move("2024-08-01 09:00")
    with ready.db.read() as tx:
        assert remedy.next_due(ready.office, tx) == []
    assert remedy.settle_due(ready.office) == []
    assert ready.now(certificate).standing.status is Status.HOLD


def test_returned_token_is_sent_again(ready: Bureau) -> None:
    """A parcel that came back goes out again: the same token, the same certificate, one case."""
    case = ready.paid_case("KH00001")
    request = key_request()
    certificate = remedy.ship(ready.desk, case.id, "LCS1", request)
    remedy.step(ready.office, case.id, CaseEvent.COURIER_FAILED)
    ready.move("2024-04-20 09:00")
    assert remedy.ship(ready.desk, case.id, "LCS1", request).id == certificate.id
    assert ready.case(case.id).state is CaseState.TOKEN_SHIPPED
    assert ready.token("LCS1") == TokenState.SHIPPED
    assert len(ready.all_of("KH00001")) == 1
    delivered = remedy.deliver(ready.office, case.id)
    assert delivered.token_received_at == ready.clock.now()


def test_token_in_use_is_refused_before_anything_is_issued(ready: Bureau) -> None:
    """A token that another case was sent is refused, and no certificate is made for it."""
    ready.shipped_case("KH00001", token="LCS1")
    ready.enter("KH00002")
    case = ready.paid_case("KH00002")
    with pytest.raises(Refused, match="A token that is shipped"):
        remedy.ship(ready.desk, case.id, "LCS1", key_request())
    assert ready.all_of("KH00002") == []
    assert ready.case(case.id).state is CaseState.PAID


def test_shipping_before_the_payment_is_refused(ready: Bureau) -> None:
    """An unpaid case ships nothing and issues nothing."""
    case = remedy.open_case(ready.office, "KH00001")
    with pytest.raises(Refused, match="does not take token_shipped"):
        remedy.ship(ready.desk, case.id, "LCS1", key_request())
    assert ready.all_of("KH00001") == []
    assert ready.token("LCS1") == ""


def test_one_open_case_at_a_time(ready: Bureau) -> None:
    """A second case waits until the first is over; then it is a new one with its own dossier."""
    first = remedy.open_case(ready.office, "KH00001")
    with pytest.raises(Conflict, match="'KH00001-1' of 'KH00001' is still open"):
        remedy.open_case(ready.office, "KH00001")
    for event in (CaseEvent.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED):
        remedy.step(ready.office, first.id, event)
    ready.move("2024-05-03 00:00")
    remedy.settle_due(ready.office)
    assert remedy.open_case(ready.office, "KH00001").id == "KH00001-2"
    with ready.db.read() as tx:
        assert [each.id for each in cases.open_cases(tx)] == ["KH00001-2"]


@pytest.mark.parametrize(
    "event",
    [
        CaseEvent.TOKEN_SHIPPED,
        CaseEvent.TOKEN_RECEIVED,
        CaseEvent.DOSSIER_RECEIVED,
        CaseEvent.ACTIVATED,
        CaseEvent.PAYMENT_MISSED,
        CaseEvent.DEADLINE_MISSED,
        CaseEvent.CERTIFICATE_REVOKED,
        CaseEvent.FORFEITED,
    ],
)
def test_no_one_says_by_hand_what_must_happen(lite: Bureau, event: CaseEvent) -> None:
    """What follows from papers, clocks and tokens cannot be claimed as a step."""
    lite.enter("KH00001")
    case, _ = lite.shipped_case("KH00001")
    remedy.deliver(lite.office, case.id)
    before = lite.case(case.id)
    with pytest.raises(Refused, match="not said by hand"):
        remedy.step(lite.office, case.id, event)
    assert lite.case(case.id) == before


def test_case_of_nobody_is_not_opened(ready: Bureau) -> None:
    """A case for someone outside the register, or a step of an unknown case, is refused by name."""
    with pytest.raises(NotFound, match="'KH99999'"):
        remedy.open_case(ready.office, "KH99999")
    with pytest.raises(NotFound, match="'KH00001-9'"):
        remedy.step(ready.office, "KH00001-9", CaseEvent.VIDEO_VERIFIED)
