"""The regimes by date, the IDs that each takes, and dossiers that stay under their own rules."""

from dataclasses import replace
from datetime import date

import pytest

from app import shipped
from core.errors import Invalid, NotFound, Refused
from policy import enrol, facts, ids, intake, replay, rulebook, rules
from policy.model import DossierState, SubscriberKind
from policy.office import Office
from tests.support.dossiers import PAPERS, RULES, TEXT, at, paper, papers
from tests.support.office import Bureau, key_request

SHIPPED = tuple(rulebook.load(text) for text in shipped.rulebooks().values())
BY_ID = {each.id: each for each in SHIPPED}
ND130, ND48, ND23 = BY_ID["nd130-2018"], BY_ID["nd48-2024"], BY_ID["nd23-2025"]
REGIMES = (ND130, ND48, ND23)
ORGANISATION = SubscriberKind.ORGANISATION


@pytest.mark.parametrize(
    ("day", "regime"),
    [
        (date(2018, 11, 15), "nd130-2018"),
        (date(2024, 5, 8), "nd130-2018"),
        (date(2024, 5, 9), "nd48-2024"),
        (date(2025, 4, 9), "nd48-2024"),
        (date(2025, 4, 10), "nd23-2025"),
        (date(2036, 1, 1), "nd23-2025"),
    ],
)
def test_regime_of_each_day(day: date, regime: str) -> None:
    """The regime of an act is that of its day, on the first and on the last day of each."""
    assert rulebook.choose(REGIMES, day).id == regime


def test_a_profile_goes_before_the_regimes_it_stands_on() -> None:
    """The paper profile decides through the whole spring of 2024, and no longer than it says."""
    assert rulebook.choose(SHIPPED, date(2024, 4, 20)) is BY_ID["lcs-2024"]
    assert rulebook.choose(SHIPPED, date(2024, 6, 15)) is BY_ID["lcs-2024"]
    assert rulebook.choose(SHIPPED, date(2025, 4, 10)) is ND23


def test_no_regime_was_reviewed_by_counsel() -> None:
    """No shipped rulebook pretends that a lawyer has read it."""
    assert [each.id for each in SHIPPED if each.reviewed_by_counsel] == []


def test_what_nobody_read_cannot_be_reviewed() -> None:
    """A ground with a range of articles keeps a rulebook from being marked as reviewed."""
    text = shipped.rulebooks()["nd23-2025.toml"]
    claimed = text.replace("reviewed_by_counsel = false", "reviewed_by_counsel = true", 1)
    with pytest.raises(Invalid, match="which nobody has read"):
        rulebook.load(claimed)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('documents = ["representative_id"', 'documents = ["hat"', "unknown document hat"),
        ('ids = ["cccd"]', 'ids = ["hat"]', "unknown kind of ID hat"),
        ("valid_until = 2024-06-30", "valid_until = 2024-01-30", "out of order"),
    ],
)
def test_ids_that_contradict_themselves_are_refused(old: str, new: str, sentence: str) -> None:
    """What the table of IDs names must be there, and its days must be in order."""
    text = shipped.rulebooks()["nd48-2024.toml"]
    assert old in text
    with pytest.raises(Invalid, match=sentence):
        rulebook.load(text.replace(old, new, 1))


def test_electronic_papers_count_from_the_ninth_of_may_2024() -> None:
    """The dossier that Decree 48/2024 takes electronically was incomplete the day before."""
    electronic = [replace(each, form="electronic") for each in papers()]
    assert not rules.judge(ORGANISATION, electronic, ND130).complete
    assert rules.judge(ORGANISATION, electronic, ND48).complete


def test_household_business_from_decree_23() -> None:
    """A household business proves itself by its own registration only under Decree 23/2025."""
    household = [
        replace(each, kind="household_registration")
        if each.kind == "business_registration"
        else each
        for each in papers()
    ]
    assert not rules.judge(ORGANISATION, household, ND48).complete
    assert rules.judge(ORGANISATION, household, ND23).complete


