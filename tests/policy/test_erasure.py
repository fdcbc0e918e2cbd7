"""Erasure by rule: who is due, two persons, what goes and what stays, and crashes in between."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from core.clock import SetClock
from core.errors import Invalid, NotFound, Refused
from policy import access, contacts, enrol, erasure, intake, orders, remedy, representations
from policy.contacts import Contact
from policy.deliver import deliver_due
from policy.files import Store
from policy.model import Party, Request, SubscriberKind, Wanted
from policy.records import documents, outbox, proofs, subscribers
from policy.register import Personal
from policy.vault import Vault
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import paper
from tests.support.office import VAULT_KEY, Bureau, key_request, person, taints
from tests.support.post import Scripted, post

PDF = b"%PDF-1.4\nnothing\nstartxref\n0\n%%EOF\n"
STOP = Request(by=Party.SUBSCRIBER, ground="subscriber_request", verified=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A folder of sealed files."""
    return Store(folder=tmp_path / "documents", vault=Vault(VAULT_KEY))


def _ended(bureau: Bureau, store: Store, kind=SubscriberKind.ORGANISATION) -> datetime:
    """Enrol KH00001 with a scan, a representative and a proof; revoke; return when."""
    issued = bureau.enrol("KH00001", kind)
    filed = store.put("KH00001", PDF)
    contract = paper("contract", received=bureau.clock.now(), reason="Anh Hân ký thay.")
    (number,) = intake.receive(bureau.office, "KH00001", [contract], filed=filed)
    representations.add(
        bureau.office,
        "KH00001",
        ("Lê Ngọc Hân", "CCCD", "079185001234"),
        from_on=date(2024, 1, 1),
        evidence=number,
    )
    contacts.by_call(bureau.office, "KH00001", Contact.PHONE, "gọi 1")
    access.give_code(bureau.office, "KH00001")
    bureau.move("2024-03-10 09:00")
    orders.ask(bureau.office, issued.serial, Wanted.REVOKE, STOP)
    return bureau.clock.now()


def _late(bureau: Bureau, **step: float) -> None:
    """Move ten years and `step` past the revocation, with a rulebook that is still in force."""
    open_ended = bureau.office.rulebooks[0].model_copy(update={"effective_until": None})
    bureau.office = replace(bureau.office, rulebooks=(open_ended,))
    bureau.director = replace(bureau.director, rulebooks=(open_ended,))
    bureau.clock.move_to(datetime(2034, 3, 10, 2, 0, tzinfo=UTC) + timedelta(**step))


def _due(bureau: Bureau) -> dict[str, datetime]:
    with bureau.db.read() as tx:
        return erasure.due(bureau.office, tx)


def test_person_is_erased_and_history_stays(bureau: Bureau, store: Store) -> None:
    """Personal data, scans and proofs are gone; organisation, certificate and trail stay."""
    ended = _ended(bureau, store)
    before = bureau.all_of("KH00001")
    _late(bureau)
    assert _due(bureau) == {}
    _late(bureau, seconds=1)
    assert _due(bureau) == {"KH00001": ended}
    number, _ = erasure.ask(bureau.office)
    assert erasure.approve(bureau.director, store, number) == ["KH00001"]
    with bureau.db.read() as tx:
        after = subscribers.subscriber_of(tx, bureau.office.vault, "KH00001")
        assert subscribers.contact_mark(tx, "KH00001", "phone") is None
        assert proofs.representations_of(tx, "KH00001") == []
        assert documents.addresses_of(tx, "KH00001") == []
        assert {each.reason for _, _, each in documents.numbered_documents(tx, "KH00001")} == {""}
    assert after.personal == Personal()
    assert after.organisation == "CÔNG TY TNHH SỐ 1"
    assert [each for each in store.folder.rglob("*") if each.is_file()] == []
    assert bureau.all_of("KH00001") == before
    trail = repr([each for each in bureau.trail() if each.act.startswith("erasure.")])
    assert trail.count("erasure.erase") == 1
    assert not any(value in trail for value in taints(person("KH00001")))
    assert _due(bureau) == {}
    with pytest.raises(Refused, match="Nobody"):
        erasure.ask(bureau.office)


def test_persons_own_tax_code_is_erased(lite: Bureau, store: Store) -> None:
    """An individual's tax code is their identity number; an organisation's is public."""
    _ended(lite, store, SubscriberKind.INDIVIDUAL)
    _late(lite, days=1)
    number, _ = erasure.ask(lite.office)
    erasure.approve(lite.director, store, number)
    with lite.db.read() as tx:
        assert subscribers.tax_codes(tx, ["KH00001"]) == {}


