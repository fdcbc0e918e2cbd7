"""What authorities, subscribers and officers ask for: the answer is stored either way."""

from datetime import timedelta

import pytest

from ca.model import Act, Certificate, HoldSource, Status
from core.errors import NotFound, Refused
from core.reasons import Reason
from policy import orders, remedy, sweep
from policy.cases import CaseEvent
from policy.model import Action, CaseState, Decision, Party, Refusal, Request, Wanted
from policy.tokens import TokenState
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import HOLD_AT
from tests.support.office import Bureau

AUTHORITY_HOLD = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-573/2024")
PAUSE = Request(by=Party.SUBSCRIBER, ground="subscriber_pause", verified=True)
LOSS = Request(by=Party.SUBSCRIBER, ground="loss_reported")
KEY_LOST = Request(by=Party.SUBSCRIBER, ground="key_lost", verified=True)
STOP = Request(by=Party.SUBSCRIBER, ground="subscriber_request", verified=True)


def _lift(source: HoldSource, by: Party, *, verified: bool = True) -> Request:
    return Request(by=by, source=source, verified=verified)


@pytest.fixture
def certificate(bureau: Bureau) -> Certificate:
    """A good certificate of KH00001, issued a minute ago."""
    issued = bureau.enrol("KH00001")
    bureau.clock.move_to(bureau.clock.now() + timedelta(minutes=1))
    return issued


def test_authority_holds_at_once(bureau: Bureau, certificate: Certificate) -> None:
    """An authority's order holds at once, names its letter, and tells the subscriber."""
    after = orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, AUTHORITY_HOLD)
    assert after.standing.sources == {HoldSource.AUTHORITY}
    made = bureau.decisions("KH00001")[-1]
    assert isinstance(made, Decision)
    assert (made.clause, made.source) == ("130/2018:28(1)(c)", HoldSource.AUTHORITY)
    assert "QD-573/2024" in made.because
    assert [each.template for each in bureau.notices()] == ["hold"]


@pytest.mark.parametrize("by", [Party.SUBSCRIBER, Party.CA])
def test_only_the_authority_lifts_its_hold(
    bureau: Bureau, certificate: Certificate, by: Party
) -> None:
    """Neither the subscriber nor the CA lifts an authority's hold; the refusal is stored."""
    orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, AUTHORITY_HOLD)
    bureau.tick()
    lift = _lift(HoldSource.AUTHORITY, by)
    with pytest.raises(Refused, match="only the authority") as refused:
        orders.ask(bureau.office, certificate.serial, Wanted.RESTORE, lift)
    assert refused.value.code == "wrong_party"
    stored = bureau.decisions("KH00001")[-1]
    assert isinstance(stored, Refusal)
    assert stored.facts.request == lift
    assert bureau.now(certificate).standing.sources == {HoldSource.AUTHORITY}


def test_authority_lifts_its_hold(bureau: Bureau, certificate: Certificate) -> None:
    """The authority's own word ends its hold, and the certificate is good from that instant."""
    orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, AUTHORITY_HOLD)
    bureau.clock.move_to(bureau.clock.now() + timedelta(days=2))
    lift = _lift(HoldSource.AUTHORITY, Party.AUTHORITY)
    after = orders.ask(bureau.office, certificate.serial, Wanted.RESTORE, lift)
    assert (after.standing.status, after.standing.since) == (Status.GOOD, bureau.clock.now())


def test_good_again_only_without_any_hold(bureau: Bureau, certificate: Certificate) -> None:
    """Each hold is lifted by itself; the certificate is good again with the last one."""
    serial, office = certificate.serial, bureau.office
    for request in (AUTHORITY_HOLD, PAUSE, LOSS):
        orders.ask(office, serial, Wanted.SUSPEND, request)
    left = []
    for source, by in (
        (HoldSource.LOSS, Party.SUBSCRIBER),
        (HoldSource.AUTHORITY, Party.AUTHORITY),
        (HoldSource.SUBSCRIBER, Party.SUBSCRIBER),
    ):
        after = orders.ask(office, serial, Wanted.RESTORE, _lift(source, by))
        left.append((after.standing.status, len(after.standing.holds)))
    assert left == [(Status.HOLD, 2), (Status.HOLD, 1), (Status.GOOD, 0)]


