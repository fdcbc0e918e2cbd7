"""The register of subscribers: who they are, and the name their certificate will bear. Pure."""

from dataclasses import dataclass
from datetime import datetime

from ca.names import Subject
from core.errors import Refused
from policy.model import SubscriberKind
from policy.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """What only officers may see; encrypted at rest, never on a public page, never in a log.

    Every value is text as the office wrote it, empty where there is none; `id_expires` is an ISO
    date, `address` where letters go.
    """

    representative: str = ""
    holder: str = ""
    title: str = ""
    id_type: str = ""
    id_number: str = ""
    id_expires: str = ""
    phone: str = ""
    email: str = ""
    address: str = ""

    def __repr__(self) -> str:
        """Name the class only, so that no traceback or log shows a person."""
        return "Personal(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """One subscriber of the register; `short_name` is the agreed name for the certificate."""

    id: str
    kind: SubscriberKind
    tax_code: str
    organisation: str
    short_name: str
    province: str
    reseller: str
    personal: Personal
    registered_at: datetime


def subject(subscriber: Subscriber, rulebook: Rulebook) -> Subject:
    """Return the certificate's subject as the register knows it; never taken from a request.

    Raises Refused when an organisation's name is too long and the register has no short one.
    """
    personal = subscriber.personal
    person = f"{personal.id_type}:{personal.id_number}"
    tax = f"MST:{subscriber.tax_code}"
    match subscriber.kind:
        case SubscriberKind.ORGANISATION:
            return Subject(
                common_name=_organisation(subscriber, rulebook),
                province=subscriber.province,
                identifiers=(tax,),
            )
        case SubscriberKind.STAFF:
            return Subject(
                common_name=personal.holder,
                province=subscriber.province,
                identifiers=(tax, person),
                organisation=_organisation(subscriber, rulebook),
                title=personal.title or None,
            )
        case SubscriberKind.INDIVIDUAL:
            return Subject(
                common_name=personal.holder,
                province=subscriber.province,
                identifiers=(person,),
            )


def _organisation(subscriber: Subscriber, rulebook: Rulebook) -> str:
    name, most = subscriber.organisation, rulebook.names.most_characters
    if len(name) <= most:
        return name
    if rulebook.names.when_longer == "short_name" and 0 < len(subscriber.short_name) <= most:
        return subscriber.short_name
    raise Refused(
        f"The organisation's name {name!r} has {len(name)} characters; a certificate holds {most}. "
        "Agree on a short name with the subscriber and enter it in the register.",
        code="name_too_long",
    )
