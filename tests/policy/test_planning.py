"""Plans of campaigns: over a scope, signed, approved as they were simulated, and by nobody else."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.model import Act, HoldSource
from core import jws, serials
from core.errors import NotFound, Refused
from policy import intake, planning, sweep
from policy.model import CampaignStage, DossierState, SubscriberKind, Verdict
from policy.records import campaigns, documents, plans
from policy.records.plans import PlannedAct
from policy.scope import EVERYONE, Scope
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, REVOKE_AT
from tests.support.office import SEAL, Bureau, ca_key

INSTANTS = st.none() | st.sampled_from([ANNOUNCED_AT, HOLD_AT, REVOKE_AT])


def _plan(bureau: Bureau, name: str = "spring", scope: Scope = EVERYONE) -> None:
    planning.plan(bureau.office, name, hold_at=HOLD_AT, revoke_at=REVOKE_AT, scope=scope)


@pytest.fixture
def peopled(bureau: Bureau) -> Bureau:
    """Five lack papers: in Hà Nội and Huế, of two resellers, an individual, one issued later."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.enrol("KH00002", without=["representative_id"])
    bureau.enrol("KH00003", SubscriberKind.INDIVIDUAL, without=["contract"])
    bureau.enter("KH00004", province="Huế", reseller="DL02")
    bureau.bring("KH00004", "contract")
    bureau.issue("KH00004")
    bureau.move("2024-03-10 09:00")
    bureau.enrol("KH00005", without=["contract"])
    bureau.enrol("KH00006")
    bureau.move(ANNOUNCED_AT)
    return bureau


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        (EVERYONE, [1, 2, 3, 4, 5]),
        (Scope(kind=SubscriberKind.INDIVIDUAL), [3]),
        (Scope(reseller="DL02"), [4]),
        (Scope(province="Hà Nội"), [1, 2, 3, 5]),
        (Scope(lacking="contract"), [1, 3, 5]),
        (Scope(lacking="contract", kind=SubscriberKind.ORGANISATION), [1, 5]),
        (Scope(state=DossierState.VERIFIED), []),
        (Scope(issued_from=ANNOUNCED_AT - timedelta(days=11)), [5]),
        (Scope(issued_until=ANNOUNCED_AT - timedelta(days=11)), [1, 2, 3, 4]),
    ],
    ids=lambda value: str(value.to_json()) if isinstance(value, Scope) else "",
)
def test_campaign_is_over_its_scope_alone(peopled: Bureau, scope: Scope, held: list[int]) -> None:
    """Kind, reseller, province, issue period and findings narrow a campaign to whom it holds."""
    peopled.campaign(scope=scope)
    peopled.move(HOLD_AT)
    acted = sweep.enforce(peopled.office, "spring", Act.SUSPEND)
    assert [each.subscriber for each in acted] == [f"KH0000{n}" for n in held]


def test_campaign_over_a_list(peopled: Bureau) -> None:
    """A list of serials is the scope; a serial that nobody has is named and refused."""
    (first,) = peopled.all_of("KH00001")
    listed = Scope(serials=frozenset({serials.to_hex(first.serial)}))
    peopled.campaign(scope=listed)
    peopled.move(HOLD_AT)
    acted = sweep.enforce(peopled.office, "spring", Act.SUSPEND)
    assert [each.subscriber for each in acted] == ["KH00001"]
    with pytest.raises(NotFound, match="among them 0BAD"):
        _plan(peopled, "other", Scope(serials=frozenset({"0BAD"})))


def test_latecomers_are_of_the_scope_too(bureau: Bureau) -> None:
    """What is issued after the announcement joins only where it fits the scope."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign(scope=Scope(kind=SubscriberKind.ORGANISATION))
    bureau.tick(days=1)
    bureau.enrol("KH00002", without=["contract"])
    bureau.enrol("KH00003", SubscriberKind.INDIVIDUAL, without=["contract"])
    bureau.move(HOLD_AT)
    acted = sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    assert [each.subscriber for each in acted] == ["KH00001", "KH00002"]


def test_plan_is_signed_for_anyone_to_read(peopled: Bureau) -> None:
    """The plan's digest, dates and counts stand in a JWS by the audit key."""
    _plan(peopled)
    found = planning.simulate(peopled.office, "spring")
    with peopled.db.read() as tx:
        token = plans.token_of(tx, "spring")
        acts = plans.acts_of(tx, "spring")
    signed = jws.verify(ca_key("audit").public_key(), token, typ="plan")
    assert signed["sha256"] == found.digest
    assert (signed["holds"], signed["revocations"], signed["campaign"]) == (5, 5, "spring")
    assert len(acts) == 10
    assert SEAL.read(token) == signed


