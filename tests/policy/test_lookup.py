"""What the public is told of a certificate: status, ground, missing papers, and never a person."""

from dataclasses import astuple
from datetime import datetime, timedelta

import pytest

from ca.history import Validity
from ca.model import Act, Certificate, HoldSource
from core import serials
from core.errors import NotFound
from policy import access, enrol, lookup, orders, rulebook, sweep
from policy.lookup import Standing
from policy.model import Party, Request, SubscriberKind, Wanted
from policy.rulebook import Rulebook
from policy.truth import DossierSeen
from tests.support.crash import Crash, CrashingDatabase
from tests.support.dossiers import ANNOUNCED_AT, HOLD_AT, REVOKE_AT, RULES, TEXT, at
from tests.support.office import Bureau, key_request, person, taints


def always(_at: datetime) -> Rulebook:
    """Return the rulebook of the spring, whatever the day."""
    return RULES


@pytest.fixture
def spring(bureau: Bureau) -> Bureau:
    """KH00001 was held from 20 to 25 April, KH00002 is held until it is revoked on 2 May."""
    bureau.enrol("KH00001", without=["contract"])
    bureau.enrol("KH00002", without=["contract"])
    bureau.move(ANNOUNCED_AT)
    bureau.campaign()
    bureau.move(HOLD_AT)
    sweep.enforce(bureau.office, "spring", Act.SUSPEND)
    bureau.move("2024-04-25 10:00")
    bureau.bring("KH00001", "contract")
    bureau.move(REVOKE_AT)
    sweep.enforce(bureau.office, "spring", Act.REVOKE)
    bureau.move("2024-05-10 09:00")
    return bureau


def _ask(bureau: Bureau, name: str, instant: datetime | None = None) -> Standing:
    serial = bureau.all_of(name)[0].serial
    with bureau.db.read() as tx:
        return lookup.by_serial(tx, serial, instant or bureau.clock.now())


def test_past_is_not_forgotten(spring: Bureau) -> None:
    """A hold that was lifted is still told to who asks about an instant inside it."""
    told = {
        "2024-02-29 09:00": (Validity.NOT_YET_VALID, ""),
        "2024-04-19 23:59": (Validity.GOOD, ""),
        "2024-04-20 00:00": (Validity.HOLD, "130/2018:28(1)(d)"),
        "2024-04-25 09:59": (Validity.HOLD, "130/2018:28(1)(d)"),
        "2024-04-25 10:00": (Validity.GOOD, ""),
        "2024-05-10 09:00": (Validity.GOOD, ""),
    }
    for instant, (validity, clause) in told.items():
        found = _ask(spring, "KH00001", at(instant))
        assert (found.validity, found.clause.split(";")[0]) == (validity, clause)


def test_revoked_is_told_with_its_ground(spring: Bureau) -> None:
    """A revoked certificate shows since when, why and on what clause."""
    found = _ask(spring, "KH00002")
    assert (found.validity, found.since) == (Validity.REVOKED, REVOKE_AT)
    assert found.reason == "privilegeWithdrawn"
    assert found.clause.startswith("130/2018:29(1)(d)")


def test_expired_is_no_ground(lite: Bureau) -> None:
    """An expired certificate ended with its last second; no act, reason or clause did it."""
    issued = lite.enrol("KH00001")
    order = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-1")
    orders.ask(lite.office, issued.serial, Wanted.SUSPEND, order)
    lite.move(issued.not_after)
    assert _ask(lite, "KH00001").validity is Validity.HOLD
    lite.tick()
    found = _ask(lite, "KH00001")
    assert (found.validity, found.since) == (Validity.EXPIRED, issued.not_after)
    assert (found.reason, found.clause) == ("", "")


def test_revoked_stays_revoked_after_expiry(spring: Bureau) -> None:
    """Expiry does not hide a revocation."""
    spring.move(spring.all_of("KH00002")[0].not_after + timedelta(days=30))
    assert _ask(spring, "KH00002").validity is Validity.REVOKED


def test_tax_code_and_id_find_the_same(spring: Bureau) -> None:
    """A tax code and a subscriber's id lead to the same certificates, newest first."""
    newer = enrol.enrol(spring.desk, "KH00001", key_request(), years=1)
    now = spring.clock.now()
    with spring.db.read() as tx:
        by_code = lookup.of_subscriber(tx, " 9900000001 ", always, now)
        by_id = lookup.of_subscriber(tx, "KH00001", always, now)
    assert by_code == by_id
    older = spring.all_of("KH00001")[0]
    assert [each.serial for each in by_code] == [
        serials.to_hex(each.serial) for each in (newer, older)
    ]


