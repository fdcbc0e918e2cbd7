"""The register in the database: a transaction in, values out; never commits."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from unicodedata import normalize

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from core.errors import Conflict, NotFound
from policy.model import SubscriberKind
from policy.records.batches import batches
from policy.register import Personal, Subscriber
from policy.tables import subscriber
from policy.vault import Vault
from policy.wording import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A subscriber's kind, and since when their original dossier is open under its rules."""

    kind: SubscriberKind
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A subscriber's province, and the reseller if one sold to them."""

    province: str
    reseller: str


def add_subscriber(tx: Tx, vault: Vault, new: Subscriber, warnings: Sequence[str] = ()) -> None:
    """Enter a subscriber, with what is to be checked; raises Conflict when the id is taken."""
    values = _values(vault, new, warnings)
    try:
        tx.execute(insert(subscriber).values(**values, registered_at=new.registered_at))
    except IntegrityError as error:
        raise Conflict(f"The subscriber {new.id!r} is in the register already.") from error


def amend_subscriber(tx: Tx, vault: Vault, new: Subscriber, warnings: Sequence[str]) -> None:
    """Write a subscriber's changed entry; when it was first entered stays."""
    values = _values(vault, new, warnings)
    tx.execute(update(subscriber).where(subscriber.c.id == new.id).values(**values))


def _values(vault: Vault, new: Subscriber, warnings: Sequence[str]) -> dict[str, object]:
    return {
        "id": new.id,
        "kind": new.kind,
        "tax_code": new.tax_code or None,
        "organisation": new.organisation or None,
        "short_name": new.short_name or None,
        "province": new.province,
        "reseller": new.reseller or None,
        "personal": vault.seal(new.id, asdict(new.personal)),
        "phone_mark": _mark(vault, new.personal.phone),
        "email_mark": _mark(vault, new.personal.email.casefold()),
        "representative_mark": representative_mark(vault, new.personal),
        "warnings": json.dumps(list(warnings), ensure_ascii=False),
    }


def subscriber_of(tx: Tx, vault: Vault, subscriber_id: str) -> Subscriber:
    """Return one subscriber with their personal data; raises NotFound."""
    found = subscribers_of(tx, vault, [subscriber_id])
    if not found:
        raise NotFound(f"The register has no subscriber {subscriber_id!r}.")
    return found[subscriber_id]


_SUBSCRIBER = (
    subscriber.c.id, subscriber.c.kind, subscriber.c.tax_code, subscriber.c.organisation,
    subscriber.c.short_name, subscriber.c.province, subscriber.c.reseller, subscriber.c.personal,
    subscriber.c.registered_at,
)  # fmt: skip


_NAMED = subscriber.c.id.in_(bindparam("names", expanding=True))
_SUBSCRIBERS = select(*_SUBSCRIBER).where(_NAMED)


def subscribers_of(tx: Tx, vault: Vault, subscribers: Iterable[str]) -> dict[str, Subscriber]:
    """Return each named subscriber that the register has, with their personal data."""
    found: dict[str, Subscriber] = {}
    for names in batches(subscribers):
        for row in tx.execute(_SUBSCRIBERS, {"names": names}).all():
            found[row.id] = Subscriber(
                id=row.id,
                kind=SubscriberKind(row.kind),
                tax_code=row.tax_code or "",
                organisation=row.organisation or "",
                short_name=row.short_name or "",
                province=row.province,
                reseller=row.reseller or "",
                personal=Personal(**vault.open(row.id, row.personal)),
                registered_at=row.registered_at,
            )
    return found


def kinds_of(tx: Tx, subscribers: Iterable[str]) -> dict[str, SubscriberKind]:
    """Return the kind of each named subscriber that the register has."""
    found: dict[str, SubscriberKind] = {}
    for names in batches(subscribers):
        query = select(subscriber.c.id, subscriber.c.kind).where(subscriber.c.id.in_(names))
        found.update({row.id: SubscriberKind(row.kind) for row in tx.execute(query)})
    return found


