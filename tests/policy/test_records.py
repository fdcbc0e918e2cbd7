"""The registration authority's queries: many keys at once, order, and what the database refuses."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from core.errors import Conflict, NotFound, Refused
from policy import enrol, remedy
from policy.model import CampaignStage, CaseState, Decision, Verdict
from policy.records import campaigns, cases, decisions, documents, outbox, subscribers
from policy.records.batches import batches
from policy.records.campaigns import Campaign
from policy.tokens import TokenState
from tests.support.dossiers import HOLD_AT, ISSUED_AT, REVOKE_AT, paper
from tests.support.office import Bureau, key_request


def test_long_lists_are_cut_in_pieces() -> None:
    """Keys beyond what one query takes come in several lists, none lost and none doubled."""
    pieces = list(batches(range(1201)))
    assert [len(each) for each in pieces] == [500, 500, 201]
    assert [key for each in pieces for key in each] == list(range(1201))
    assert list(batches([])) == []


def test_more_subscribers_than_one_query_takes(bureau: Bureau) -> None:
    """Questions about more than five hundred subscribers find every one of them."""
    known = bureau.enter("KH00001")
    names = [f"KH{number:05}" for number in range(1, 602)]
    now = bureau.clock.now()
    with bureau.db.begin() as tx:
        for name in names[1:]:
            subscribers.add_subscriber(tx, bureau.office.vault, replace(known, id=name))
            documents.add_document(tx, name, None, paper("contract"), now)
    with bureau.db.read() as tx:
        assert set(subscribers.kinds_of(tx, names)) == set(names)
        assert len(documents.documents_of(tx, names)) == 600


def test_documents_keep_their_order_and_case(bureau: Bureau) -> None:
    """Papers are listed as they arrived, each with the dossier it belongs to, whole."""
    bureau.enter("KH00001")
    day = (bureau.clock.now() + timedelta(days=900)).date()
    first = paper("contract", received=ISSUED_AT, verdict=Verdict.REJECTED, reason="Mờ.")
    second = paper("representative_id", received=bureau.clock.now(), expires_on=day)
    with bureau.db.begin() as tx:
        for each in (second, first):
            documents.add_document(tx, "KH00001", None, each, None)
    case = remedy.open_case(bureau.office, "KH00001")
    bureau.bring("KH00001", "contract")
    with bureau.db.read() as tx:
        listed = documents.numbered_documents(tx, "KH00001")
        grouped = documents.documents_of(tx, ["KH00001", "KH99999"])
    assert [(of_case, each) for _, of_case, each in listed][:2] == [(None, first), (None, second)]
    assert listed[2][1] == case.id
    assert {key: len(each) for key, each in grouped.items()} == {
        ("KH00001", None): 2,
        ("KH00001", case.id): 1,
    }


def test_decisions_come_back_whole(bureau: Bureau) -> None:
    """A decision is found by its id with all its facts; an unknown id is not found."""
    bureau.enrol("KH00001")
    with bureau.db.read() as tx:
        (row,) = decisions.decisions(tx, "KH00001")
        made = decisions.named(tx, row["id"])
        assert isinstance(made, Decision)
        assert made == decisions.read(row)
        assert len(made.facts.documents) == 4
        assert decisions.decisions(tx, "KH99999") == []
        with pytest.raises(NotFound, match="no decision 'x'"):
            decisions.named(tx, "x")


@pytest.mark.parametrize("statement", ["UPDATE decision SET because = 'x'", "DELETE FROM decision"])
def test_database_keeps_decisions(bureau: Bureau, statement: str) -> None:
    """SQL that changes or removes a decision or a refusal fails in the database."""
    bureau.enter("KH00001")
    case = remedy.open_case(bureau.office, "KH00001")
    with pytest.raises(Refused):
        enrol.enrol(bureau.desk, "KH00001", key_request(), years=1, case=case)
    bureau.enrol("KH00002")
    for outcome in ("decision", "refusal"):
        where = f" WHERE outcome = '{outcome}'"
        with pytest.raises(DatabaseError, match="never changed"), bureau.db.begin() as tx:
            tx.execute(text(statement + where))


def test_documents_have_known_verdicts_only(bureau: Bureau) -> None:
    """A verdict that the rules do not know cannot be stored, not even by SQL."""
    bureau.enter("KH00001")
    (number,) = bureau.bring("KH00001", "contract")
    with pytest.raises(DatabaseError), bureau.db.begin() as tx:
        tx.execute(text(f"UPDATE document SET verdict = 'fine' WHERE id = {number}"))


def test_open_cases_and_their_tokens(bureau: Bureau) -> None:
    """Open cases are listed oldest first; a token leads to its case; a closed case is not open."""
    for name in ("KH00001", "KH00002"):
        bureau.enter(name)
        bureau.shipped_case(name, token=f"LCS-{name}")
        bureau.tick()
    with bureau.db.begin() as tx:
        assert [each.id for each in cases.open_cases(tx)] == ["KH00001-1", "KH00002-1"]
        found = cases.case_of_token(tx, "LCS-KH00002")
        assert found
        assert found.subscriber_id == cases.token_owner(tx, "LCS-KH00002") == "KH00002"
        cases.update_case(tx, "KH00001-1", state=CaseState.FORFEITED, closed_at=ISSUED_AT)
        assert [each.id for each in cases.open_cases(tx)] == ["KH00002-1"]
        states = cases.token_states(tx)
        assert states == dict.fromkeys(("LCS-KH00001", "LCS-KH00002"), TokenState.SHIPPED)
        assert cases.token_states(tx, ["LCS404"]) == {}
        assert cases.case_of_token(tx, "LCS404") is None
        with pytest.raises(NotFound):
            cases.token_owner(tx, "LCS404")


def test_case_ids_are_taken_once(bureau: Bureau) -> None:
    """A case is recorded once under its id."""
    bureau.enter("KH00001")
    case = remedy.open_case(bureau.office, "KH00001")
    with pytest.raises(Conflict, match="'KH00001-1' already"), bureau.db.begin() as tx:
        cases.add_case(tx, case)


def test_campaigns_are_listed_by_their_date(bureau: Bureau) -> None:
    """Campaigns are listed by the date of their hold."""
    spring = Campaign(
        id="b-spring",
        rulebook="lcs-2024/1",
        stage=CampaignStage.DRAFT,
        author="operator:lan",
        approver=None,
        hold_at=HOLD_AT,
        revoke_at=REVOKE_AT,
        announced_at=None,
        most_holds=None,
        most_revocations=None,
    )
    summer = replace(spring, id="a-summer", hold_at=HOLD_AT + timedelta(days=60))
    with bureau.db.begin() as tx:
        for each in (summer, spring):
            campaigns.add_campaign(tx, each)
        assert campaigns.campaigns(tx) == [spring, summer]
        assert campaigns.memberships(tx, range(1000)) == {}


def test_waiting_notices_are_taken_in_order(bureau: Bureau) -> None:
    """Notices wait in the order of their queueing and are marked one by one."""
    bureau.enter("KH00001")
    now = bureau.clock.now()
    with bureau.db.begin() as tx:
        for template in ("remind", "hold", "lift"):
            outbox.add_notice(tx, "KH00001", template, "{}", now)
        waiting = outbox.due_notices(tx, now, 2)
        assert [each.template for each in waiting] == ["remind", "hold"]
        outbox.schedule(tx, [waiting[0].id], None)
        assert [each.template for each in outbox.due_notices(tx, now, 9)] == ["hold", "lift"]
