"""Enrolment: the decision is committed either way, and nothing is issued without it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ca import reconcile
from ca.model import HoldSource, Stage, Status
from core.errors import Invalid, NotFound, Refused
from policy import enrol, remedy, rulebook
from policy.model import Action, Decision, Refusal, SubscriberKind, Verdict
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import PAPERS, TEXT
from tests.support.office import ORGANISATION, Bureau, key_request


@pytest.mark.parametrize("kind", SubscriberKind)
def test_complete_dossier_is_issued(bureau: Bureau, kind: SubscriberKind) -> None:
    """A complete dossier gets a good certificate whose act names the decision that allowed it."""
    issued = bureau.enrol("KH00001", kind)
    assert (issued.stage, issued.standing.status) == (Stage.ISSUED, Status.GOOD)
    (event,) = bureau.events(issued)
    (made,) = bureau.decisions("KH00001")
    assert isinstance(made, Decision)
    assert (made.action, made.lacks) == (Action.ISSUE, ())
    assert (event.clause, event.because) == (made.clause, made.because)
    assert "decision.issue" in [each.act for each in bureau.trail()]


def test_validity_is_calendar_years_less_a_second(bureau: Bureau) -> None:
    """A certificate of two years ends one second before its second birthday."""
    bureau.enter("KH00001")
    issued = enrol.enrol(bureau.desk, "KH00001", key_request(), years=2)
    now = bureau.clock.now()
    assert issued.not_before == now
    assert issued.not_after == now.replace(year=now.year + 2) - timedelta(seconds=1)


def test_validity_from_a_leap_day(lite: Bureau) -> None:
    """A certificate issued on 29 February ends before 28 February of a year that has no 29th."""
    lite.clock.move_to(lite.clock.now().replace(year=2028, month=2, day=29))
    office = replace(lite.office, rulebooks=(_open_ended(),))
    desk = replace(lite.desk, office=office)
    lite.enter("KH00001")
    issued = enrol.enrol(desk, "KH00001", key_request(), years=1)
    assert issued.not_after == lite.clock.now().replace(year=2029, day=28) - timedelta(seconds=1)


def _open_ended() -> rulebook.Rulebook:
    lines = [line for line in TEXT.splitlines() if not line.startswith("effective_until")]
    return rulebook.load("\n".join(lines))


def test_name_comes_from_the_register(bureau: Bureau) -> None:
    """The certificate bears the register's name, whatever the request asked for."""
    bureau.enter("KH00001", organisation="CÔNG TY PHÚ QUÝ")
    issued = enrol.enrol(bureau.desk, "KH00001", key_request(), years=1)
    subject = x509.load_der_x509_certificate(issued.der or b"").subject
    (name,) = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "CÔNG TY PHÚ QUÝ"


def test_papers_may_follow(bureau: Bureau) -> None:
    """An incomplete dossier is issued under this rulebook, and the decision names every lack."""
    issued = bureau.enrol("KH00001", without=["contract", "representative_id"])
    (made,) = bureau.decisions("KH00001")
    assert issued.standing.status is Status.GOOD
    assert isinstance(made, Decision)
    assert len(made.lacks) == 2


def test_refusal_is_stored_with_its_reasons(bureau: Bureau) -> None:
    """A refused issuance is committed with code, reasons and facts, and nothing is issued."""
    bureau.enter("KH00001")
    bureau.bring("KH00001", *PAPERS[ORGANISATION][1:])
    bureau.bring("KH00001", "registration_form", verdict=Verdict.FORGED, reason="Con dấu giả.")
    with pytest.raises(Refused, match="is forged") as refused:
        enrol.enrol(bureau.desk, "KH00001", key_request(), years=1)
    (stored,) = bureau.decisions("KH00001")
    assert isinstance(stored, Refusal)
    assert stored.code == refused.value.code == "dossier_forged"
    assert all(reason in str(refused.value) for reason in stored.reasons)
    assert len(stored.facts.documents) == 4
    assert bureau.all_of("KH00001") == []
    assert bureau.trail()[-1].act == "decision.refuse"


