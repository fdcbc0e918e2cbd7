"""What may be asked for, and by whom; every refusal has its code, its clause and its reasons."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ca.model import HoldSource, Status
from core.reasons import Reason
from policy.model import (
    Action,
    CaseState,
    CertificateFacts,
    Decision,
    Document,
    Facts,
    Party,
    Refusal,
    Request,
    Verdict,
    Wanted,
)
from policy.rulebook import Rulebook, load
from policy.rules import admit
from tests.support.dossiers import (
    HOLD_AT,
    ISSUED_AT,
    REVOKE_AT,
    RULES,
    SECOND,
    TEXT,
    at,
    case,
    certificate,
    facts,
    held,
    paper,
    papers,
    remedy,
)

NOW = HOLD_AT + timedelta(days=3)
LACKING = papers(without=["contract"])
PAPERS_FIRST = load(TEXT.replace("papers_to_follow = true", "papers_to_follow = false"))
AUTHORITY = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-573/2024")


def allowed(wanted: Wanted, given: Facts, rulebook: Rulebook = RULES) -> Decision:
    """Return the decision; the act must be allowed."""
    answer = admit(wanted, given, rulebook, NOW)
    assert isinstance(answer, Decision), answer
    return answer


def refused(wanted: Wanted, given: Facts, rulebook: Rulebook = RULES) -> Refusal:
    """Return the refusal; the act must not be allowed."""
    answer = admit(wanted, given, rulebook, NOW)
    assert isinstance(answer, Refusal), answer
    assert answer.sentence.endswith(".")
    return answer


def asking(request: Request, *holds: HoldSource, documents: tuple[Document, ...] = ()) -> Facts:
    """Return facts with a request, the certificate being held from `holds`."""
    standing = held(*holds) if holds else certificate()
    return facts(documents, certificate=standing, request=request)


def lifting(source: HoldSource, by: Party, *, verified: bool = True) -> Request:
    """Return the request to lift a hold."""
    return Request(by=by, source=source, verified=verified)


# ---- Issue ---------------------------------------------------------------------------------------


def test_a_complete_dossier_is_issued_its_certificate():
    """With a complete dossier a certificate is issued, and nothing is lacking in the decision."""
    decision = allowed(Wanted.ISSUE, facts(papers(), certificate=None))
    assert decision.action is Action.ISSUE
    assert decision.lacks == ()


def test_papers_may_follow_and_the_lack_is_recorded():
    """Under the rulebook of 2024 papers may follow; what lacks is written into the decision."""
    decision = allowed(Wanted.ISSUE, facts(LACKING, certificate=None))
    assert decision.action is Action.ISSUE
    assert decision.lacks == ("The contract is missing.",)


def test_a_rulebook_that_wants_papers_first_refuses():
    """Where papers may not follow, an incomplete dossier is refused with every lack."""
    refusal = refused(Wanted.ISSUE, facts(LACKING, certificate=None), PAPERS_FIRST)
    assert refusal.code == "dossier_incomplete"
    assert refusal.reasons == ("The contract is missing.",)


def test_papers_may_follow_until_a_date():
    """A rulebook may end the time in which papers may follow, at an exact instant."""
    ended = load(
        TEXT.replace(
            "papers_to_follow = true",
            f"papers_to_follow = true\npapers_to_follow_until = {NOW.isoformat()}",
        )
    )
    given = facts(LACKING, certificate=None)
    assert isinstance(admit(Wanted.ISSUE, given, ended, NOW - SECOND), Decision)
    assert refused(Wanted.ISSUE, given, ended).code == "dossier_incomplete"


@pytest.mark.parametrize("verdict", [Verdict.CONTESTED, Verdict.FORGED])
def test_nothing_is_issued_on_a_suspect_dossier(verdict: Verdict):
    """A contested or forged document stops issuance, also where papers may follow."""
    suspect = (*papers(), paper("contract", verdict=verdict))
    assert refused(Wanted.ISSUE, facts(suspect, certificate=None)).code == f"dossier_{verdict}"


# ---- The remedy ----------------------------------------------------------------------------------


def test_a_paid_case_is_issued_its_certificate_on_hold():
    """The remedy's certificate is issued on hold, not activated, on its own ground."""
    given = facts(certificate=None, case=case(CaseState.PAID))
    decision = allowed(Wanted.ISSUE_ON_HOLD, given)
    assert decision.action is Action.ISSUE_ON_HOLD
    assert decision.source is HoldSource.NOT_ACTIVATED
    assert decision.reason is Reason.CERTIFICATE_HOLD
    assert decision.contract_clause


