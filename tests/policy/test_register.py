"""The register: what is kept of a subscriber, what is hidden, and the name in the certificate."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from core.errors import Conflict, Invalid, NotFound, Refused
from policy import register
from policy.model import SubscriberKind
from policy.records import subscribers
from policy.register import Subscriber
from tests.support.dossiers import ISSUED_AT, RULES
from tests.support.office import Bureau, person, taints

LONG = "CÔNG TY TRÁCH NHIỆM HỮU HẠN MỘT THÀNH VIÊN XUẤT NHẬP KHẨU PHƯỚC LỘC"


def _subscriber(kind: SubscriberKind, **changes: str) -> Subscriber:
    plain = Subscriber(
        id="KH00001",
        kind=kind,
        tax_code="9980580384",
        organisation="CÔNG TY PHÚ QUÝ",
        short_name="",
        province="Hà Nội",
        reseller="",
        personal=person("KH00001"),
        registered_at=ISSUED_AT,
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # the tests' own values


def test_name_of_an_organisation() -> None:
    """An organisation is named as registered, with its tax code and no person."""
    subject = register.subject(_subscriber(SubscriberKind.ORGANISATION), RULES)
    assert (subject.common_name, subject.identifiers) == ("CÔNG TY PHÚ QUÝ", ("MST:9980580384",))
    assert (subject.organisation, subject.title) == (None, None)


def test_name_of_staff() -> None:
    """Staff are named as a person of an organisation, with both identifiers and the title."""
    personal = person("KH00001")
    subject = register.subject(_subscriber(SubscriberKind.STAFF), RULES)
    assert (subject.common_name, subject.organisation) == (personal.holder, "CÔNG TY PHÚ QUÝ")
    assert subject.identifiers == ("MST:9980580384", f"CCCD:{personal.id_number}")
    assert subject.title == personal.title


def test_name_of_an_individual() -> None:
    """An individual is named as a person alone."""
    personal = person("KH00001")
    subject = register.subject(_subscriber(SubscriberKind.INDIVIDUAL), RULES)
    assert (subject.common_name, subject.organisation) == (personal.holder, None)
    assert subject.identifiers == (f"CCCD:{personal.id_number}",)


def test_long_name_takes_the_agreed_short_one() -> None:
    """A name of more than 64 characters gives way to the short name that was agreed."""
    named = _subscriber(SubscriberKind.ORGANISATION, organisation=LONG, short_name="PHƯỚC LỘC")
    assert register.subject(named, RULES).common_name == "PHƯỚC LỘC"


@pytest.mark.parametrize("short", ["", LONG])
def test_long_name_without_short_one_is_refused(short: str) -> None:
    """A name of more than 64 characters is never cut: without a short one it is refused."""
    named = _subscriber(SubscriberKind.ORGANISATION, organisation=LONG, short_name=short)
    with pytest.raises(Refused, match=f"has {len(LONG)} characters") as refused:
        register.subject(named, RULES)
    assert refused.value.code == "name_too_long"


def test_name_of_64_characters_is_kept() -> None:
    """The limit counts characters, not bytes: a name of 64 Vietnamese letters stays whole."""
    name = "Ế" * 64
    named = _subscriber(SubscriberKind.ORGANISATION, organisation=name, short_name="NGẮN")
    assert register.subject(named, RULES).common_name == name


def test_register_gives_back_what_was_entered(bureau: Bureau) -> None:
    """Every value of a subscriber, the personal ones too, comes back as it was entered."""
    entered = bureau.enter("KH00001", SubscriberKind.STAFF)
    with bureau.db.read() as tx:
        assert subscribers.subscriber_of(tx, bureau.office.vault, "KH00001") == entered


def test_taken_id_is_a_conflict(bureau: Bureau) -> None:
    """A subscriber's id is given once; the second entry fails and changes nothing."""
    entered = bureau.enter("KH00001")
    with pytest.raises(Conflict, match="'KH00001' is in the register already"):
        bureau.enter("KH00001", SubscriberKind.INDIVIDUAL)
    with bureau.db.read() as tx:
        assert subscribers.subscriber_of(tx, bureau.office.vault, "KH00001") == entered


def test_unknown_subscriber_is_not_found(bureau: Bureau) -> None:
    """Who is not in the register is said to be missing, by name."""
    with bureau.db.read() as tx, pytest.raises(NotFound, match="no subscriber 'KH99999'"):
        subscribers.subscriber_of(tx, bureau.office.vault, "KH99999")


def test_nothing_personal_is_stored_in_clear(bureau: Bureau) -> None:
    """No personal value of a subscriber stands in the register's table in a readable form."""
    personal = bureau.enter("KH00001", SubscriberKind.STAFF).personal
    with bureau.db.read() as tx:
        row = tx.execute(text("SELECT * FROM subscriber")).one()
    stored = b"|".join(v if isinstance(v, bytes) else str(v).encode() for v in row)
    for value in taints(personal):
        assert value.encode() not in stored


def test_swapped_personal_data_do_not_open(bureau: Bureau) -> None:
    """Personal data that SQL copied from one subscriber to another are found out."""
    bureau.enter("KH00001")
    bureau.enter("KH00002")
    copied = "(SELECT personal FROM subscriber WHERE id = 'KH00001')"
    with bureau.db.begin() as tx:
        tx.execute(text(f"UPDATE subscriber SET personal = {copied} WHERE id = 'KH00002'"))
    with bureau.db.read() as tx, pytest.raises(Invalid, match="'KH00002' does not open"):
        subscribers.subscriber_of(tx, bureau.office.vault, "KH00002")


def test_representatives_are_counted_by_mark(bureau: Bureau) -> None:
    """A person who represents several companies is recognised, and no one else is."""
    shared = person("KH00001")
    bureau.enter("KH00001", personal=shared)
    bureau.enter("KH00002", personal=replace(shared, phone="0912345678"))
    bureau.enter("KH00003")
    vault = bureau.office.vault
    counts = []
    with bureau.db.read() as tx:
        for each in (shared, person("KH00003"), person("KH00004")):
            mark = subscribers.representative_mark(vault, each) or b""
            counts.append(len(subscribers.companies_of_representative(tx, mark)))
    assert counts == [2, 1, 0]


def test_nobody_is_represented_by_no_one(bureau: Bureau) -> None:
    """Subscribers without a representative are not taken for companies of one person."""
    nobody = replace(person("KH00001"), representative="")
    assert subscribers.representative_mark(bureau.office.vault, nobody) is None


def test_printed_subscriber_shows_no_person() -> None:
    """A subscriber that lands in a traceback or log shows no personal value."""
    named = _subscriber(SubscriberKind.STAFF)
    for value in taints(named.personal):
        assert value not in repr(named)


def test_tax_code_finds_every_subscriber(bureau: Bureau) -> None:
    """A tax code finds all subscribers that have it, in order; an unknown one finds none."""
    for name in ("KH00002", "KH00001"):
        bureau.enter(name, tax_code="9980580384")
    with bureau.db.read() as tx:
        assert subscribers.ids_by_tax_code(tx, "9980580384") == ["KH00001", "KH00002"]
        assert subscribers.ids_by_tax_code(tx, "9999999999") == []
        assert subscribers.subscriber_ids(tx) == ["KH00001", "KH00002"]
