"""The sheets that a CA's business needs: lines for e-invoice registration, and the monthly fee.

A taxpayer registers each certificate with the tax authority on form 01/ĐKTĐ-HĐĐT; after a
replacement it needs a line for the new one and a line that stops the old one. The fee for keeping
status available is counted by the month: a certificate counts in each month in which it was good
at any instant, so the month of its suspension or revocation is the last one that counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca import records as engine
from ca.activity import good_within
from ca.model import Act, Stage
from core import serials
from core.database import Tx
from core.errors import NotFound
from policy.office import Office
from policy.records import subscribers


class Form(IntEnum):
    """HThuc of form 01/ĐKTĐ-HĐĐT: what the taxpayer does with the certificate."""

    ADD = 1
    RENEW = 2
    STOP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One line of the registration: `issuer` is TTChuc, `serial` Seri (hex), the ends local time.

    `at` is the local instant of the act that makes the line necessary.
    """

    customer_id: str
    tax_code: str
    issuer: str
    serial: str
    valid_from: datetime
    valid_to: datetime
    form: Form
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeLine:
    """One certificate that counts in a month."""

    customer_id: str
    tax_code: str
    serial: str
    dong: int


def invoice_lines(office: Office, tx: Tx, begin: datetime, end: datetime) -> Iterator[InvoiceLine]:
    """Yield the lines that acts from `begin` on and before `end` make necessary, in their order.

    Subscribers without a tax code register nothing.
    """
    issuers = {each.id: _organisation(each.der) for each in engine.issuers(tx)}
    local = office.rulebook(begin).calendar.local
    for events in engine.events_between(tx, begin, end, (Act.ISSUE, Act.REVOKE)):
        ids = [each.certificate_id for each in events]
        found = {each.id: each for each in engine.by_ids(tx, set(ids))}
        renewed = engine.renewals(tx, ids)
        codes = subscribers.tax_codes(tx, {each.subscriber for each in found.values()})
        for event in events:
            certificate = found[event.certificate_id]
            code = codes.get(certificate.subscriber)
            if certificate.stage is not Stage.ISSUED or code is None:
                continue
            yield InvoiceLine(
                customer_id=certificate.subscriber,
                tax_code=code,
                issuer=issuers[certificate.issuer_id],
                serial=serials.to_hex(certificate.serial),
                valid_from=local(certificate.not_before),
                valid_to=local(certificate.not_after),
                form=_form(event.act, renewal=certificate.id in renewed),
                at=local(event.at),
            )


def fee_lines(office: Office, tx: Tx, month: date) -> Iterator[FeeLine]:
    """Yield the certificates that count in the civil month of `month`; raises NotFound.

    The fee, and whose certificates bear it, are data of the rulebook of the month's first day.
    """
    first = month.replace(day=1)
    begin, end = month_of(office, first)
    rulebook = office.rulebook(begin)
    if rulebook.fee is None:
        raise NotFound(f"The rulebook {rulebook.reference} names no fee for {first:%Y-%m}.")
    for some in engine.alive(tx, begin, end, rulebook.fee.kinds):
        history = engine.events_of(tx, [each.id for each in some])
        counted = [each for each in some if good_within(each, history.get(each.id, ()), begin, end)]
        codes = subscribers.tax_codes(tx, {each.subscriber for each in counted})
        for each in counted:
            yield FeeLine(
                customer_id=each.subscriber,
                tax_code=codes.get(each.subscriber, ""),
                serial=serials.to_hex(each.serial),
                dong=rulebook.fee.dong_per_month,
            )


def month_of(office: Office, first: date) -> tuple[datetime, datetime]:
    """Return the instants at which the civil month that begins on `first` begins and ends."""
    calendar = office.rulebooks[0].calendar
    return calendar.midnight(first), calendar.midnight((first + timedelta(days=31)).replace(day=1))


def _form(act: Act, *, renewal: bool) -> Form:
    if act is Act.REVOKE:
        return Form.STOP
    return Form.RENEW if renewal else Form.ADD


def _organisation(der: bytes) -> str:
    """Return how an issuer is called on the form: its organisation, or its common name."""
    subject = x509.load_der_x509_certificate(der).subject
    for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for attribute in subject.get_attributes_for_oid(oid):
            return str(attribute.value)
    return subject.rfc4514_string()