def tax_codes(tx: Tx, names: Iterable[str]) -> dict[str, str]:
    """Return the tax code of each of these subscribers that has one."""
    found: dict[str, str] = {}
    for some in batches(names):
        query = select(subscriber.c.id, subscriber.c.tax_code).where(
            subscriber.c.id.in_(some), subscriber.c.tax_code.is_not(None)
        )
        found.update({row.id: row.tax_code for row in tx.execute(query)})
    return found


_OPENINGS = select(
    subscriber.c.id,
    subscriber.c.kind,
    func.coalesce(subscriber.c.reopened_at, subscriber.c.registered_at).label("since"),
).where(_NAMED)


def openings_of(tx: Tx, subscribers: Iterable[str]) -> dict[str, Opening]:
    """Return the kind of each named subscriber, and when their dossier was (re)opened."""
    found: dict[str, Opening] = {}
    for names in batches(subscribers):
        for name, kind, since in tx.execute(_OPENINGS, {"names": names}):
            found[name] = Opening(kind=SubscriberKind(kind), since=since)
    return found


def reopen(tx: Tx, subscriber_id: str, at: datetime) -> None:
    """Record that a subscriber's original dossier is judged anew since `at`; raises NotFound."""
    changed = tx.execute(
        update(subscriber).where(subscriber.c.id == subscriber_id).values(reopened_at=at)
    )
    if changed.rowcount == 0:
        raise NotFound(f"The register has no subscriber {subscriber_id!r}.")


def warnings_of(tx: Tx, subscriber_id: str) -> list[str]:
    """Return what an officer is to check in the subscriber's entry, full sentences."""
    query = select(subscriber.c.warnings).where(subscriber.c.id == subscriber_id)
    found = tx.execute(query).scalar_one_or_none()
    return list(json.loads(found)) if found else []


def language_of(tx: Tx, subscriber_id: str) -> Language:
    """Return the language in which a subscriber is written to; raises NotFound."""
    query = select(subscriber.c.language).where(subscriber.c.id == subscriber_id)
    found = tx.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound(f"The register has no subscriber {subscriber_id!r}.")
    return Language(found)


def set_language(tx: Tx, subscriber_id: str, language: Language) -> None:
    """Record in which language a subscriber is written to; raises NotFound."""
    changed = tx.execute(
        update(subscriber).where(subscriber.c.id == subscriber_id).values(language=language)
    )
    if changed.rowcount == 0:
        raise NotFound(f"The register has no subscriber {subscriber_id!r}.")


def subscriber_ids(tx: Tx) -> list[str]:
    """Return the ids of all subscribers, sorted."""
    return list(tx.execute(select(subscriber.c.id).order_by(subscriber.c.id)).scalars())


def chosen(tx: Tx, *, kind: SubscriberKind | None, reseller: str, province: str) -> list[str]:
    """Return the ids of the subscribers of a kind, reseller and province, sorted; empty is any."""
    query = select(subscriber.c.id).order_by(subscriber.c.id)
    if kind is not None:
        query = query.where(subscriber.c.kind == kind)
    if reseller:
        query = query.where(subscriber.c.reseller == reseller)
    if province:
        query = query.where(subscriber.c.province == province)
    return list(tx.execute(query).scalars())


def places_of(tx: Tx, names: Iterable[str]) -> dict[str, Place]:
    """Return of each of these subscribers in the register where they are and who sold to them."""
    found: dict[str, Place] = {}
    for some in batches(names):
        query = select(subscriber.c.id, subscriber.c.province, subscriber.c.reseller)
        for row in tx.execute(query.where(subscriber.c.id.in_(some))):
            found[row.id] = Place(province=row.province, reseller=row.reseller or "")
    return found