@pytest.mark.parametrize(
    "state",
    sorted(set(CaseState) - {CaseState.PAID, CaseState.TOKEN_SHIPPED}),
)
def test_a_case_that_is_not_paid_gets_no_certificate(state: CaseState):
    """Before the payment, and after the case is over, no certificate is issued."""
    given = facts(certificate=None, case=case(state))
    assert refused(Wanted.ISSUE_ON_HOLD, given).code == "case_not_paid"


def test_issue_on_hold_needs_a_case_and_only_once():
    """Without a case nothing is issued on hold, and a case has one certificate."""
    assert refused(Wanted.ISSUE_ON_HOLD, facts(certificate=None)).code == "no_case"
    again = facts(certificate=held(HoldSource.NOT_ACTIVATED), case=case(CaseState.PAID))
    assert refused(Wanted.ISSUE_ON_HOLD, again).code == "certificate_exists"


def test_activation_needs_token_and_papers_in_time():
    """A token that arrived and a complete dossier in time are activated."""
    given = remedy(papers(received=NOW), received=NOW - SECOND)
    decision = allowed(Wanted.ACTIVATE, given)
    assert decision.action is Action.ACTIVATE
    assert decision.wanted is Wanted.ACTIVATE


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (remedy(papers(), received=None), "not_activatable"),
        (remedy(LACKING, received=NOW - SECOND), "not_activatable"),
        (remedy(LACKING, received=at("2024-04-01 10:00")), "not_activatable"),
        (
            remedy(papers(received=NOW - SECOND), received=at("2024-04-01 10:00")),
            "not_activatable",
        ),
        (
            remedy(papers(), received=NOW - SECOND, state=CaseState.FORFEITED),
            "not_activatable",
        ),
        (
            replace(remedy(papers(), received=NOW - SECOND), certificate=certificate()),
            "not_activatable",
        ),
        (
            remedy(
                (*papers(), paper("contract", verdict=Verdict.CONTESTED)), received=NOW - SECOND
            ),
            "dossier_contested",
        ),
        (facts(papers(), certificate=held(HoldSource.NOT_ACTIVATED)), "no_case"),
    ],
)
def test_activation_is_refused_otherwise(given: Facts, code: str):
    """No token, no papers, late papers, a lost case, a doubt: each is refused with its code."""
    assert refused(Wanted.ACTIVATE, given).code == code


# ---- Suspension and revocation on request --------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "source", "clause"),
    [
        (AUTHORITY, HoldSource.AUTHORITY, "130/2018:28(1)(c)"),
        (
            Request(by=Party.SUBSCRIBER, ground="subscriber_pause", verified=True),
            HoldSource.SUBSCRIBER,
            "130/2018:28(1)(a)",
        ),
        (
            Request(by=Party.SUBSCRIBER, ground="loss_reported"),
            HoldSource.LOSS,
            "130/2018:28(1)(a)",
        ),
    ],
)
def test_a_suspension_on_request_names_its_ground(
    request_: Request, source: HoldSource, clause: str
):
    """Each party suspends on its own ground, with its own source and clause."""
    decision = allowed(Wanted.SUSPEND, asking(request_))
    assert decision.action is Action.HOLD
    assert (decision.source, decision.clause) == (source, clause)
    assert decision.reason is Reason.CERTIFICATE_HOLD


def test_an_authority_suspends_what_the_dossier_already_holds():
    """Holds are a set: an authority's hold comes beside the dossier's."""
    decision = allowed(Wanted.SUSPEND, asking(AUTHORITY, HoldSource.DOSSIER))
    assert decision.source is HoldSource.AUTHORITY
    assert "QD-573/2024" in decision.because