def test_nobody_erases_alone(lite: Bureau, store: Store) -> None:
    """Who made the list does not approve it, however they are written; no list, no erasure."""
    _ended(lite, store)
    _late(lite, days=1)
    number, _ = erasure.ask(lite.office)
    for actor in (lite.office.actor, f" {lite.office.actor.upper()}"):
        with pytest.raises(Refused, match="another operator"):
            erasure.approve(replace(lite.office, actor=actor), store, number)
    with pytest.raises(NotFound, match="number 4711"):
        erasure.approve(lite.director, store, 4711)
    assert _due(lite) != {}


def test_who_came_back_is_not_erased(lite: Bureau, store: Store) -> None:
    """A new certificate, or an open case, between list and approval keeps the person."""
    _ended(lite, store)
    _late(lite, days=1)
    number, _ = erasure.ask(lite.office)
    remedy.open_case(lite.office, "KH00001")
    assert erasure.approve(lite.director, store, number) == []
    with lite.db.read() as tx:
        kept = subscribers.subscriber_of(tx, lite.office.vault, "KH00001")
    assert kept.personal == person("KH00001")


def test_living_and_lately_ended_certificates_keep_their_person(lite: Bureau, store: Store) -> None:
    """The last certificate counts: one that lives, or ended within the retention, keeps all."""
    _ended(lite, store)
    enrol.enrol(lite.desk, "KH00001", key_request(), years=1)
    lite.enter("KH00002")
    _late(lite, days=1)
    assert _due(lite) == {}


@pytest.mark.parametrize(("commit", "erased"), [(1, False), (2, False), (2, True), (3, False)])
def test_crash_inside_an_erasure(lite: Bureau, store: Store, commit: int, *, erased: bool) -> None:
    """Wherever it stops, approving the same list again finishes it."""
    _ended(lite, store)
    _late(lite, days=1)
    number, _ = erasure.ask(lite.office)
    broken = CrashingDatabase(lite.db, commit, persisted=erased)
    with pytest.raises(Crash):
        erasure.approve(replace(lite.director, db=broken), store, number)
    assert erasure.approve(lite.director, store, number) == ["KH00001"]
    assert [each for each in store.folder.rglob("*") if each.is_file()] == []
    with lite.db.read() as tx:
        assert documents.addresses_of(tx, "KH00001") == []
        assert subscribers.erased(tx, ["KH00001"]) == {"KH00001"}


def test_clock_is_the_rulebooks(lite: Bureau, store: Store, clock: SetClock) -> None:
    """A rulebook with a longer retention keeps the person longer."""
    _ended(lite, store)
    _late(lite, days=1)
    book = lite.office.rulebooks[0]
    limits = book.limits.model_copy(update={"retention_years": 20})
    longer = book.model_copy(update={"limits": limits})
    lite.office = replace(lite.office, rulebooks=(longer,))
    assert _due(lite) == {}
    assert clock.now().year == 2034


def _sent_code(bureau: Bureau, contact: Contact) -> str:
    """Ask for a code, and return what reached that contact and no other."""
    contacts.ask(bureau.office, "KH00001", contact)
    letter = Scripted("letter", reaches=lambda to: to.by_post)
    email = Scripted("email", reaches=lambda to: bool(to.email))
    sms = Scripted("sms", reaches=lambda to: bool(to.phone))
    right, wrong = (email, sms) if contact is Contact.EMAIL else (sms, email)
    deliver_due(bureau.office, post(letter, wrong, right))
    assert (letter.got, wrong.got) == ([], [])
    (message,) = right.got
    (code,) = set(re.findall(r"[0-9]{6}(?=[,;])", message.text))
    with bureau.db.read() as tx:
        assert code not in repr(outbox.notices(tx))
    return str(code)


