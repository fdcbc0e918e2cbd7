"""Sheets: the lines for e-invoice registration, and the certificates that count in a month."""

from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from ca.activity import good_within
from ca.issue import issue
from ca.model import Act, Certificate, Stage, Standing, Status, StatusEvent, Succession
from ca.order import Replacement
from core import serials
from core.errors import NotFound
from policy import orders, sheets
from policy.model import Party, Request, SubscriberKind, Wanted
from policy.sheets import FeeLine, Form, InvoiceLine
from tests.support import authority
from tests.support.office import Bureau

APRIL = date(2024, 4, 1)


def lines(bureau: Bureau, month: date) -> list[InvoiceLine]:
    """The registration lines of a month."""
    begin, end = sheets.month_of(bureau.office, month)
    with bureau.db.read() as tx:
        return list(sheets.invoice_lines(bureau.office, tx, begin, end))


def fees(bureau: Bureau, month: date) -> list[FeeLine]:
    """The certificates that count in a month."""
    with bureau.db.read() as tx:
        return list(sheets.fee_lines(bureau.office, tx, month))


def ask(bureau: Bureau, certificate: Certificate, wanted: Wanted, **request: object) -> None:
    """Have an authority act on a certificate."""
    order = Request(by=Party.AUTHORITY, reference="QĐ-1", **request)  # type: ignore[arg-type] # the tests' own values
    orders.ask(bureau.office, certificate.serial, wanted, order)


def test_lines_of_a_month(bureau: Bureau) -> None:
    """What was issued is added, what was revoked is stopped, in local time, each in its month."""
    issued = bureau.enrol("KH00001")
    bureau.enrol("KH00002", SubscriberKind.INDIVIDUAL)
    bureau.move("2024-04-30 23:59:59")
    ask(bureau, issued, Wanted.REVOKE, ground="authority_revocation")
    (added,), (stopped,) = lines(bureau, date(2024, 3, 1)), lines(bureau, APRIL)
    assert (added.form, stopped.form) == (Form.ADD, Form.STOP)
    assert added.tax_code == stopped.tax_code == "9900000001"
    assert added.serial == serials.to_hex(issued.serial)
    assert added.issuer == "Antin Test"
    assert (added.valid_from.hour, added.valid_from.utcoffset()) == (8, timedelta(hours=7))
    assert lines(bureau, date(2024, 5, 1)) == []


def test_renewal_and_replacement(bureau: Bureau) -> None:
    """A renewal is a line of its own kind; a re-key adds the new one and stops the old one."""
    renewed, rekeyed = bureau.enrol("KH00001"), bureau.enrol("KH00002")
    bureau.move(renewed.not_after - timedelta(days=9))
    now = bureau.clock.now()
    for old, kind in ((renewed, Succession.RENEWAL), (rekeyed, Succession.REKEY)):
        subject = x509.load_der_x509_certificate(old.der or b"").subject
        stop = authority.approval(Act.REVOKE, old.subscriber, now, serial=old.serial)
        replaces = Replacement(
            serial=old.serial, kind=kind, retire=stop if kind is Succession.REKEY else None
        )
        order = authority.order(old.subscriber, now, subject=subject, replaces=replaces)
        issue(bureau.db, bureau.clock, bureau.desk.issuer, order)
    month = bureau.office.day(now).replace(day=1)
    told = {(each.customer_id, each.form) for each in lines(bureau, month)}
    assert told == {
        ("KH00001", Form.RENEW), ("KH00002", Form.ADD), ("KH00002", Form.STOP)
    }  # fmt: skip


def test_month_of_suspension_counts(bureau: Bureau) -> None:
    """Held on the first of the month counts no more, held a moment later still does."""
    first, later = bureau.enrol("KH00001"), bureau.enrol("KH00002")
    bureau.enrol("KH00003", SubscriberKind.INDIVIDUAL)
    bureau.move("2024-04-01 00:00")
    ask(bureau, first, Wanted.SUSPEND, ground="authority_order")
    bureau.tick()
    ask(bureau, later, Wanted.SUSPEND, ground="authority_order")
    assert [each.customer_id for each in fees(bureau, date(2024, 3, 1))] == ["KH00001", "KH00002"]
    assert [each.customer_id for each in fees(bureau, APRIL)] == ["KH00002"]
    assert fees(bureau, date(2024, 5, 1)) == []
    assert fees(bureau, APRIL)[0].dong == 3000


def test_restored_counts_again(bureau: Bureau) -> None:
    """A month in which a hold was lifted counts."""
    held = bureau.enrol("KH00001")
    bureau.tick()
    ask(bureau, held, Wanted.SUSPEND, ground="authority_order")
    bureau.move("2024-06-30 23:59:59")
    ask(bureau, held, Wanted.RESTORE, source=held_source(bureau, held))
    assert len(fees(bureau, date(2024, 3, 1))) == 1
    assert fees(bureau, date(2024, 5, 1)) == []
    assert len(fees(bureau, date(2024, 6, 1))) == 1


def held_source(bureau: Bureau, certificate: Certificate) -> object:
    """The source of the one hold."""
    (source,) = bureau.now(certificate).standing.sources
    return source


def test_ended_counts_no_more(bureau: Bureau) -> None:
    """The month of the last second of validity is the last that counts."""
    issued = bureau.enrol("KH00001")
    last = bureau.office.day(issued.not_after).replace(day=1)
    assert len(fees(bureau, last)) == 1
    assert fees(bureau, (last + timedelta(days=31)).replace(day=1)) == []


def test_rulebook_without_a_fee(bureau: Bureau) -> None:
    """Where the rules name no fee, none is guessed."""
    bare = tuple(each.model_copy(update={"fee": None}) for each in bureau.office.rulebooks)
    object.__setattr__(bureau.office, "rulebooks", bare)
    bureau.office._chosen.clear()
    with pytest.raises(NotFound, match="names no fee"):
        fees(bureau, APRIL)


START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = st.integers(0, 60)


@given(
    steps=st.lists(st.tuples(HOURS, st.sampled_from(list(Status))), min_size=1, max_size=6),
    span=st.tuples(HOURS, HOURS), valid=st.tuples(HOURS, HOURS),
)  # fmt: skip
def test_good_within_equals_looking_at_every_hour(
    steps: list[tuple[int, Status]], span: tuple[int, int], valid: tuple[int, int]
) -> None:
    """Whether it was good in a span is whether it was good in any hour of it."""
    steps = sorted(steps, key=lambda step: step[0])
    history = [_event(hour, status) for hour, status in steps]
    certificate = _certificate(min(valid), max(valid))
    begin, end = sorted(span)

    def good(hour: int) -> bool:
        at = [status for when, status in steps if when <= hour]
        return bool(at) and at[-1] is Status.GOOD and min(valid) <= hour < max(valid)

    expected = any(good(hour) for hour in range(begin, end))
    assert good_within(certificate, history, _at(begin), _at(end)) is expected


def _at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def _event(hour: int, status: Status) -> StatusEvent:
    return StatusEvent(
        id=0, certificate_id=1, at=_at(hour), act=Act.ISSUE, status=status, reason=None,
        source=None, ends_at=None, invalidity_date=None, decision="", clause="", because="",
    )  # fmt: skip


def _certificate(first: int, last: int) -> Certificate:
    return Certificate(
        id=1, issuer_id=1, serial=1, subscriber="KH00001", profile="organisation",
        stage=Stage.ISSUED, der=b"", not_before=_at(first),
        not_after=_at(last) - timedelta(seconds=1), created_at=_at(first), standing=Standing(),
    )  # fmt: skip
