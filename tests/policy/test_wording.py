"""The texts: every kind in every language is whole, strict, and about one person only."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.model import Act
from core.errors import Invalid
from policy import access, contacts, decisions, relief, remedy, renewals, rules, sweep, wording
from policy.cases import CaseEvent
from policy.channels.letters import Message, one_line
from policy.contacts import Contact
from policy.deliver import deliver_due
from policy.records import subscribers
from policy.wording import KINDS, Language
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, PAPERS, REVOKE_AT, RULES
from tests.support.office import ORGANISATION, Bureau, person, taints
from tests.support.post import LETTERHEAD, Scripted, post

VALUES = {
    "serial": "5A01",
    "at": "00:00 ngày 20/04/2024",
    "clause": "130/2018:28(1)(b)",
    "missing": "  - hợp đồng",
    "hold_at": "00:00 ngày 20/04/2024",
    "revoke_at": "00:00 ngày 02/05/2024",
    "case": "KH00001-1",
    "due": "24:00 ngày 05/05/2024",
    "amount": "1.250.000 đồng",
    "code": "123456",
    "end": "08:00 ngày 01/06/2024",
}
LANGUAGES = [Language.VI, Language.EN]
ENGLISH = re.compile(r"\b(the|and|please|certificate)\b", re.IGNORECASE)
VIETNAMESE = re.compile(r"[ăâđêôơưạảấầẩậắằẳẵặẹẻẽếềểễệịỉĩọỏốồổỗộớờởỡợụủũứừửữựỳỵỷỹ]")


def _write(kind: str, language: Language, addressee: str = "CÔNG TY A") -> wording.Wording:
    return wording.write(kind, language, VALUES, addressee=addressee, letterhead=LETTERHEAD)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_whole(kind: str, language: Language) -> None:
    """Subject, short form and text have no gap, and stay within what a channel can carry."""
    made = _write(kind, language)
    for text in (made.subject, made.short, made.text):
        assert text.strip() == text or text.endswith("\n")
        assert "$" not in text
        assert "{" not in text
    assert "\n" not in made.subject + made.short
    assert len(made.subject) <= 120
    assert len(made.short) <= 160
    assert "CÔNG TY A" in made.text.splitlines()[0]
    assert LETTERHEAD.site in made.text
    assert made.text.endswith(f"{LETTERHEAD.authority}\n")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_language_is_itself(kind: str) -> None:
    """The Vietnamese text is Vietnamese, and the English one English."""
    stripped = dict.fromkeys(VALUES, "X")
    tongues = ((Language.VI, VIETNAMESE, ENGLISH), (Language.EN, ENGLISH, VIETNAMESE))
    for language, good, bad in tongues:
        made = wording.write(kind, language, stripped, addressee="A", letterhead=LETTERHEAD)
        whole = made.subject + made.short + made.text
        assert good.search(whole)
        assert not bad.search(whole)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_value_is_needed(kind: str, language: Language) -> None:
    """A kind names no value that its text does without, and a text none that its kind lacks."""
    for name in KINDS[kind]:
        values = {key: value for key, value in VALUES.items() if key != name}
        with pytest.raises(Invalid, match=f"The text of {kind!r} asks for {name!r}"):
            wording.write(kind, language, values, addressee="A", letterhead=LETTERHEAD)


@pytest.mark.parametrize("kind", ["frame", "../secrets", "", "no_such"])
def test_unknown_kind(kind: str) -> None:
    """A kind without a text is an error that names it, and reads no file."""
    with pytest.raises(Invalid):
        _write(kind, Language.VI)


@given(name=st.text(max_size=300))
def test_names_fill_no_gap_but_their_own(name: str) -> None:
    """A name that looks like a placeholder stays a name; one line it is at most."""
    line = one_line(name + "${serial}$clause$$")
    made = _write("hold", Language.VI, line)
    assert line in made.text.splitlines()[0]
    assert made.text.count(VALUES["serial"]) == _write("hold", Language.VI).text.count("5A01")


@given(name=st.text(max_size=300))
def test_one_line(name: str) -> None:
    """No break, control, direction or zero-width sign survives, and it is never long."""
    line = one_line(name)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    assert len(line) <= 200


@pytest.mark.parametrize("language", list(Language))
def test_every_road_in_every_language(lite: Bureau, language: Language) -> None:
    """Every kind of notice, sent on its real road, is whole and holds no other person's data."""
    _every_road(lite)
    with lite.db.begin() as tx:
        for name in subscribers.subscriber_ids(tx):
            subscribers.set_language(tx, name, language)
    mail = Scripted("email")
    deliver_due(lite.office, post(mail), seconds=60)
    assert {each.kind for each in mail.got} == set(KINDS) - {"remind_held"}
    people = {name: person(name) for name in lite_names(lite)}
    for each in mail.got:
        (own,) = [name for name, one in people.items() if one.email == each.to.email]
        _check(each, language)
        for name, other in people.items():
            secret = taints(other) if name != own else [other.id_number, other.id_expires]
            assert not [one for one in secret if one in each.text + each.subject + each.short]


