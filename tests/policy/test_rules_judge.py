"""How a dossier stands: what counts, what does not, and the sentence for each lack."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.model import Document, DossierState, Judgement, SubscriberKind, Verdict
from policy.rulebook import load
from policy.rules import judge
from tests.support.dossiers import (
    ISSUED_AT,
    PAPERS,
    RULES,
    SECOND,
    TEXT,
    at,
    dossiers,
    paper,
    papers,
)

ORGANISATION = SubscriberKind.ORGANISATION
STRICT = load(TEXT.replace('expired_document = "warn"', 'expired_document = "lack"'))


def organisation(*documents: Document, without: str = "") -> Judgement:
    """Judge an organisation's dossier: complete but for `without`, with `documents` beside."""
    return judge(ORGANISATION, (*papers(without=[without]), *documents), RULES)


@pytest.mark.parametrize("kind", SubscriberKind)
def test_all_papers_make_a_dossier_complete(kind: SubscriberKind):
    """With every required document accepted on paper, a dossier of each kind is verified."""
    judgement = judge(kind, papers(kind), RULES)
    assert judgement.complete
    assert judgement.state is DossierState.VERIFIED
    assert judgement.lacks == ()


@pytest.mark.parametrize(
    ("kind", "missing"), [(kind, each) for kind, needed in PAPERS.items() for each in needed]
)
def test_each_missing_paper_makes_it_incomplete(kind: SubscriberKind, missing: str):
    """Whichever required document is missing, the dossier is partial and the lack is named."""
    judgement = judge(kind, papers(kind, without=[missing]), RULES)
    assert not judgement.complete
    assert judgement.state is DossierState.PARTIAL
    assert [lack.document for lack in judgement.lacks] == [missing]
    assert judgement.lacks[0].why.endswith("is missing.")
    assert judgement.completed_at is None


def test_an_empty_dossier_is_none():
    """With no document at all, the dossier is none, and everything is lacking."""
    judgement = judge(ORGANISATION, (), RULES)
    assert judgement.state is DossierState.NONE
    assert [lack.document for lack in judgement.lacks] == list(PAPERS[ORGANISATION])


def test_a_scan_never_counts():
    """A scan is no paper: it counts neither for a contract nor for an ID."""
    scanned = tuple(replace(each, form="scan") for each in papers())
    judgement = judge(ORGANISATION, scanned, RULES)
    assert judgement.state is DossierState.PARTIAL
    assert judgement.lacks[1].why == (
        "The contract came as scan, which does not count; it must come as paper original."
    )


@pytest.mark.parametrize(
    ("kind", "form", "counts"),
    [
        ("contract", "paper_original", True),
        ("contract", "certified_copy", False),
        ("contract", "stamped_copy", False),
        ("representative_id", "certified_copy", True),
        ("representative_id", "master_register_copy", True),
        ("representative_id", "copy_compared_with_original", True),
        ("representative_id", "stamped_copy", True),
        ("representative_id", "electronic", False),
        ("representative_id", "photo_of_a_screen", False),
    ],
)
def test_each_document_has_its_accepted_forms(kind: str, form: str, *, counts: bool):
    """Form and contract must be originals; copies must be certified, compared or stamped."""
    assert organisation(paper(kind, form=form), without=kind).complete is counts


def test_another_proof_of_the_entity_serves_as_well():
    """A founding decision does what a business registration does (Điều 23)."""
    founding = paper("founding_decision")
    assert organisation(founding, without="business_registration").complete


def test_who_signs_for_the_representative_needs_an_authorisation():
    """When somebody else signs, the authorisation and that person's ID are required too."""
    agent = judge(ORGANISATION, papers(), RULES, conditions=["signed_by_agent"])
    assert [lack.document for lack in agent.lacks] == ["authorisation", "authorised_person_id"]
    authorised = (
        *papers(),
        paper("authorisation", form="paper_original"),
        paper("authorised_person_id"),
    )
    assert judge(ORGANISATION, authorised, RULES, conditions=["signed_by_agent"]).complete


def test_a_document_not_yet_examined_does_not_count():
    """What no officer has examined makes a dossier submitted, not verified."""
    pending = paper("contract", verdict=Verdict.PENDING, received=at("2024-04-19 09:00"))
    judgement = organisation(pending, without="contract")
    assert judgement.state is DossierState.SUBMITTED
    assert judgement.lacks[0].why == (
        "The contract received on 2024-04-19 has not been examined yet."
    )


def test_a_rejection_is_told_with_the_officer_s_reason():
    """A rejected document makes the dossier rejected, with the officer's own words."""
    rejected = paper("contract", verdict=Verdict.REJECTED, reason="Thiếu chữ ký.")
    judgement = organisation(rejected, without="contract")
    assert judgement.state is DossierState.REJECTED
    assert judgement.lacks[0].why == "The contract was rejected: Thiếu chữ ký."


def test_what_is_missing_outweighs_what_was_rejected():
    """A dossier with one paper rejected and another missing is still being collected: partial."""
    rejected = paper("contract", verdict=Verdict.REJECTED)
    documents = (*papers(without=["contract", "representative_id"]), rejected)
    assert judge(ORGANISATION, documents, RULES).state is DossierState.PARTIAL