def test_missing_papers_are_named_to_the_subscriber_alone(lite: Bureau) -> None:
    """With the look-up code the papers are named in both languages; the public has their number."""
    lite.enrol("KH00001", SubscriberKind.STAFF, without=["contract", "title_proof"])
    lite.enrol("KH00002")
    code = access.give_code(lite.office, "KH00001")
    now = lite.clock.now()
    with lite.db.read() as tx:
        (named,) = lookup.of_subscriber(tx, "KH00001", always, now, code=code)
        (public,) = lookup.of_subscriber(tx, "KH00001", always, now)
        (complete,) = lookup.of_subscriber(tx, "KH00002", always, now, code=code)
    assert named.truth
    assert named.truth.documents == (
        ("hợp đồng", "contract"),
        ("giấy bổ nhiệm, xác nhận chức danh", "proof of title"),
    )
    assert public.truth
    assert (public.truth.lacking, public.truth.documents) == (2, ())
    assert complete.truth
    assert (complete.truth.dossier, complete.truth.lacking) == (DossierSeen.COMPLETE, 0)


def test_a_look_up_code_is_its_own_subscribers_for_its_time(bureau: Bureau) -> None:
    """A wrong, an older, an ended code and another subscriber's open nothing; spaces do no harm."""
    for name in ("KH00001", "KH00002"):
        bureau.enrol(name, without=["contract"])
    older = access.give_code(bureau.office, "KH00001")
    code = access.give_code(bureau.office, "KH00001")
    other = access.give_code(bureau.office, "KH00002")
    typed = f" {code[:6].lower()} {code[6:]}"

    def opened(text: str) -> bool:
        with bureau.db.read() as tx:
            (found,) = lookup.of_subscriber(tx, "KH00001", always, bureau.clock.now(), code=text)
        return bool(found.truth and found.truth.documents)

    assert [opened(each) for each in (code, typed, older, other, "", "A" * 12)] == [
        *(True, True),
        *(False,) * 4,
    ]
    assert code not in repr(bureau.trail())
    bureau.tick(days=91)
    assert not opened(code)
    with pytest.raises(NotFound, match="'KH99999'"):
        access.give_code(bureau.office, "KH99999")


def test_old_dossier_is_told_by_its_own_rules(lite: Bureau) -> None:
    """The public is told what a dossier lacks by the rules of the day on which it was opened."""
    lite.enrol("KH00001", without=["contract"])
    opened = lite.clock.now()
    strict = rulebook.load(
        TEXT.replace('contract = ["paper_original"]', "contract = []", 1).replace(
            '{ document = "contract" }', '{ document = "title_proof" }'
        )
    )
    now = lite.tick(days=1)
    code = access.give_code(lite.office, "KH00001")
    with lite.db.read() as tx:
        for own, missing in ((RULES, "contract"), (strict, "proof of title"), (None, "contract")):
            chosen = {opened: own, now: RULES}
            (found,) = lookup.of_subscriber(tx, "KH00001", chosen.get, now, code=code)
            assert found.truth
            assert [en for _, en in found.truth.documents] == [missing]
        (silent,) = lookup.of_subscriber(tx, "KH00001", lambda _at: None, now)
    assert silent.truth is None


def test_open_holds_are_named(lite: Bureau) -> None:
    """Each open hold is named by its source."""
    issued = lite.enrol("KH00001")
    for ground, by in (("authority_order", Party.AUTHORITY), ("loss_reported", Party.SUBSCRIBER)):
        asked = Request(by=by, ground=ground)
        orders.ask(lite.office, issued.serial, Wanted.SUSPEND, asked)
    with lite.db.read() as tx:
        (found,) = lookup.of_subscriber(tx, "KH00001", always, lite.clock.now())
    assert found.holds == ("authority", "loss")


def _order(bureau: Bureau, wanted: Wanted, ground: str) -> None:
    order = Request(by=Party.AUTHORITY, ground=ground, reference="QD-573/2024", silent=True)
    orders.ask(bureau.office, bureau.all_of("KH00001")[0].serial, wanted, order)


