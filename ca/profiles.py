"""Certificate profiles: data that says what each kind of certificate looks like. Pure.

A profile is refused on load when it contradicts itself or RFC 5280, with a sentence that names it.
"""

import tomllib
from enum import StrEnum
from typing import Annotated

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import Invalid, NotFound

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
_KEY_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign",
)  # fmt: skip
_CA_USAGES = frozenset({"key_cert_sign", "crl_sign"})

Oid = Annotated[str, Field(pattern=r"^[0-2](\.(0|[1-9][0-9]*)){1,20}$")]


class Kind(StrEnum):
    """What a profile's certificates are used for."""

    SUBSCRIBER = "subscriber"
    CA = "ca"
    OCSP = "ocsp"


class Profile(BaseModel):
    """One kind of certificate; every field is what the extension of that name will hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    name: str
    kind: Kind
    most_years: Annotated[int, Field(ge=1, le=30)]
    key_usage: tuple[str, ...]
    extended_key_usage: tuple[Oid, ...] = ()
    policies: tuple[Oid, ...] = ()
    cps_uri: str | None = None
    path_length: Annotated[int, Field(ge=0, le=5)] | None = None
    suspendable: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> "Profile":
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
        if self.kind is not Kind.SUBSCRIBER and self.suspendable:
            raise ValueError("only subscribers' certificates are suspendable")
        return self

    def key_usage_extension(self) -> x509.KeyUsage:
        """Return the keyUsage extension of this profile."""
        flags = {usage: usage in self.key_usage for usage in _KEY_USAGES}
        return x509.KeyUsage(**flags, encipher_only=False, decipher_only=False)


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
        except ValidationError as error:
            raise Invalid(f"The profile {name!r} is refused: {_first(error)}.") from error
    return Profiles(profiles)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