def ids_by_tax_code(tx: Tx, tax_code: str) -> list[str]:
    """Return the ids of the subscribers with this tax code, sorted."""
    query = select(subscriber.c.id).where(subscriber.c.tax_code == tax_code)
    return list(tx.execute(query.order_by(subscriber.c.id)).scalars())


def companies_of_representative(tx: Tx, mark: bytes) -> set[str]:
    """Return the subscribers whose entry names the person behind `mark` as representative."""
    query = select(subscriber.c.id).where(subscriber.c.representative_mark == mark)
    return set(tx.execute(query).scalars())


def contact_mark(tx: Tx, subscriber_id: str, contact: str) -> bytes | None:
    """Return the mark of the phone or email that the register has now, None without one."""
    column = {"phone": subscriber.c.phone_mark, "email": subscriber.c.email_mark}[contact]
    query = select(column).where(subscriber.c.id == subscriber_id)
    found: bytes | None = tx.execute(query).scalar_one_or_none()
    return found


def forget(tx: Tx, vault: Vault, subscriber_id: str, at: datetime) -> None:
    """Erase the person from a subscriber's entry; organisation, kind and dates stay."""
    own = subscriber.c.id == subscriber_id
    kind = kinds_of(tx, [subscriber_id])[subscriber_id]
    values: dict[str, object] = {
        "personal": vault.seal(subscriber_id, asdict(Personal())),
        "warnings": "[]",
        "erased_at": at,
        **dict.fromkeys(("phone_mark", "email_mark", "representative_mark")),
    }
    if kind is SubscriberKind.INDIVIDUAL:
        values["tax_code"] = None  # a person's own number
    tx.execute(update(subscriber).where(own).values(**values))


def erased(tx: Tx, names: Iterable[str]) -> set[str]:
    """Return which of these subscribers were erased."""
    found: set[str] = set()
    for some in batches(names):
        query = select(subscriber.c.id).where(
            subscriber.c.id.in_(some), subscriber.c.erased_at.is_not(None)
        )
        found.update(tx.execute(query).scalars())
    return found


def reseller_of(tx: Tx, subscriber_id: str) -> str:
    """Return the reseller that brought a subscriber, or an empty text."""
    query = select(subscriber.c.reseller).where(subscriber.c.id == subscriber_id)
    return tx.execute(query).scalar_one_or_none() or ""


def related(tx: Tx, subscriber_id: str) -> dict[str, list[str]]:
    """Return what other subscribers share with this one, by id: those who share most first."""
    own = tx.execute(select(subscriber).where(subscriber.c.id == subscriber_id)).one_or_none()
    if own is None:
        raise NotFound(f"The register has no subscriber {subscriber_id!r}.")
    found: dict[str, list[str]] = {}
    for link, column in _LINKS.items():
        value = own._mapping[column.name]
        if value is not None:
            query = select(subscriber.c.id).where(column == value, subscriber.c.id != subscriber_id)
            for name in tx.execute(query).scalars():
                found.setdefault(name, []).append(link)
    return dict(sorted(found.items(), key=lambda each: (-len(each[1]), each[0])))


_LINKS = {
    "phone": subscriber.c.phone_mark,
    "e-mail": subscriber.c.email_mark,
    "representative": subscriber.c.representative_mark,
    "reseller": subscriber.c.reseller,
}


def representative_mark(vault: Vault, personal: Personal) -> bytes | None:
    """Return the mark of the person who represents: name and document number together."""
    if not personal.representative:
        return None
    return person_mark(vault, personal.representative, personal.id_type, personal.id_number)


def person_mark(vault: Vault, name: str, id_type: str, id_number: str) -> bytes:
    """Return the mark of a person: name and document number, however they are typed."""
    texts = (
        " ".join(normalize("NFC", each).casefold().split()) for each in (name, id_type, id_number)
    )
    return vault.mark("|".join(texts))


def _mark(vault: Vault, text: str) -> bytes | None:
    return vault.mark(text) if text else None