def test_dossier_hold_stays_while_papers_lack(bureau: Bureau) -> None:
    """An officer cannot restore what the dossier does not allow, and is told what is missing."""
    certificate = bureau.enrol("KH00001", without=["contract"])
    bureau.move("2024-03-20 16:00")
    bureau.campaign()
    bureau.move(HOLD_AT)
    sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    lift = _lift(HoldSource.DOSSIER, Party.CA)
    with pytest.raises(Refused, match=r"The dossier is not complete.*contract") as refused:
        orders.ask(bureau.office, certificate.serial, Wanted.RESTORE, lift)
    assert refused.value.code == "dossier_incomplete"
    assert bureau.now(certificate).standing.status is Status.HOLD


@pytest.mark.parametrize(
    ("request_", "reason"),
    [(STOP, Reason.CESSATION_OF_OPERATION), (KEY_LOST, Reason.KEY_COMPROMISE)],
)
def test_subscriber_revokes(
    bureau: Bureau, certificate: Certificate, request_: Request, reason: Reason
) -> None:
    """A verified request revokes with the reason of its ground, at that instant."""
    after = orders.ask(bureau.office, certificate.serial, Wanted.REVOKE, request_)
    assert (after.standing.status, after.standing.reason) == (Status.REVOKED, reason)
    assert after.standing.since == bureau.clock.now()


def test_unverified_revocation_is_refused(bureau: Bureau, certificate: Certificate) -> None:
    """A revocation that nobody verified to be the subscriber's own is refused and stored."""
    unverified = Request(by=Party.SUBSCRIBER, ground="subscriber_request")
    with pytest.raises(Refused) as refused:
        orders.ask(bureau.office, certificate.serial, Wanted.REVOKE, unverified)
    assert refused.value.code == "not_verified"
    assert bureau.actions("KH00001") == [Action.ISSUE, "not_verified"]
    assert not bureau.now(certificate).revoked


@pytest.mark.parametrize(
    ("wanted", "request_"),
    [
        (Wanted.SUSPEND, AUTHORITY_HOLD),
        (Wanted.RESTORE, _lift(HoldSource.AUTHORITY, Party.AUTHORITY)),
        (Wanted.REVOKE, STOP),
        (Wanted.ACTIVATE, Request(by=Party.CA)),
    ],
)
def test_revoked_is_final(
    bureau: Bureau, certificate: Certificate, wanted: Wanted, request_: Request
) -> None:
    """Whatever is asked of a revoked certificate is refused, and its standing never moves."""
    before = orders.ask(bureau.office, certificate.serial, Wanted.REVOKE, KEY_LOST)
    bureau.clock.move_to(bureau.clock.now() + timedelta(days=1))
    with pytest.raises(Refused, match="revoked is final") as refused:
        orders.ask(bureau.office, certificate.serial, wanted, request_)
    assert refused.value.code == "revoked_is_final"
    assert bureau.now(certificate) == before


@pytest.mark.parametrize(
    ("wanted", "request_"), [(Wanted.SUSPEND, AUTHORITY_HOLD), (Wanted.REVOKE, STOP)]
)
def test_expired_takes_no_act(
    bureau: Bureau, certificate: Certificate, wanted: Wanted, request_: Request
) -> None:
    """In the last second of its life a certificate takes an act, a second later none."""
    bureau.clock.move_to(certificate.not_after + timedelta(seconds=1))
    with pytest.raises(Refused) as refused:
        orders.ask(bureau.office, certificate.serial, wanted, request_)
    assert refused.value.code == "expired"
    assert bureau.now(certificate).standing == certificate.standing


def test_second_hold_of_one_source_is_refused(bureau: Bureau, certificate: Certificate) -> None:
    """One source holds once: a second order is refused instead of changing the first."""
    orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, AUTHORITY_HOLD)
    with pytest.raises(Refused, match="open already") as refused:
        orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, AUTHORITY_HOLD)
    assert refused.value.code == "hold_open"


def test_pause_with_an_end_is_lifted_when_it_is_over(
    bureau: Bureau, certificate: Certificate
) -> None:
    """A pause with an end is not lifted unverified before it, and is lifted after it."""
    end = bureau.clock.now() + timedelta(days=3)
    pause = Request(by=Party.SUBSCRIBER, ground="subscriber_pause", verified=True, ends_at=end)
    held = orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, pause)
    assert held.standing.holds[0].ends_at == end
    unverified = _lift(HoldSource.SUBSCRIBER, Party.SUBSCRIBER, verified=False)
    with pytest.raises(Refused):
        orders.ask(bureau.office, certificate.serial, Wanted.RESTORE, unverified)
    bureau.clock.move_to(end)
    after = orders.ask(bureau.office, certificate.serial, Wanted.RESTORE, unverified)
    assert after.standing.status is Status.GOOD