def test_foreigner_adds_a_visa_under_decree_23() -> None:
    """A foreigner's dossier lacks the visa or its exemption, and nobody else's does."""
    whole = papers(SubscriberKind.INDIVIDUAL)
    foreign = rules.judge(SubscriberKind.INDIVIDUAL, whole, ND23, conditions=("foreigner",))
    assert [each.document for each in foreign.lacks] == ["visa"]
    assert rules.judge(SubscriberKind.INDIVIDUAL, whole, ND23).complete


def test_three_years_at_most_under_decree_23() -> None:
    """Decree 23/2025 allows three years of validity where Decree 130/2018 allowed five."""
    assert [each.limits.certificate_years for each in REGIMES] == [5, 5, 3]


@pytest.mark.parametrize(
    ("book", "kind", "received", "expires", "serves"),
    [
        (ND130, "cmnd", "2024-05-08 10:00", None, True),
        (ND130, "cmnd", "2025-01-01 00:00", None, False),
        (ND130, "cmnd", "2024-12-31 23:59", None, True),
        (ND48, "cmnd", "2024-06-01 10:00", None, False),
        (ND48, "cccd", "2024-06-01 10:00", None, True),
        (ND48, "e_id_2", "2024-06-01 10:00", None, True),
        (ND48, "electronic_can_cuoc", "2024-06-01 10:00", None, False),
        (ND23, "electronic_can_cuoc", "2025-06-01 10:00", None, True),
        (ND23, "passport", "2025-06-01 10:00", "2025-05-31", False),
        (ND23, "passport", "2025-05-31 23:59", "2025-05-31", True),
        (ND48, "passport", "2024-06-01 10:00", "2024-05-31", True),
        (ND23, "", "2025-06-01 10:00", "2025-05-31", True),
    ],
)
def test_ids_by_regime_and_day(
    book: rulebook.Rulebook, kind: str, received: str, expires: str | None, *, serves: bool
) -> None:
    """Each regime takes its own IDs, measured on the day on which the office had them."""
    card = paper(
        "holder_id",
        received=at(received),
        id_kind=kind,
        expires_on=date.fromisoformat(expires) if expires else None,
    )
    assert (ids.refusal(card, book) == "") is serves
    whole = (*papers(SubscriberKind.INDIVIDUAL, without=["holder_id"]), card)
    judgement = rules.judge(SubscriberKind.INDIVIDUAL, whole, book)
    assert judgement.complete is serves
    assert serves or judgement.state is DossierState.REJECTED


@pytest.mark.parametrize(
    ("expires", "last"),
    [
        (date(2024, 1, 14), date(2024, 1, 14)),
        (date(2024, 1, 15), date(2024, 6, 30)),
        (date(2024, 6, 30), date(2024, 6, 30)),
        (date(2024, 7, 1), date(2024, 7, 1)),
        (None, None),
    ],
)
def test_cards_that_ran_out_in_early_2024_stayed_valid(
    expires: date | None, last: date | None
) -> None:
    """A card that expired from 15 January to 30 June 2024 is valid to 30 June, no other one."""
    card = paper("holder_id", id_kind="cccd", expires_on=expires)
    assert ids.last_day(card, ND130) == last
    assert ids.last_day(replace(card, id_kind="passport"), ND130) == expires


def test_an_extended_card_gives_no_warning_before_its_last_day() -> None:
    """The officer is warned of an expired card only after the day to which the law extended it."""
    card = paper("holder_id", id_kind="cccd", expires_on=date(2024, 3, 1))
    for today, count in ((date(2024, 6, 30), 0), (date(2024, 7, 1), 1)):
        judgement = rules.judge(SubscriberKind.INDIVIDUAL, [card], ND130, today=today)
        assert len(judgement.warnings) == count


def test_composed_rulebook_names_both_and_is_found_again() -> None:
    """Acts of today on a dossier of 2019 name today's rules and those that judge the dossier."""
    both = rulebook.applied(SHIPPED, date(2026, 1, 5), date(2019, 5, 6))
    assert both.reference == "nd23-2025/1+lcs-2024/1"
    assert both.requirements is BY_ID["lcs-2024"].requirements
    assert both.limits is ND23.limits
    again = rulebook.named(SHIPPED, both.reference)
    assert again is not None
    assert again.reference == both.reference
    assert rulebook.named([ND23], both.reference) is None
    assert rulebook.named(SHIPPED, "unheard-of/1") is None