def test_approval_is_of_one_plan(peopled: Bureau) -> None:
    """Who approves names the plan; one that was simulated anew meanwhile is another plan."""
    _plan(peopled)
    first = planning.simulate(peopled.office, "spring").digest
    assert planning.simulate(peopled.office, "spring").digest == first
    peopled.bring("KH00001", "contract")
    second = planning.simulate(peopled.office, "spring").digest
    assert second != first
    with pytest.raises(Refused, match="simulated anew") as refused:
        planning.approve(peopled.director, "spring", first)
    assert refused.value.code == "plan_changed"
    assert planning.approve(peopled.director, "spring", second) == second


def test_revised_campaign_is_approved_anew_by_another(peopled: Bureau) -> None:
    """Other dates make it a draft again; who changed them is its author and does not approve it."""
    _plan(peopled)
    with pytest.raises(Refused, match="draft"):
        planning.approve(peopled.director, "spring")
    planning.simulate(peopled.office, "spring")
    planning.approve(peopled.director, "spring")
    later = HOLD_AT + timedelta(days=3)
    revised = planning.revise(peopled.director, "spring", hold_at=later, revoke_at=None)
    assert (revised.stage, revised.hold_at, revised.revoke_at) == (
        CampaignStage.DRAFT, later, REVOKE_AT,
    )  # fmt: skip
    assert (revised.approver, revised.approved_digest, revised.most_holds) == (None, None, None)
    with pytest.raises(Refused, match="draft"):
        sweep.announce(peopled.office, "spring")
    planning.simulate(peopled.office, "spring")
    with pytest.raises(Refused, match="another operator"):
        planning.approve(peopled.director, "spring")
    planning.approve(peopled.office, "spring")
    sweep.announce(peopled.office, "spring")
    with pytest.raises(Refused, match="cannot be taken to revise"):
        planning.revise(peopled.office, "spring", hold_at=HOLD_AT, revoke_at=None)


def _add_act(bureau: Bureau) -> None:
    (other,) = bureau.all_of("KH00006")
    extra = PlannedAct(
        certificate_id=other.id, act=Act.SUSPEND, serial=serials.to_hex(other.serial), clause="x"
    )
    with bureau.db.begin() as tx:
        plans.replace_acts(tx, "spring", [*plans.acts_of(tx, "spring"), extra])


def _move_date(bureau: Bureau) -> None:
    with bureau.db.begin() as tx:
        campaigns.update_campaign(tx, "spring", revoke_at=REVOKE_AT - timedelta(days=5))


def _forge_digest(bureau: Bureau) -> None:
    _add_act(bureau)
    with bureau.db.begin() as tx:
        campaigns.update_campaign(tx, "spring", approved_digest="0" * 64)


@pytest.mark.parametrize("change", [_add_act, _move_date, _forge_digest])
def test_changed_plan_is_not_enforced(peopled: Bureau, change) -> None:
    """An act slipped in, a date moved, a digest overwritten: announcement and run are refused."""
    _plan(peopled)
    planning.simulate(peopled.office, "spring")
    planning.approve(peopled.director, "spring")
    change(peopled)
    with pytest.raises(Refused, match="it was changed") as refused:
        sweep.announce(peopled.office, "spring")
    assert refused.value.code == "plan_changed"


@pytest.mark.parametrize("change", [_add_act, _move_date, _forge_digest])
def test_plan_changed_after_the_announcement_holds_nobody(peopled: Bureau, change) -> None:
    """What is enforced is the plan that was approved, or nothing."""
    peopled.campaign()
    change(peopled)
    peopled.move(HOLD_AT)
    with pytest.raises(Refused, match="it was changed"):
        sweep.enforce(peopled.office, "spring", Act.SUSPEND)
    standing = [each.standing for n in range(1, 7) for each in peopled.all_of(f"KH0000{n}")]
    assert not [each for each in standing if HoldSource.DOSSIER in each.sources]


def test_only_who_is_in_the_plan_is_held(peopled: Bureau) -> None:
    """A dossier that fell apart after the approval is nobody's surprise: it is left alone."""
    peopled.campaign()
    peopled.tick(days=1)
    with peopled.db.read() as tx:
        number = documents.numbered_documents(tx, "KH00006")[0][0]
    intake.judge(peopled.office, number, Verdict.REJECTED, "illegible")
    peopled.move(HOLD_AT)
    acted = sweep.enforce(peopled.office, "spring", Act.SUSPEND)
    assert "KH00006" not in [each.subscriber for each in acted]


@given(
    st.builds(
        Scope,
        kind=st.none() | st.sampled_from(SubscriberKind),
        reseller=st.text(max_size=9),
        province=st.text(max_size=9),
        issued_from=INSTANTS,
        issued_until=INSTANTS,
        lacking=st.sampled_from(["", "contract"]),
        state=st.none() | st.sampled_from(DossierState),
        serials=st.none() | st.frozensets(st.text("0123456789ABCDEF", max_size=6), max_size=5),
    )
)
def test_scope_survives_its_json(scope: Scope) -> None:
    """A scope that is stored comes back equal, and equal scopes have equal texts."""
    assert Scope.from_json(scope.to_json()) == scope
    assert Scope.from_json(scope.to_json()).to_json() == scope.to_json()
