"""The rulebook: what it says, and every contradiction that keeps one from loading."""

from datetime import date

import pytest

from ca.model import Act, HoldSource
from core.errors import Invalid, NotFound
from core.reasons import FINAL_REASONS, Reason
from policy.model import SubscriberKind
from policy.rulebook import choose, load
from tests.support.dossiers import RULES, TEXT, at


def changed(old: str, new: str) -> str:
    """Return the rulebook's text with its first `old` replaced; `old` must be there."""
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_the_spring_of_2024_loads():
    """The rulebook of 2024 loads, names itself, and says that no lawyer has read it."""
    assert RULES.reference == "lcs-2024/1"
    assert RULES.regime == "130/2018/NĐ-CP"
    assert RULES.reviewed_by_counsel is False


@pytest.mark.parametrize(
    ("kind", "always"),
    [
        (
            SubscriberKind.ORGANISATION,
            ["registration_form", "contract", "business_registration", "representative_id"],
        ),
        (SubscriberKind.INDIVIDUAL, ["registration_form", "contract", "holder_id"]),
        (
            SubscriberKind.STAFF,
            [
                "registration_form",
                "contract",
                "business_registration",
                "representative_id",
                "holder_id",
                "title_proof",
            ],
        ),
    ],
)
def test_requirements_of_each_kind(kind: SubscriberKind, always: list[str]):
    """Each kind of subscriber needs the documents of Decree 130, Điều 23."""
    assert [each.document for each in RULES.requirements[kind] if each.when is None] == always


def test_no_scan_is_ever_accepted():
    """Under the paper profile every accepted form is paper."""
    forms = {form for accepted in RULES.accepted.values() for form in accepted}
    assert forms
    assert all(RULES.forms[form].paper for form in forms)


@pytest.mark.parametrize(
    ("ground", "clause", "reason"),
    [
        ("dossier_missing", "130/2018:28(1)(d)", Reason.CERTIFICATE_HOLD),
        ("dossier_contested", "130/2018:28(1)(b)", Reason.CERTIFICATE_HOLD),
        ("authority_order", "130/2018:28(1)(c)", Reason.CERTIFICATE_HOLD),
        ("subscriber_pause", "130/2018:28(1)(a)", Reason.CERTIFICATE_HOLD),
        ("dossier_still_missing", "130/2018:29(1)(d)", Reason.PRIVILEGE_WITHDRAWN),
        ("remedy_missed", "130/2018:29(1)(d)", Reason.PRIVILEGE_WITHDRAWN),
        ("dossier_forged", "130/2018:29(1)(d)", Reason.PRIVILEGE_WITHDRAWN),
        ("subscriber_request", "130/2018:29(1)(a)", Reason.CESSATION_OF_OPERATION),
        ("key_lost", "130/2018:29(1)(a)", Reason.KEY_COMPROMISE),
        ("replaced", "130/2018:29(1)(a)", Reason.SUPERSEDED),
        ("name_changed", "130/2018:29(1)(a)", Reason.AFFILIATION_CHANGED),
        ("subscriber_ended", "130/2018:29(1)(b)", Reason.CESSATION_OF_OPERATION),
        ("authority_revocation", "130/2018:29(1)(c)", Reason.PRIVILEGE_WITHDRAWN),
    ],
)
def test_each_ground_names_its_clause_and_reason(ground: str, clause: str, reason: Reason):
    """Every suspension and revocation has its clause of the decree and its RFC 5280 reason."""
    assert RULES.grounds[ground].clause == clause
    assert RULES.grounds[ground].reason is reason


def test_revocations_carry_final_reasons_and_suspensions_hold():
    """No ground revokes with a hold's reason, and no ground suspends with a final one."""
    for ground in RULES.grounds.values():
        assert (ground.reason in FINAL_REASONS) is (ground.act is Act.REVOKE)
        assert (ground.source is None) is (ground.act is Act.REVOKE)


