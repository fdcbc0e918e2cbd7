"""Certificate profiles: data that says what each kind of certificate looks like. Pure.

A profile is refused on load when it contradicts itself or RFC 5280, with a sentence that names it.
"""

import tomllib
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from functools import cache
from typing import Annotated, Literal

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import Invalid, NotFound

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
_KEY_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign",
)  # fmt: skip
_CA_USAGES = frozenset({"key_cert_sign", "crl_sign"})
_BEYOND_EC = frozenset({"key_encipherment", "data_encipherment"})
_BEYOND = {"rsa": frozenset({"key_agreement"}), "Ed25519": _BEYOND_EC | {"key_agreement"}}
_ZONE = timezone(timedelta(hours=7))  # Asia/Ho_Chi_Minh; regimes begin on civil days there

Oid = Annotated[str, Field(pattern=r"^[0-2](\.(0|[1-9][0-9]*)){1,20}$")]
Address = Annotated[str, Field(pattern=r"^http://[^/?#\s]+/\S+$")]
"""A plain http address (RFC 5280 4.2.1.13, 4.2.2.1); `{issuer}` stands for the short name."""


class Kind(StrEnum):
    """What a profile's certificates are used for."""

    SUBSCRIBER = "subscriber"
    CA = "ca"
    OCSP = "ocsp"
    STATEMENT = "statement"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Cap(_Table):
    """From the civil day `since` on, no certificate is valid for more than `years`."""

    since: date
    years: Annotated[int, Field(ge=1, le=30)]


class Profile(_Table):
    """One kind of certificate; every field is what the extension of that name will hold.

    `most_years` is cut by each of the `caps` that is in force on the first day of validity. `keys`
    are the kinds of key that are certified. `signature` is how an RSA issuer signs. `crl` names
    the full CRL or the certificate's partition; with `freshest_crl` the delta is named too. The
    addresses come from the instance unless the profile has its own.
    """

    name: str
    kind: Kind
    most_years: Annotated[int, Field(ge=1, le=30)]
    caps: tuple[Cap, ...] = ()
    key_usage: tuple[str, ...]
    extended_key_usage: tuple[Oid, ...] = ()
    policies: tuple[Oid, ...] = ()
    cps_uri: Annotated[str, Field(pattern=r"^https?://[\x21-\x7e]+$", max_length=200)] | None = None
    path_length: Annotated[int, Field(ge=0, le=5)] | None = None
    suspendable: bool = False
    keys: tuple[Literal["rsa", "P-256", "P-384", "P-521", "Ed25519"], ...] = (
        "rsa",
        "P-256",
        "P-384",
    )
    signature: Literal["pkcs1v15", "pss"] = "pkcs1v15"
    crl: Literal["full", "partition"] = "full"
    freshest_crl: bool = False
    crl_url: Address | None = None
    ocsp_url: Address | None = None
    issuer_url: Address | None = None

    @model_validator(mode="after")
    def _usage_fits(self) -> "Profile":
        unknown = set(self.key_usage) - set(_KEY_USAGES)
        if unknown or not self.key_usage:
            raise ValueError(f"key_usage names {sorted(unknown)}; known are {list(_KEY_USAGES)}")
        if self.kind is Kind.CA and not _CA_USAGES.issubset(self.key_usage):
            raise ValueError("a CA needs key_cert_sign and crl_sign (RFC 5280 4.2.1.3)")
        if self.kind is not Kind.CA and (_CA_USAGES & set(self.key_usage) or self.path_length):
            raise ValueError("only a CA may sign certificates or CRLs or have a path_length")
        if (OCSP_SIGNING in self.extended_key_usage) != (self.kind is Kind.OCSP):
            raise ValueError(
                "OCSPSigning belongs to the ocsp kind, and to no other (RFC 6960 4.2.2.2)"
            )
        for key in self.keys:
            if not _usages_of(key, self.key_usage):
                raise ValueError(f"key_usage names nothing that a {key} key can do")
        return self

    @model_validator(mode="after")
    def _rest_fits(self) -> "Profile":
        if self.kind is not Kind.SUBSCRIBER and self.suspendable:
            raise ValueError("only subscribers' certificates are suspendable")
        for field in ("key_usage", "extended_key_usage", "policies", "keys"):
            values = getattr(self, field)
            if len(set(values)) != len(values):
                raise ValueError(f"{field} names something twice (RFC 5280 4.2.1.4)")
        if not self.keys:
            raise ValueError("keys is empty; name at least one kind of key")
        if self.cps_uri and not self.policies:
            raise ValueError("cps_uri qualifies a policy; name one in policies (RFC 5280 4.2.1.4)")
        if self.kind is Kind.OCSP and (self.freshest_crl or self.crl == "partition"):
            raise ValueError("a responder's certificate points at no CRL (RFC 6960 4.2.2.2.1)")
        for field in ("crl_url", "issuer_url"):
            address = getattr(self, field)
            if address is not None and "{issuer}" not in address:
                raise ValueError(f"{field} has no {{issuer}}; every issuer has its own address")
        if self.crl_url and (self.freshest_crl or self.crl == "partition"):
            raise ValueError("crl_url is of a full CRL; partitions and deltas are the instance's")
        return self

    def years_at(self, start: datetime) -> int:
        """Return for how many years a certificate may be valid that begins at `start`."""
        day = start.astimezone(_ZONE).date()
        return min([self.most_years, *(cap.years for cap in self.caps if cap.since <= day)])

    def last_end(self, start: datetime) -> datetime:
        """Return the last second in which a certificate that begins at `start` may be valid.

        Both ends count (RFC 5280 4.1.2.5): a year from 08:00:00 ends at 07:59:59.
        """
        return years_later(start, self.years_at(start)) - timedelta(seconds=1)

    def key_usage_extension(self, key: str) -> x509.KeyUsage:
        """Return the keyUsage extension for a kind of `key`: rsa, P-256, Ed25519...

        What such a key cannot do is left out (RFC 5480 3, RFC 8410 5).
        """
        return _key_usage(_usages_of(key, self.key_usage))