def test_a_suspension_keeps_its_end():
    """A suspension for a time carries its end, to be published (Điều 28(2))."""
    until = NOW + timedelta(days=30)
    assert allowed(Wanted.SUSPEND, asking(replace(AUTHORITY, ends_at=until))).ends_at == until


@pytest.mark.parametrize(
    ("request_", "ground", "reason"),
    [
        (Party.SUBSCRIBER, "subscriber_request", Reason.CESSATION_OF_OPERATION),
        (Party.SUBSCRIBER, "key_lost", Reason.KEY_COMPROMISE),
        (Party.SUBSCRIBER, "replaced", Reason.SUPERSEDED),
        (Party.SUBSCRIBER, "name_changed", Reason.AFFILIATION_CHANGED),
        (Party.CA, "subscriber_ended", Reason.CESSATION_OF_OPERATION),
        (Party.AUTHORITY, "authority_revocation", Reason.PRIVILEGE_WITHDRAWN),
    ],
)
@pytest.mark.parametrize("holds", [(), (HoldSource.AUTHORITY, HoldSource.DOSSIER)])
def test_a_revocation_on_request_carries_the_reason_of_its_ground(
    request_: Party, ground: str, reason: Reason, holds: tuple[HoldSource, ...]
):
    """Each ground of revocation has its RFC 5280 reason, held or not; none is back-dated."""
    decision = allowed(
        Wanted.REVOKE, asking(Request(by=request_, ground=ground, verified=True), *holds)
    )
    assert decision.action is Action.REVOKE
    assert decision.reason is reason
    assert decision.invalidity_date is None
    assert decision.at == NOW


@pytest.mark.parametrize(
    ("wanted", "request_", "code"),
    [
        (Wanted.SUSPEND, None, "unknown_ground"),
        (Wanted.SUSPEND, replace(AUTHORITY, ground="because"), "unknown_ground"),
        (Wanted.SUSPEND, replace(AUTHORITY, ground="dossier_missing"), "unknown_ground"),
        (Wanted.SUSPEND, replace(AUTHORITY, ground="key_lost"), "unknown_ground"),
        (Wanted.SUSPEND, replace(AUTHORITY, by=Party.SUBSCRIBER), "wrong_party"),
        (Wanted.SUSPEND, replace(AUTHORITY, ends_at=NOW), "ends_in_past"),
        (
            Wanted.SUSPEND,
            Request(by=Party.SUBSCRIBER, ground="subscriber_pause"),
            "not_verified",
        ),
        (Wanted.REVOKE, Request(by=Party.SUBSCRIBER, ground="key_lost"), "not_verified"),
        (
            Wanted.REVOKE,
            Request(by=Party.CA, ground="subscriber_request", verified=True),
            "wrong_party",
        ),
        (
            Wanted.REVOKE,
            Request(by=Party.CA, ground="dossier_still_missing", verified=True),
            "unknown_ground",
        ),
    ],
)
def test_a_request_without_its_ground_its_party_or_its_proof_is_refused(
    wanted: Wanted, request_: Request | None, code: str
):
    """Unknown grounds, wrong parties and unverified letters are refused with their code."""
    given = replace(facts(), request=request_)
    assert refused(wanted, given).code == code


def test_no_two_holds_of_one_source():
    """A second hold from the same source is refused: extend or lift the open one."""
    assert refused(Wanted.SUSPEND, asking(AUTHORITY, HoldSource.AUTHORITY)).code == "hold_open"


# ---- Restoration ---------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [Party.SUBSCRIBER, Party.CA])
def test_neither_subscriber_nor_dossier_lifts_an_authority_s_hold(by: Party):
    """What an authority ordered, only an authority releases, complete dossier or not."""
    given = asking(lifting(HoldSource.AUTHORITY, by), HoldSource.AUTHORITY, documents=papers())
    assert refused(Wanted.RESTORE, given).code == "wrong_party"


def test_an_authority_releases_its_hold():
    """The authority's own release lifts its hold, under Điều 28(3)."""
    given = asking(lifting(HoldSource.AUTHORITY, Party.AUTHORITY), HoldSource.AUTHORITY)
    decision = allowed(Wanted.RESTORE, given)
    assert decision.action is Action.LIFT
    assert decision.source is HoldSource.AUTHORITY
    assert decision.clause == "130/2018:28(3)"