def test_grounds_are_found_by_name_or_clause():
    """An operator may name a ground by its word or by its clause."""
    assert RULES.find_grounds(Act.REVOKE, "key_lost") == ("key_lost",)
    assert RULES.find_grounds(Act.SUSPEND, "130/2018:28(1)(c)") == ("authority_order",)
    assert RULES.find_grounds(Act.SUSPEND, "key_lost") == ()


def test_the_terms_of_the_remedy():
    """Three rolled days for the dossier, fifteen plain days for the payment."""
    assert RULES.dossier_due(at("2024-04-24 10:00")) == at("2024-05-03 00:00")
    assert RULES.payment_due(at("2024-05-03 08:20")) == at("2024-05-19 00:00")


@pytest.mark.parametrize(
    ("day", "holds"),
    [
        (date(2018, 11, 14), False),
        (date(2018, 11, 15), True),
        (date(2025, 4, 9), True),
        (date(2025, 4, 10), False),
    ],
)
def test_the_regime_is_chosen_by_the_act_s_date(day: date, *, holds: bool):
    """Decree 130 came into force on 15 November 2018; Decree 23/2025 follows on 10 April 2025."""
    assert RULES.in_force(day) is holds


def test_the_newest_rulebook_in_force_is_chosen():
    """Of several in force, the one that came last wins, and among its versions the highest."""
    second = load(changed("version = 1", "version = 2"))
    later = load(
        changed("effective_from = 2018-11-15", "effective_from = 2024-05-09").replace(
            'id = "lcs-2024"', 'id = "later"'
        )
    )
    assert choose([RULES, second], date(2024, 4, 1)) is second
    assert choose([RULES, second, later], date(2024, 4, 1)) is second
    assert choose([later, second, RULES], date(2024, 6, 1)) is later
    with pytest.raises(NotFound, match="2026-01-01"):
        choose([RULES, second, later], date(2026, 1, 1))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("version = 1", "version = 0", "version is 0"),
        ("version = 1", "vers = 1", "unknown key vers"),
        ("version = 1", "", "lacks the key version"),
        ("days = 3\n", "days = 0\n", "remedy.clock.days is 0"),
        ("Asia/Ho_Chi_Minh", "Asia/Saigon_City", "no time zone"),
        ("Asia/Ho_Chi_Minh", "../../etc/passwd", "no time zone"),
        ('clause = "130/2018:23"', 'clause = "somewhere"', "dossier.clause is 'somewhere'"),
        ('source = "authority"', 'source = "nobody"', "authority_order.source is 'nobody'"),
        ('reason = "keyCompromise"', 'reason = "lost"', "key_lost.reason is 'lost'"),
        ('"paid", "token_shipped"', '"payed"', "case_states"),
        ("most_share = 1.0", "most_share = 1.5", "most_share is 1.5"),
        ("id = ", "id == ", "is not TOML"),
    ],
)
def test_a_malformed_key_is_refused_by_name(old: str, new: str, sentence: str):
    """What is misspelt, missing or out of range is named with its key and value."""
    with pytest.raises(Invalid, match=sentence):
        load(changed(old, new))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "effective_until = 2025-04-09",
            "effective_until = 2018-01-01",
            "before it begins on 2018-11-15",
        ),
        (
            "days_off = []\ndays_worked = []",
            "days_off = [2024-05-04]\ndays_worked = [2024-05-04]",
            "2024-05-04 is both",
        ),
        (
            "[accepted]\n",
            '[accepted]\nsunday_letter = ["paper_original"]\n',
            "unknown document sunday_letter",
        ),
        ('contract = ["paper_original"]', 'contract = ["papyrus"]', "unknown form papyrus"),
        ('contract = ["paper_original"]', 'contract = ["scan"]', "profile is paper"),
        ('contract = ["paper_original"]', "contract = []", "names no form"),
        ('contract = ["paper_original"]', "", "names no form"),
        (
            '{ document = "holder_id" },\n]',
            '{ document = "hat" },\n]',
            "individual names the unknown document hat",
        ),
        ('or = ["founding_decision"', 'or = ["hat"', "unknown document hat"),
        (
            'contract_clause = "subscriber contract, clause 7.3"\n',
            "",
            "ground dossier_still_missing rests on 130/2018:29",
        ),
        (
            'contract_clause = "subscriber contract, clause 7.2"\n',
            "",
            "ground dossier_missing rests on 130/2018:28",
        ),
        ('source = "authority"\n', "", "authority_order suspends, but names no hold source"),
        (
            'source = "authority"\nreason = "certificateHold"',
            'source = "authority"\nreason = "superseded"',
            "authority_order suspends with superseded",
        ),
        (
            'reason = "keyCompromise"',
            'reason = "keyCompromise"\nsource = "loss"',
            "key_lost revokes, so it cannot place a hold",
        ),
        ('reason = "keyCompromise"', 'reason = "removeFromCRL"', "no final reason"),
        (
            'source = "loss"\nreason = "certificateHold"',
            'source = "loss"\nreason = "certificateHold"\nbad_since_issue = true',
            "only a revocation can say bad_since_issue",
        ),
        ('hold_ground = "dossier_missing"', 'hold_ground = "x"', "unknown ground x"),
        (
            'hold_ground = "dossier_missing"',
            'hold_ground = "authority_order"',
            "campaign.hold_ground names authority_order, which does not suspend",
        ),
        (
            'revoke_ground = "dossier_still_missing"',
            'revoke_ground = "key_lost"',
            "rests only on the contract",
        ),
        (
            'forfeit_ground = "remedy_missed"',
            'forfeit_ground = "not_activated"',
            "remedy.forfeit_ground names not_activated, which does not revoke",
        ),
        ('grounds = ["authority_order", ', 'grounds = ["nobody", ', "unknown ground nobody"),
        ('grounds = ["authority_order", ', 'grounds = ["key_lost", ', "is there to revoke"),
        (
            'grounds = ["authority_order", ',
            'grounds = ["dossier_missing", ',
            "for which nobody may ask",
        ),
        (
            "[admit.restore.loss]",
            "[admit.restore.not_activated]",
            "ends by activation only",
        ),
        ("complete_dossier = true", "", "must say complete_dossier"),
        ("days_before_hold = [30, 14", "days_before_hold = [14, 30", "the farthest first"),
        ("days_after_hold = [1]", "days_after_hold = [3, 1]", "the nearest first"),
    ],
)
def test_a_rulebook_that_contradicts_itself_is_refused(old: str, new: str, sentence: str):
    """Each contradiction keeps the rulebook from loading, with a sentence of its own."""
    with pytest.raises(Invalid, match=sentence):
        load(changed(old, new))