def test_unknown_serial_is_not_found(bureau: Bureau) -> None:
    """A serial that was never issued is said to be missing, and nothing is decided."""
    with pytest.raises(NotFound, match="serial 4F0A12C3"):
        orders.ask(bureau.office, 0x4F0A12C3, Wanted.SUSPEND, AUTHORITY_HOLD)
    assert bureau.decisions() == []


def test_revocation_ends_the_remedy_case(bureau: Bureau) -> None:
    """The subscriber's own revocation of a case's certificate ends the case and locks its token."""
    bureau.enter("KH00002")
    case, certificate = bureau.shipped_case("KH00002")
    orders.ask(bureau.office, certificate.serial, Wanted.REVOKE, KEY_LOST)
    ended = bureau.case(case.id)
    assert (ended.state, ended.closed_at) == (CaseState.FORFEITED, bureau.clock.now())
    assert bureau.token("LCS1") == TokenState.LOCK_PENDING
    with pytest.raises(Refused):
        remedy.deliver(bureau.office, case.id)
    remedy.confirm_lock(bureau.office, "LCS1")
    assert bureau.token("LCS1") == TokenState.PERMANENTLY_LOCKED


def test_revocation_after_activation_leaves_the_case(bureau: Bureau) -> None:
    """A case that was over before stays as it ended when its certificate is revoked later."""
    bureau.enter("KH00002")
    case, certificate = bureau.shipped_case("KH00002")
    remedy.deliver(bureau.office, case.id)
    bureau.bring(
        "KH00002", "registration_form", "contract", "business_registration", "representative_id"
    )
    before = bureau.case(case.id)
    orders.ask(bureau.office, certificate.serial, Wanted.REVOKE, STOP)
    assert before.state is CaseState.ACTIVATED
    assert bureau.case(case.id) == before


def test_hold_does_not_touch_the_case(bureau: Bureau) -> None:
    """An authority's hold on a case's certificate leaves the case on its way."""
    bureau.enter("KH00002")
    case, certificate = bureau.shipped_case("KH00002")
    orders.ask(bureau.office, certificate.serial, Wanted.SUSPEND, AUTHORITY_HOLD)
    assert bureau.case(case.id) == case
    remedy.step(bureau.office, case.id, CaseEvent.COURIER_FAILED)


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("request_", [KEY_LOST, Request(by=Party.CA, ground="key_lost")])
def test_crash_while_an_order_is_answered(
    bureau: Bureau, certificate: Certificate, request_: Request, *, persisted: bool
) -> None:
    """Decision or refusal, act, audit entry and notice are one commit: all are there or none."""
    office = bureau.on(CrashingDatabase(bureau.db, 1, persisted=persisted)).office
    before = len(bureau.trail())
    with pytest.raises(Crash):
        orders.ask(office, certificate.serial, Wanted.REVOKE, request_)
    allowed = request_ is KEY_LOST
    assert len(bureau.decisions("KH00001")) == 1 + persisted
    assert bureau.now(certificate).revoked == (persisted and allowed)
    assert len(bureau.notices()) == (persisted and allowed)
    assert (len(bureau.trail()) > before) == persisted


def test_silent_order_is_not_told_to_the_subscriber(bureau: Bureau) -> None:
    """An authority's order with its number may be silent: hold and revocation queue no notice."""
    issued = bureau.enrol("KH00001")
    order = Request(
        by=Party.AUTHORITY, ground="authority_order", reference="QD-573/2024", silent=True
    )
    orders.ask(bureau.office, issued.serial, Wanted.SUSPEND, order)
    assert bureau.notices() == []
    open_order = Request(by=Party.AUTHORITY, ground="authority_revocation", reference="QD-574/2024")
    orders.ask(bureau.office, issued.serial, Wanted.REVOKE, open_order)
    assert [each.template for each in bureau.notices()] == ["revoke"]


@pytest.mark.parametrize(
    "order",
    [
        Request(by=Party.AUTHORITY, ground="authority_order", silent=True),
        Request(by=Party.SUBSCRIBER, ground="loss_reported", reference="x", silent=True),
    ],
)
def test_nobody_else_orders_silence(lite: Bureau, order: Request) -> None:
    """Silence without an order's number, or for whoever is no authority, is refused."""
    issued = lite.enrol("KH00001")
    with pytest.raises(Refused, match="kept from the subscriber"):
        orders.ask(lite.office, issued.serial, Wanted.SUSPEND, order)
