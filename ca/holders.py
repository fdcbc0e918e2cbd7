"""Who a certificate is for, as any Vietnamese CA wrote it: from its name to a holder. Pure.

Names are sets: the order of attributes, and how they are grouped into RDNs, says nothing here.
Identifiers are looked for wherever the field puts them: UID, organizationIdentifier, serialNumber,
and the organisation's name itself (`O=MST:...`). What is odd becomes a doubt, a sentence for the
officer; a name is never refused for being read.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca import identifiers
from ca.identifiers import Identifier, Label

_WITH_IDENTIFIERS = (
    NameOID.USER_ID,
    NameOID.ORGANIZATION_IDENTIFIER,
    NameOID.SERIAL_NUMBER,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
)
_ALWAYS_IDENTIFIERS = frozenset(
    {NameOID.USER_ID, NameOID.ORGANIZATION_IDENTIFIER, NameOID.SERIAL_NUMBER}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What a name tells of its holder; empty text where it tells nothing.

    `identifiers` come in a fixed order, organisations' first, each once; `doubts` are sentences.
    """

    common_name: str = ""
    organisation: str = ""
    title: str = ""
    locality: str = ""
    province: str = ""
    country: str = ""
    email: str = ""
    identifiers: tuple[Identifier, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def tax_code(self) -> str | None:
        """The tax code of the holder or of the holder's organisation, None when there is none."""
        labelled = (each.number for each in self.identifiers if each.label is Label.MST)
        return next(labelled, None)

    @property
    def of_person(self) -> bool:
        """Whether a person stands in the name, alone or as staff of an organisation."""
        return any(each.of_person for each in self.identifiers)


def read(name: x509.Name) -> Holder:
    """Return the holder that `name` describes."""
    values = list(_values(name))
    found = list(dict.fromkeys(_identifiers(values)))
    found.sort(key=lambda each: (each.of_person, each.label is None, str(each)))
    return Holder(
        common_name=_text(values, NameOID.COMMON_NAME),
        organisation=_text(values, NameOID.ORGANIZATION_NAME),
        title=_text(values, NameOID.TITLE),
        locality=_text(values, NameOID.LOCALITY_NAME),
        province=_text(values, NameOID.STATE_OR_PROVINCE_NAME),
        country=_text(values, NameOID.COUNTRY_NAME).upper(),
        email=_text(values, NameOID.EMAIL_ADDRESS),
        identifiers=tuple(found),
        doubts=tuple(_doubts(values, found)),
    )


def same(one: x509.Name, other: x509.Name) -> bool:
    """Whether two names have the same attributes, whatever their order, case, blanks and form.

    Values are compared as RFC 5280 7.1 says: case and repeated blanks do not count (RFC 4518).
    """
    return Counter(_prepared(one)) == Counter(_prepared(other))


def _prepared(name: x509.Name) -> Iterator[tuple[str, str]]:
    for oid, value in _values(name):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
        yield oid.dotted_string, " ".join(folded.split())


def _values(name: x509.Name) -> Iterator[tuple[x509.ObjectIdentifier, str]]:
    for attribute in name:
        value = attribute.value
        yield attribute.oid, value.hex() if isinstance(value, bytes) else value


def _text(values: list[tuple[x509.ObjectIdentifier, str]], oid: x509.ObjectIdentifier) -> str:
    """Return the first value of `oid` that is not an identifier in disguise, in NFC, trimmed."""
    for found, value in values:
        if found == oid and _labelled(value) is None:
            return " ".join(unicodedata.normalize("NFC", value).split())
    return ""


def _identifiers(values: list[tuple[x509.ObjectIdentifier, str]]) -> Iterator[Identifier]:
    for oid in _WITH_IDENTIFIERS:
        for found, value in values:
            if found == oid:
                read_as = identifiers.read if oid in _ALWAYS_IDENTIFIERS else _labelled
                each = read_as(value)
                if each is not None:
                    yield each


def _labelled(value: str) -> Identifier | None:
    """Return the identifier in `value` when a label says so: a bare number may be a name."""
    found = identifiers.read(unicodedata.normalize("NFC", value))
    return found if found is not None and found.label is not None else None


def _doubts(
    values: list[tuple[x509.ObjectIdentifier, str]], found: list[Identifier]
) -> Iterator[str]:
    if not found:
        yield "The name holds no tax code, identity card or passport; ask the register who it is."
    for each in found:
        yield from each.doubts
    for oid, value in values:
        if oid in _ALWAYS_IDENTIFIERS and identifiers.read(value) is None:
            yield f"The identifier {value!r} is of no kind that we know; look at the paper."
        if not unicodedata.is_normalized("NFC", value):
            yield f"The value {value!r} is not in Unicode form NFC; two texts may look alike."
    tax_codes = {each.number for each in found if each.label is Label.MST}
    if len(tax_codes) > 1:
        yield f"The name holds {len(tax_codes)} tax codes; ask the register which one counts."