def test_dossier_older_than_every_rulebook_is_judged_by_the_act_s() -> None:
    """A dossier of 2017, for which no rulebook is kept, falls under the rules of the act."""
    assert rulebook.applied(SHIPPED, date(2026, 1, 5), date(2017, 1, 1)) is ND23
    with pytest.raises(NotFound):
        rulebook.applied([ND130], date(2026, 1, 5), None)


def _today(bureau: Bureau, day: str) -> Office:
    office = replace(bureau.office, rulebooks=SHIPPED)
    bureau.move(at(day))
    return office


def test_old_dossier_is_not_judged_again_under_a_newer_regime(bureau: Bureau) -> None:
    """Papers that were complete in 2024 stay complete in 2026, until the dossier is reopened."""
    office = _today(bureau, "2024-04-01 09:00")
    bureau.enter("KH00001")
    stamped = [paper(each, received=at("2024-04-01 09:00")) for each in PAPERS[ORGANISATION]]
    stamped[2] = replace(stamped[2], form="stamped_copy")  # the paper profile's own form
    intake.receive(office, "KH00001", stamped)
    bureau.move(at("2026-01-05 09:00"))
    desk = replace(bureau.desk, office=office)
    enrol.enrol(desk, "KH00001", key_request(), years=1)
    made = bureau.decisions("KH00001")[-1]
    assert made.rulebook == "nd23-2025/1+lcs-2024/1"
    bureau.tick()
    intake.reopen(office, "KH00001", "Khách hàng yêu cầu cấp lại.")
    with pytest.raises(Refused, match="stamped by the organisation"):
        enrol.enrol(desk, "KH00001", key_request(), years=1)
    assert bureau.decisions("KH00001")[-1].rulebook == "nd23-2025/1"
    assert "dossier.reopen" in [each.act for each in bureau.trail()]
    with bureau.db.read() as tx:
        assert replay.replay(tx, SHIPPED) == (2, [])


def test_reopening_an_unknown_dossier_is_refused(lite: Bureau) -> None:
    """Only a subscriber of the register has a dossier to reopen."""
    with pytest.raises(NotFound, match="no subscriber 'KH99999'"):
        intake.reopen(lite.office, "KH99999", "x")


def test_a_remedy_case_is_judged_by_the_rules_of_its_own_day(lite: Bureau) -> None:
    """The papers of a case fall under the rules in force when the case was opened."""
    office = _today(lite, "2024-04-01 09:00")
    lite.enter("KH00001")
    lite.move(at("2025-06-02 09:00"))
    lite.office = office
    case = lite.paid_case("KH00001")
    with lite.db.read() as tx:
        original, own = facts.of_wanted(tx, "KH00001"), facts.of_wanted(tx, "KH00001", case=case)
    now = lite.clock.now()
    assert office.rulebook(now, original).reference == "nd23-2025/1+lcs-2024/1"
    assert office.rulebook(now, own).reference == "nd23-2025/1"


def test_trial_of_a_new_rulebook_shows_what_it_would_have_done(lite: Bureau) -> None:
    """A rulebook that takes no incomplete dossier would have refused what was issued on one."""
    lite.enrol("KH00001", without=["contract"])
    first = lite.clock.now()
    lite.tick(days=1)
    lite.enrol("KH00002")
    strict = rulebook.load(TEXT.replace("papers_to_follow = true", "papers_to_follow = false"))
    with lite.db.read() as tx:
        count, changes = replay.trial(tx, strict, first)
        later_count, later = replay.trial(tx, strict, lite.clock.now())
        same = replay.trial(tx, RULES, first)
    assert count == 2
    assert [(each.subscriber, each.was, each.would_be) for each in changes] == [
        ("KH00001", "issue", "refused (dossier_incomplete)")
    ]
    assert (later_count, later) == (1, [])
    assert same == (2, [])