def test_contact_is_proved_by_a_code(bureau: Bureau) -> None:
    """The right code in time proves a contact once; it counts until the contact changes."""
    bureau.enter("KH00001")
    code = _sent_code(bureau, Contact.PHONE)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    with pytest.raises(Refused, match="not the one"):
        contacts.confirm(bureau.office, "KH00001", Contact.PHONE, wrong)
    contacts.confirm(bureau.office, "KH00001", Contact.PHONE, f" {code} ")
    with bureau.db.read() as tx:
        at = contacts.verified_at(tx, "KH00001", Contact.PHONE)
        assert at == bureau.clock.now()
        assert contacts.verified_at(tx, "KH00001", Contact.EMAIL) is None
    with pytest.raises(Refused, match="No code is awaited"):
        contacts.confirm(bureau.office, "KH00001", Contact.PHONE, code)
    with bureau.db.begin() as tx:
        known = subscribers.subscriber_of(tx, bureau.office.vault, "KH00001")
        changed = replace(known, personal=replace(known.personal, phone="0912345678"))
        subscribers.amend_subscriber(tx, bureau.office.vault, changed, [])
        assert contacts.verified_at(tx, "KH00001", Contact.PHONE) is None
    assert code not in repr(bureau.trail())


def test_codes_run_out(lite: Bureau) -> None:
    """Five wrong tries, or half an hour, end a code; nobody's contact cannot be asked."""
    lite.enter("KH00001")
    code = _sent_code(lite, Contact.EMAIL)
    for _ in range(5):
        with pytest.raises(Refused, match="not the one"):
            contacts.confirm(lite.office, "KH00001", Contact.EMAIL, "x")
    with pytest.raises(Refused, match="5 times"):
        contacts.confirm(lite.office, "KH00001", Contact.EMAIL, code)
    code = _sent_code(lite, Contact.EMAIL)
    lite.tick(minutes=31)
    with pytest.raises(Refused, match="send a new one"):
        contacts.confirm(lite.office, "KH00001", Contact.EMAIL, code)
    with pytest.raises(NotFound):
        contacts.ask(lite.office, "KH99999", Contact.EMAIL)
    lite.enter("KH00002", personal=replace(person("KH00002"), phone=""))
    with pytest.raises(Refused, match="no phone"):
        contacts.by_call(lite.office, "KH00002", Contact.PHONE, "gọi 1")
    with pytest.raises(Invalid, match="reference"):
        contacts.by_call(lite.office, "KH00001", Contact.PHONE, " ")


def test_representations_have_days_and_evidence(bureau: Bureau) -> None:
    """Who represented a company on a day is known, with the document; the person is sealed."""
    bureau.enter("KH00001")
    bureau.enter("KH00002")
    (own,) = bureau.bring("KH00001", "business_registration")
    (foreign,) = bureau.bring("KH00002", "business_registration")
    first, last = date(2024, 1, 1), date(2024, 3, 31)
    who = ("Lê Ngọc Hân", "CCCD", "079185001234")
    number = representations.add(bureau.office, "KH00001", who, from_on=first, evidence=own)
    with pytest.raises(Refused, match="not among the papers"):
        representations.add(bureau.office, "KH00001", who, from_on=first, evidence=foreign)
    with pytest.raises(Invalid, match="name"):
        representations.add(bureau.office, "KH00001", (" ", "", ""), from_on=first, evidence=own)
    with pytest.raises(Refused, match="began on"):
        representations.end(bureau.office, number, first - timedelta(days=1))
    representations.end(bureau.office, number, last)
    with bureau.db.read() as tx:
        (found,) = representations.of(bureau.office, tx, "KH00001")
        stored = proofs.representations_of(tx, "KH00001")
    assert (found.name, found.evidence) == ("Lê Ngọc Hân", own)
    assert (found.from_on, found.to_on) == (first, last)
    mark = subscribers.person_mark(bureau.office.vault, *who)
    days = (first - timedelta(days=1), first, last, last + timedelta(days=1))
    with bureau.db.read() as tx:
        told = [proofs.marks_on(tx, "KH00001", each) for each in days]
    assert told == [set(), {mark}, {mark}, set()]
    assert "Hân" not in repr(found) + repr(stored) + repr(bureau.trail())


def test_papers_have_a_place(bureau: Bureau) -> None:
    """Office, box, shelf and number of copies are kept for each paper."""
    bureau.enter("KH00001")
    (number,) = bureau.bring("KH00001", "contract")
    where = documents.Place(office="HN", box="12", shelf="3", copies=2)
    assert intake.place(bureau.office, number, where) == "KH00001"
    with bureau.db.read() as tx:
        assert documents.places_of(tx, "KH00001") == {number: where}
    assert str(where) == "HN / 12 / 3"
    with pytest.raises(NotFound, match="4711"):
        intake.place(bureau.office, 4711, where)