def test_a_kind_without_requirements_is_refused():
    """A subscriber of whom nothing is asked would always be complete, so it is refused."""
    start = TEXT.index("individual = [")
    end = TEXT.index("]\n", start) + 2
    for nothing in ("", "individual = []\n"):
        with pytest.raises(Invalid, match="asks nothing of the kind individual"):
            load(TEXT[:start] + nothing + TEXT[end:])


def test_all_contradictions_are_told_at_once():
    """Whoever writes a rulebook sees everything that is wrong, not the first thing only."""
    text = changed('hold_ground = "dossier_missing"', 'hold_ground = "x"')
    text = text.replace('revoke_ground = "dossier_still_missing"', 'revoke_ground = "y"', 1)
    with pytest.raises(Invalid, match=r"unknown ground x.*unknown ground y"):
        load(text)


def test_a_loaded_rulebook_cannot_be_changed():
    """A rulebook is frozen: a decision's reference means one text."""
    with pytest.raises(ValueError, match="frozen"):
        setattr(RULES, "version", 2)  # noqa: B010 - the type checker forbids the plain form


def test_only_an_authority_releases_an_authority_s_hold():
    """Neither the subscriber nor the CA may ask to lift what an authority ordered."""
    assert RULES.admit.restore[HoldSource.AUTHORITY].by == ("authority",)