def test_silent_order_shows_no_ground(lite: Bureau) -> None:
    """A hold or revocation that an authority ordered silently is told without ground and source."""
    lite.enrol("KH00001")
    since = lite.tick(days=1)
    code = access.give_code(lite.office, "KH00001")
    _order(lite, Wanted.SUSPEND, "authority_order")
    for given in ("", code):
        with lite.db.read() as tx:
            (found,) = lookup.of_subscriber(tx, "KH00001", always, lite.clock.now(), code=given)
        assert (found.validity, found.since, found.clause) == (Validity.HOLD, since, "")
        assert (found.holds, found.reason) == ((), "certificateHold")
        assert found.truth
        assert [each.key for each in found.truth.steps] == ["held"]
        assert "authority" not in repr(found)
    lite.tick(days=1)
    loss = Request(by=Party.SUBSCRIBER, ground="loss_reported")
    orders.ask(lite.office, lite.all_of("KH00001")[0].serial, Wanted.SUSPEND, loss)
    with lite.db.read() as tx:
        (found,) = lookup.of_subscriber(tx, "KH00001", always, lite.clock.now())
    assert (found.since, found.clause, found.holds) == (since, "130/2018:28(1)(a)", ("loss",))
    lite.tick(days=1)
    _order(lite, Wanted.REVOKE, "authority_revocation")
    found = _ask(lite, "KH00001")
    assert (found.validity, found.clause) == (Validity.REVOKED, "")
    assert found.reason == "privilegeWithdrawn"


def test_clause_is_that_of_an_open_hold(lite: Bureau) -> None:
    """When one of two holds is lifted, the clause told is the other's, and the date the first."""
    issued = lite.enrol("KH00001")
    since = lite.tick(days=1)
    order = Request(by=Party.AUTHORITY, ground="authority_order", reference="QD-1")
    orders.ask(lite.office, issued.serial, Wanted.SUSPEND, order)
    lite.tick(days=1)
    loss = Request(by=Party.SUBSCRIBER, ground="loss_reported")
    orders.ask(lite.office, issued.serial, Wanted.SUSPEND, loss)
    lite.tick(days=1)
    found_again = Request(by=Party.SUBSCRIBER, source=HoldSource.LOSS, verified=True)
    orders.ask(lite.office, issued.serial, Wanted.RESTORE, found_again)
    found = _ask(lite, "KH00001")
    assert (found.since, found.clause) == (since, "130/2018:28(1)(c)")


@pytest.mark.parametrize("query", ["", "  ", "KH", "kh00001", "KH00001'--", "%", "9900000009"])
def test_who_is_not_there_is_not_found(lite: Bureau, query: str) -> None:
    """Only a whole tax code or id finds anything; there is no search by parts."""
    lite.enrol("KH00001")
    with lite.db.read() as tx:
        assert lookup.of_subscriber(tx, query, always, lite.clock.now()) == []


def test_unknown_and_unissued_serials_are_not_found(lite: Bureau) -> None:
    """A serial that was never issued, or whose issuance crashed, is not known to the public."""
    lite.enter("KH00001")
    crashing = lite.on(CrashingDatabase(lite.db, 2, persisted=True))
    with pytest.raises(Crash):
        enrol.enrol(crashing, "KH00001", key_request(), years=1)
    (pending,) = lite.all_of("KH00001")
    with lite.db.read() as tx:
        for serial in (0x4F0A12C3, pending.serial):
            with pytest.raises(NotFound, match=serials.to_hex(serial)):
                lookup.by_serial(tx, serial, lite.clock.now())
        assert lookup.of_subscriber(tx, "KH00001", always, lite.clock.now()) == []


@pytest.mark.parametrize("kind", SubscriberKind)
def test_no_answer_names_a_person(lite: Bureau, kind: SubscriberKind) -> None:
    """No value of any answer holds a personal value of the subscriber."""
    issued: Certificate = lite.enrol("KH00001", kind, without=["contract"])
    lite.shipped_case("KH00001")
    code = access.give_code(lite.office, "KH00001")
    now = lite.clock.now()
    with lite.db.read() as tx:
        answers = [lookup.by_serial(tx, issued.serial, now)]
        for given in ("", code):
            answers += lookup.of_subscriber(tx, "KH00001", always, now, code=given)
    told = repr([astuple(each) for each in answers])
    for value in taints(person("KH00001")):
        assert value not in told


def test_what_is_kept_beside_the_vault_names_no_person(
    lite: Bureau, caplog: pytest.LogCaptureFixture
) -> None:
    """Audit trail, decisions and logs of a whole life hold no personal value."""
    caplog.set_level("DEBUG")
    for number, kind in enumerate(SubscriberKind, 1):
        lite.enrol(f"KH0000{number}", kind, without=["contract"])
    lite.shipped_case("KH00001")
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    lite.move(HOLD_AT)
    sweep.enforce(lite.office, "spring", Act.SUSPEND)
    kept = repr(lite.trail()) + repr(lite.decisions()) + repr(lite.notices()) + caplog.text
    assert "KH00003" in kept
    for number in (1, 2, 3):
        for value in taints(person(f"KH0000{number}")):
            assert value not in kept
