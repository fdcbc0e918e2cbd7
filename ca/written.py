r"""Distinguished names as text, in every way that people and programs write them. Pure.

RFC 4514 and its elders (`CN=A, O="B, C"`, quotes, `\,`, `\C3\94`, `#0C03..`), openssl's one line
(`/C=VN/ST=...`, also with `\xC3\x94` as in index.txt) and its spaced form (`C = VN, ST = ...`),
Microsoft's `S=` and `E=`, OIDs with or without `OID.`, and commas that somebody forgot to escape.
The order of the parts says nothing: some write from the country down, some from the person up.
"""

import re

from cryptography import x509

from core.errors import Invalid

MOST_CHARACTERS = 8192

_OIDS = {
    "C": "2.5.4.6", "ST": "2.5.4.8", "S": "2.5.4.8", "SP": "2.5.4.8", "L": "2.5.4.7",
    "STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11", "T": "2.5.4.12", "TITLE": "2.5.4.12",
    "CN": "2.5.4.3", "SN": "2.5.4.4", "GN": "2.5.4.42", "GIVENNAME": "2.5.4.42",
    "SURNAME": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "PHONE": "2.5.4.20",
    "TELEPHONENUMBER": "2.5.4.20", "ORGANIZATIONIDENTIFIER": "2.5.4.97",
    "UID": "0.9.2342.19200300.100.1.1", "USERID": "0.9.2342.19200300.100.1.1",
    "DC": "0.9.2342.19200300.100.1.25", "DESCRIPTION": "2.5.4.13", "POSTALCODE": "2.5.4.17",
    "E": "1.2.840.113549.1.9.1", "EMAILADDRESS": "1.2.840.113549.1.9.1",
    "COUNTRYNAME": "2.5.4.6", "STATEORPROVINCENAME": "2.5.4.8", "LOCALITYNAME": "2.5.4.7",
    "ORGANIZATIONNAME": "2.5.4.10", "ORGANIZATIONALUNITNAME": "2.5.4.11", "COMMONNAME": "2.5.4.3",
}  # fmt: skip
_KEY = rf"(?:OID\.)?(?:[0-2](?:\.\d+)+|{'|'.join(sorted(_OIDS, key=len, reverse=True))})"
_PART = re.compile(
    rf"""\s* (?P<key>{_KEY}) \s*=[^\S\n]*
    (?: "(?P<quoted>(?:[^"\\]|\\.)*)" \s*
      | (?!")(?P<plain>(?:\\.|(?![,;+\n]\s*{_KEY}\s*=)[^\\])*) )
    (?P<end>[,;+\n]|\Z)""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_SLASHED = re.compile(rf"/(?=(?:{_KEY})=)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:x?([0-9A-Fa-f]{2})|(.))", re.DOTALL)
# X.690 8.23: the string types that a `#` value may hold, by tag.
_STRINGS = {
    0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii",
    0x1C: "utf-32-be", 0x1E: "utf-16-be",
}  # fmt: skip
_AS_OCTETS = ("ascii", "surrogateescape")


def read(text: str) -> x509.Name:
    """Return the name that `text` writes, one attribute in each RDN, in the order of the text.

    Raises Invalid when it is no name; unknown keys are refused, because a part that nobody
    understands may be the one that tells two people apart.
    """
    if len(text) > MOST_CHARACTERS:
        raise Invalid(f"The name has {len(text)} characters; {MOST_CHARACTERS} are read at most.")
    parts = _slashed(text.strip()) if _SLASHED.match(text.strip()) else _separated(text.strip())
    return x509.Name([_attribute(key, value) for key, value in parts])


def _slashed(text: str) -> list[tuple[str, str]]:
    parts = [part.partition("=") for part in _SLASHED.split(text)[1:]]
    return [(key, _unescape(value)) for key, _, value in parts]


def _separated(text: str) -> list[tuple[str, str]]:
    parts, at = [], 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise Invalid(
                f"The name cannot be read from {text[at : at + 40]!r} on; write it like "
                "CN=..., O=..., C=VN, with commas inside values escaped."
            )
        quoted = found["quoted"]
        value = _unescape(quoted) if quoted is not None else _plain(found["plain"])
        parts.append((found["key"], value))
        at = found.end()
    return parts


def _plain(value: str) -> str:
    if value.startswith("#"):
        return _encoded(value.strip())
    bare = value.rstrip()
    # An escaped blank at the end belongs to the value (RFC 4514 2.4).
    return _unescape(bare + " " if bare.endswith("\\") and bare != value else bare)


def _unescape(value: str) -> str:
    """Undo escapes; runs of escaped octets are UTF-8."""

    def one(found: re.Match[str]) -> str:
        # An octet takes the place that Python gives to undecoded ones (PEP 383), so that
        # neighbours are decoded together below.
        return found[2] if found[1] is None else bytes.fromhex(found[1]).decode(*_AS_OCTETS)

    try:
        return _ESCAPE.sub(one, value).encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError as error:
        raise Invalid(f"The value {value[:40]!r} is not UTF-8 where octets are escaped.") from error


def _encoded(value: str) -> str:
    """Return the string whose DER stands in hex behind `#` (short lengths are enough for names)."""
    try:
        raw = bytes.fromhex(value[1:])
        encoding = _STRINGS[raw[0]] if raw[1] == len(raw) - 2 else "undefined"
        return raw[2:].decode(encoding)
    except (ValueError, LookupError) as error:
        raise Invalid(
            f"The value {value[:40]!r} is not one encoded string (RFC 4514 2.4)."
        ) from error


def _attribute(key: str, value: str) -> x509.NameAttribute[str]:
    known = key.upper().removeprefix("OID.")
    oid = x509.ObjectIdentifier(_OIDS.get(known, known))
    return x509.NameAttribute(oid, value, _validate=False)