def test_unknown_subscriber_gets_nothing(bureau: Bureau) -> None:
    """Nobody outside the register is issued anything, and no decision is stored for them."""
    with pytest.raises(NotFound, match="no subscriber 'KH99999'"):
        enrol.enrol(bureau.desk, "KH99999", key_request(), years=1)
    assert bureau.decisions() == []


@pytest.mark.parametrize("years", [-1, 0, 6])
def test_years_beyond_the_rulebook_are_refused(lite: Bureau, years: int) -> None:
    """The rulebook's limit of 1 to 5 years holds."""
    lite.enter("KH00001")
    with pytest.raises(Refused, match=f"for {years} years is not allowed.* 1 to 5"):
        enrol.enrol(lite.desk, "KH00001", key_request(), years=years)


@pytest.mark.parametrize("content", [b"", b"no request", key_request() * 2])
def test_malformed_request_is_invalid(lite: Bureau, content: bytes) -> None:
    """What is not exactly one request is refused before anything is decided."""
    lite.enter("KH00001")
    with pytest.raises(Invalid):
        enrol.enrol(lite.desk, "KH00001", content, years=1)
    assert lite.decisions() == []


def test_key_of_another_subscriber_is_refused(bureau: Bureau) -> None:
    """A key that one subscriber has is refused to the next, after the decision was stored."""
    request = key_request(ec.generate_private_key(ec.SECP256R1()))
    bureau.enter("KH00001")
    bureau.enter("KH00002")
    enrol.enrol(bureau.desk, "KH00001", request, years=1)
    with pytest.raises(Refused, match="another subscriber"):
        enrol.enrol(bureau.desk, "KH00002", request, years=1)
    assert bureau.all_of("KH00002") == []


def test_issue_on_hold_only_in_a_paid_case(bureau: Bureau) -> None:
    """Before the payment a case gets no certificate, and the refusal is stored."""
    bureau.enter("KH00001")
    case = remedy.open_case(bureau.office, "KH00001")
    with pytest.raises(Refused, match="stands at photos_received") as refused:
        enrol.enrol(bureau.desk, "KH00001", key_request(), years=1, case=case)
    assert refused.value.code == "case_not_paid"
    assert bureau.actions("KH00001") == ["case_not_paid"]
    assert bureau.all_of("KH00001") == []


def test_issued_on_hold_in_a_paid_case(bureau: Bureau) -> None:
    """A paid case's certificate is born on hold, not activated."""
    bureau.enter("KH00001")
    case = bureau.paid_case("KH00001")
    issued = enrol.enrol(bureau.desk, "KH00001", key_request(), years=1, case=case)
    assert issued.standing.sources == {HoldSource.NOT_ACTIVATED}


@pytest.mark.parametrize(
    ("commit", "persisted", "left"),
    [
        (1, False, []),
        (1, True, []),
        (2, False, []),
        (2, True, [Stage.PENDING]),
        (3, False, [Stage.PENDING]),
        (3, True, [Stage.ISSUED]),
    ],
)
def test_crash_at_each_commit(
    bureau: Bureau, commit: int, *, persisted: bool, left: list[Stage]
) -> None:
    """A crash at any commit leaves a decision without a certificate, or one that is settled."""
    bureau.enter("KH00001")
    desk = bureau.on(CrashingDatabase(bureau.db, commit, persisted=persisted))
    with pytest.raises(Crash):
        enrol.enrol(desk, "KH00001", key_request(), years=1)
    assert len(bureau.decisions("KH00001")) == (commit > 1 or persisted)
    assert [each.stage for each in bureau.all_of("KH00001")] == left
    bureau.clock.move_to(bureau.clock.now() + timedelta(minutes=11))
    lost = reconcile.reconcile(bureau.db, bureau.clock)
    assert len(lost) == (left == [Stage.PENDING])
    for each in bureau.all_of("KH00001"):
        assert each.revoked == (each.stage is Stage.LOST)