class Profiles:
    """The profiles of one instance, by name."""

    def __init__(self, profiles: dict[str, Profile]) -> None:
        """Hold profiles that were checked already."""
        self._profiles = dict(profiles)

    def __getitem__(self, name: str) -> Profile:
        """Return the profile `name`; raises NotFound with the names there are."""
        try:
            return self._profiles[name]
        except KeyError:
            raise NotFound(
                f"There is no certificate profile named {name!r}; there are "
                f"{', '.join(sorted(self._profiles))}."
            ) from None

    def __or__(self, other: "Profiles") -> "Profiles":
        """Return these profiles with those of `other` added, or in the place of their namesakes."""
        return Profiles(self._profiles | other._profiles)

    def names(self) -> list[str]:
        """Return the names of all profiles, sorted."""
        return sorted(self._profiles)


def load(text: str) -> Profiles:
    """Read profiles from TOML text; raises Invalid with a sentence for the first thing wrong."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"The profiles are not TOML: {error}.") from error
    profiles = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise Invalid(f"The profiles hold {name!r} outside of a table; write [{name}].")
        try:
            profiles[name] = Profile(name=name, **table)
        except (ValidationError, TypeError) as error:
            raise Invalid(f"The profile {name!r} is refused: {_first(error)}.") from error
    return Profiles(profiles)


def _usages_of(key: str, usages: tuple[str, ...]) -> tuple[str, ...]:
    beyond = _BEYOND.get(key, _BEYOND_EC)
    return tuple(each for each in usages if each not in beyond)


@cache
def _key_usage(usages: tuple[str, ...]) -> x509.KeyUsage:
    flags = {usage: usage in usages for usage in _KEY_USAGES}
    return x509.KeyUsage(**flags, encipher_only=False, decipher_only=False)


def years_later(start: datetime, years: int) -> datetime:
    """Return the same instant of a later year; 29 February becomes the 28th."""
    try:
        return start.replace(year=start.year + years)
    except ValueError:
        return start.replace(year=start.year + years, day=28)


def _first(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return "name is the table's own name and is not repeated inside"
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