def lite_names(bureau: Bureau) -> list[str]:
    """Return the subscribers of the register."""
    with bureau.db.read() as tx:
        return subscribers.subscriber_ids(tx)


def _check(each: Message, language: Language) -> None:
    assert "$" not in each.text + each.subject + each.short
    assert each.languages == tuple(language.each)
    greetings = [line for line in each.text.splitlines() if each.to.name in line]
    expected = {"vi": ["Kính gửi: "], "en": ["To: "], "both": ["Kính gửi: ", "To: "]}[language]
    assert greetings == [f"{one}{each.to.name}" for one in expected]


def _every_road(bureau: Bureau) -> None:
    """Hold, lift, revocation; both ends of the remedy, an unpaid case; a renewal."""
    for name in ("KH00001", "KH00002"):
        bureau.enrol(name, without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    bureau.move(HOLD_AT)
    sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    bureau.bring("KH00001", "contract")
    bureau.move(REVOKE_AT)
    sweep.enforce(bureau.office, "spring", Act.REVOKE)
    for name, papers in (("KH00003", PAPERS[ORGANISATION]), ("KH00004", ())):
        bureau.enter(name)
        case, _ = bureau.shipped_case(name, token=f"LCS{name}")
        remedy.deliver(bureau.office, case.id)
        bureau.bring(name, *papers)
    bureau.enter("KH00006")
    contacts.ask(bureau.office, "KH00006", Contact.EMAIL)
    access.give_code(bureau.office, "KH00006", send=True)
    case, _ = bureau.shipped_case("KH00006", token="LCS6")
    remedy.deliver(bureau.office, case.id)
    (proof,) = bureau.bring("KH00006", "force_majeure_proof")
    until = bureau.clock.now() + timedelta(days=20)
    asked = relief.ask_extension(bureau.office, case.id, until, evidence=proof, because="Bão.")
    relief.approve_extension(bureau.director, asked)
    bureau.enter("KH00005")
    case = remedy.open_case(bureau.office, "KH00005")
    for event in (CaseEvent.VIDEO_VERIFIED, CaseEvent.PAYMENT_REQUESTED):
        remedy.step(bureau.office, case.id, event)
    bureau.tick(days=20)
    remedy.settle_due(bureau.office)
    bureau.move(bureau.all_of("KH00001")[0].not_after - timedelta(days=2))
    renewals.remind(bureau.office, [30, 14, 3])


def test_who_is_held_is_reminded_of_the_revocation(lite: Bureau) -> None:
    """After the hold a reminder speaks of the revocation's date, not of the hold's."""
    lite.enrol("KH00001", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    lite.move(HOLD_AT)
    sweep.enforce(lite.office, "spring", Act.SUSPEND)
    (certificate,) = lite.all_of("KH00001")
    lite.move(REVOKE_AT.replace(day=1))
    decision = rules.decide(lite.facts(certificate), RULES, lite.clock.now())
    assert decision.action == "remind"
    with lite.db.begin() as tx:
        decisions.carry_out(tx, decision, "operator:lan")
    mail = Scripted("email")
    deliver_due(lite.office, post(mail))
    text = mail.got[-1].text
    assert "đang bị tạm dừng" in text
    assert "trước 00:00 ngày 02/05/2024" in text
    assert mail.got[-1].kind == "remind"