def test_a_better_copy_makes_up_for_a_rejected_one():
    """Once a good document is accepted, an earlier rejected one no longer matters."""
    rejected = paper("contract", verdict=Verdict.REJECTED)
    assert organisation(rejected).complete


def test_a_dossier_is_complete_since_its_last_needed_paper_came():
    """The instant of completion is the arrival of the last needed document, not of later copies."""
    last = at("2024-04-19 17:00")
    later = at("2024-04-21 17:00")
    judgement = organisation(
        paper("contract", received=last), paper("contract", received=later), without="contract"
    )
    assert judgement.completed_at == last


@pytest.mark.parametrize(
    ("verdict", "state"),
    [(Verdict.CONTESTED, DossierState.CONTESTED), (Verdict.FORGED, DossierState.FORGED)],
)
def test_a_suspect_document_spoils_a_complete_dossier(verdict: Verdict, state: DossierState):
    """One contested or forged document makes the dossier incomplete, whatever else it holds."""
    judgement = organisation(paper("business_registration", verdict=verdict))
    assert judgement.state is state
    assert not judgement.complete
    assert judgement.lacks[0].why == f"The business registration is {verdict}."


def test_forged_outweighs_contested():
    """If one document is forged and another contested, the dossier is forged."""
    judgement = organisation(
        paper("contract", verdict=Verdict.CONTESTED), paper("contract", verdict=Verdict.FORGED)
    )
    assert judgement.state is DossierState.FORGED


def test_an_expired_id_is_a_warning_in_2024():
    """The officer's verdict decides: an ID that expired since is told as a warning."""
    expired = replace(papers()[3], expires_on=date(2024, 3, 31))
    judgement = judge(ORGANISATION, (*papers()[:3], expired), RULES, today=date(2024, 4, 1))
    assert judgement.complete
    assert judgement.warnings == ("The legal representative's ID expired on 2024-03-31.",)


def test_an_id_is_valid_on_its_last_day():
    """A card that expires on a day is still good on that day."""
    expiring = replace(papers()[3], expires_on=date(2024, 4, 1))
    judgement = judge(ORGANISATION, (*papers()[:3], expiring), STRICT, today=date(2024, 4, 1))
    assert judgement.complete
    assert judgement.warnings == ()


def test_a_stricter_rulebook_no_longer_counts_an_expired_id():
    """Under a rulebook that says so, an expired ID makes the dossier incomplete."""
    expired = replace(papers()[3], expires_on=date(2024, 3, 31))
    judgement = judge(ORGANISATION, (*papers()[:3], expired), STRICT, today=date(2024, 4, 1))
    assert judgement.state is DossierState.DOCUMENT_EXPIRED
    assert judgement.lacks[0].why == "The legal representative's ID expired on 2024-03-31."


def test_a_document_the_rulebook_does_not_know_is_told():
    """An unknown document neither helps nor harms; the officer is told."""
    judgement = organisation(paper("hat"))
    assert judgement.complete
    assert judgement.warnings == (
        "The rulebook lcs-2024/1 knows no document hat; it does not count.",
    )


@given(data=st.data(), kind=st.sampled_from(SubscriberKind))
def test_the_order_of_documents_says_nothing(data: st.DataObject, kind: SubscriberKind):
    """Any order of the same documents has the same judgement, to the last sentence."""
    documents = data.draw(dossiers(kind))
    shuffled = data.draw(st.permutations(documents))
    today = data.draw(st.none() | st.just(date(2024, 4, 20)))
    assert judge(kind, documents, RULES, today=today) == judge(kind, shuffled, RULES, today=today)


@given(
    data=st.data(),
    kind=st.sampled_from(SubscriberKind),
    days=st.lists(st.dates(date(2023, 1, 1), date(2026, 1, 1)), min_size=2, max_size=2),
)
def test_time_alone_never_improves_a_dossier(
    data: st.DataObject, kind: SubscriberKind, days: list[date]
):
    """A dossier that is complete on a day was so on every earlier day, under either reading."""
    documents = data.draw(dossiers(kind))
    earlier, later = sorted(days)
    for rulebook in (RULES, STRICT):
        if judge(kind, documents, rulebook, today=later).complete:
            assert judge(kind, documents, rulebook, today=earlier).complete


@given(data=st.data(), kind=st.sampled_from(SubscriberKind))
def test_complete_means_no_lack(data: st.DataObject, kind: SubscriberKind):
    """Complete, verified, without lacks, and with an instant of completion: all four or none."""
    judgement = judge(kind, data.draw(dossiers(kind)), RULES)
    assert judgement.complete is (judgement.state is DossierState.VERIFIED)
    assert judgement.complete is (not judgement.lacks)
    assert judgement.complete is (judgement.completed_at is not None)
    assert all(lack.why.endswith(".") for lack in judgement.lacks)


@given(data=st.data(), kind=st.sampled_from(SubscriberKind))
def test_more_good_paper_never_harms(data: st.DataObject, kind: SubscriberKind):
    """Another accepted document never makes a complete dossier incomplete, or complete later."""
    documents = data.draw(dossiers(kind))
    more = paper(data.draw(st.sampled_from(PAPERS[kind])), received=ISSUED_AT - SECOND)
    before = judge(kind, documents, RULES)
    after = judge(kind, (*documents, more), RULES)
    if before.completed_at is not None:
        assert after.completed_at is not None
        assert after.completed_at <= before.completed_at