def test_a_dossier_hold_is_lifted_only_when_complete():
    """An officer cannot lift a dossier's hold over a missing paper; a complete one is lifted."""
    request = lifting(HoldSource.DOSSIER, Party.CA)
    lacking = asking(request, HoldSource.DOSSIER, documents=LACKING)
    assert refused(Wanted.RESTORE, lacking).reasons == ("The contract is missing.",)
    whole = asking(request, HoldSource.DOSSIER, documents=papers())
    assert allowed(Wanted.RESTORE, whole).source is HoldSource.DOSSIER


def test_a_hold_of_the_subscriber_s_own_ends_on_request_or_with_its_time():
    """The subscriber lifts their own hold when verified; when its time is over, anyone may ask."""
    source = HoldSource.SUBSCRIBER
    own = asking(lifting(source, Party.SUBSCRIBER), source)
    assert allowed(Wanted.RESTORE, own).source is source
    unproven = asking(lifting(source, Party.SUBSCRIBER, verified=False), source)
    assert refused(Wanted.RESTORE, unproven).code == "not_verified"
    given = asking(lifting(source, Party.CA), source)
    assert refused(Wanted.RESTORE, given).code == "wrong_party"
    for end, over in ((NOW, True), (NOW + SECOND, False)):
        timed = replace(given, certificate=held(source, hold_ends=((source, end),)))
        assert isinstance(admit(Wanted.RESTORE, timed, RULES, NOW), Decision) is over


def test_an_authority_s_hold_does_not_end_by_time_alone():
    """When the time of an authority's hold has passed, it stays until the authority releases it."""
    source = HoldSource.AUTHORITY
    given = replace(
        asking(lifting(source, Party.CA), source),
        certificate=held(source, hold_ends=((source, NOW - SECOND),)),
    )
    assert refused(Wanted.RESTORE, given).code == "wrong_party"


@pytest.mark.parametrize(
    ("source", "holds", "code"),
    [
        (None, (HoldSource.DOSSIER,), "no_source"),
        (HoldSource.LOSS, (HoldSource.DOSSIER,), "no_such_hold"),
        (HoldSource.NOT_ACTIVATED, (HoldSource.NOT_ACTIVATED,), "not_restorable"),
    ],
)
def test_only_an_open_hold_that_can_be_restored_is_lifted(
    source: HoldSource | None, holds: tuple[HoldSource, ...], code: str
):
    """A hold that is not named, not open, or ends by activation only is not restored."""
    given = asking(Request(by=Party.CA, source=source, verified=True), *holds)
    assert refused(Wanted.RESTORE, given).code == code


# ---- The end of a certificate --------------------------------------------------------------------

ACTS = [Wanted.ACTIVATE, Wanted.SUSPEND, Wanted.RESTORE, Wanted.REVOKE]


@pytest.mark.parametrize("wanted", ACTS)
@pytest.mark.parametrize(
    ("standing", "code"),
    [
        (certificate(status=Status.REVOKED), "revoked_is_final"),
        (certificate(not_after=NOW - SECOND), "expired"),
        (None, "no_certificate"),
    ],
)
def test_no_act_on_a_revoked_or_expired_certificate(
    wanted: Wanted, standing: CertificateFacts | None, code: str
):
    """Revoked is final and expired is over: no act is admitted, whoever asks."""
    given = replace(facts(papers(), request=AUTHORITY, case=case()), certificate=standing)
    assert refused(wanted, given).code == code


def test_a_refusal_names_rulebook_clause_and_instant():
    """A refusal can stand alone: it says under which rulebook, when, and on which facts."""
    given = asking(replace(AUTHORITY, by=Party.CA))
    refusal = refused(Wanted.SUSPEND, given)
    assert refusal.rulebook == "lcs-2024/1"
    assert refusal.clause == "130/2018:28(1)(c)"
    assert refusal.at == NOW
    assert refusal.facts == given
    assert REVOKE_AT > NOW > ISSUED_AT
