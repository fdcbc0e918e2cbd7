"""Distinguished names of Vietnamese subscribers: built from the register, never from a request.

Identity sits in UID (0.9.2342.19200300.100.1.1) with a typed prefix: `MST:` tax code, `CCCD:` and
`CMND:` identity cards, `HC:` passport, and so on. Upper bounds count characters, not bytes (X.520;
RFC 5280 Appendix A): a Vietnamese company name of 64 characters may have over 100 UTF-8 bytes.
"""

import re
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from core.errors import Refused

MOST_CHARACTERS = {
    NameOID.COMMON_NAME: 64,
    NameOID.ORGANIZATION_NAME: 64,
    NameOID.ORGANIZATIONAL_UNIT_NAME: 64,
    NameOID.TITLE: 64,
    NameOID.LOCALITY_NAME: 128,
    NameOID.STATE_OR_PROVINCE_NAME: 128,
    NameOID.USER_ID: 256,
}
"""Upper bounds in characters (RFC 5280 Appendix A.1; ub-user-id as RFC 4519 leaves it, ours)."""

# The library counts bytes where X.520 counts characters, and warns when it reads such a name back.
warnings.filterwarnings("ignore", message="Attribute's length must be >= ")

_COUNTRY = re.compile("[A-Z]{2}")
_WORDS = {
    NameOID.COUNTRY_NAME: "country",
    NameOID.LOCALITY_NAME: "district",
    NameOID.COMMON_NAME: "common name",
    NameOID.ORGANIZATION_NAME: "organisation's name",
    NameOID.TITLE: "title",
    NameOID.STATE_OR_PROVINCE_NAME: "province",
    NameOID.USER_ID: "identifier",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who the certificate is for, as the verified register knows them.

    `common_name` is the organisation for an organisation and the person otherwise; `organisation`
    and `title` are for staff only. `identifiers` are written with their prefix (`MST:0100112437`),
    the organisation's first.
    """

    common_name: str
    province: str
    identifiers: tuple[str, ...]
    organisation: str | None = None
    title: str | None = None
    locality: str | None = None
    country: str = "VN"


def build(subject: Subject) -> x509.Name:
    """Return the name in the order C, ST, L, O, title, CN, UID...; one attribute in each RDN.

    Raises Refused when a part is empty, too long, not in Unicode NFC, or holds a character that
    cannot be seen or that only looks like one of ours.
    """
    parts = [
        (NameOID.COUNTRY_NAME, subject.country),
        (NameOID.STATE_OR_PROVINCE_NAME, subject.province),
        (NameOID.LOCALITY_NAME, subject.locality),
        (NameOID.ORGANIZATION_NAME, subject.organisation),
        (NameOID.TITLE, subject.title),
        (NameOID.COMMON_NAME, subject.common_name),
        *((NameOID.USER_ID, identifier) for identifier in subject.identifiers),
    ]
    if not subject.identifiers:
        raise Refused(
            "The subject has no identifier; a tax code, identity card or passport is required.",
            code="identifier_missing",
        )
    return x509.Name([attribute(oid, value) for oid, value in parts if value is not None])


@lru_cache(maxsize=4096)
def attribute(oid: x509.ObjectIdentifier, value: str) -> x509.NameAttribute[str]:
    """Return one checked name attribute; raises Refused with the rule it breaks."""
    word = _WORDS.get(oid, oid.dotted_string)
    for code, sentence in _broken(value):
        raise Refused(f"The {word} {value!r} {sentence}; correct the register.", code=code)
    if oid == NameOID.COUNTRY_NAME and not is_country(value):
        raise Refused(
            f"The country {value!r} is not two capital letters (ISO 3166); correct the register.",
            code="name_country",
        )
    most = MOST_CHARACTERS.get(oid)
    if most is not None and len(value) > most:
        raise Refused(
            f"The {word} {value!r} has {len(value)} characters; the limit is {most} "
            "(RFC 5280 Appendix A). Agree on a short name with the subscriber and enter it in the "
            "register; names are never cut silently.",
            code="name_too_long",
        )
    return x509.NameAttribute(oid, value, _validate=False)


def is_country(value: object) -> bool:
    """Whether `value` is two capital letters, as ISO 3166 names countries."""
    return isinstance(value, str) and _COUNTRY.fullmatch(value) is not None


def _broken(value: str) -> Iterator[tuple[str, str]]:
    """Yield the code and the predicate of each rule for characters that `value` breaks."""
    if not value.strip() or value != value.strip():
        yield "name_blank", "is empty or begins or ends with a blank"
    if value.isascii() and value.isprintable():
        hidden, foreign = [], []
    else:
        hidden = [char for char in value if _hidden(char)]
        foreign = [char for char in value if char.isalpha() and not _latin(char)]
    if hidden:
        yield "name_character", f"holds the invisible character U+{ord(hidden[0]):04X}"
    if not unicodedata.is_normalized("NFC", value):
        yield "name_not_nfc", "is not in Unicode form NFC"
    if foreign:
        yield "name_script", f"holds {foreign[0]!r} (U+{ord(foreign[0]):04X}), which is not Latin"
    if not any(char.isalnum() for char in value):
        yield "name_empty", "has neither a letter nor a digit"


def _hidden(char: str) -> bool:
    """Whether nobody can see the character: controls, direction marks, blanks but the space."""
    category = unicodedata.category(char)
    return category[0] == "C" or (category[0] == "Z" and char != " ")


@lru_cache(maxsize=1024)
def _latin(letter: str) -> bool:
    """Whether it is a letter of the Latin script (Enterprise Law 59/2020 Điều 37 asks for it)."""
    return unicodedata.name(letter, "").startswith("LATIN")
