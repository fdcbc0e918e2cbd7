"""The script of a key ceremony: a TOML file that says what will be made, and before whom.

Unknown keys are refused. Where there is no [root], the issuing CA is certified by an external root:
the ceremony ends with a request, and `antin ceremony accept` goes on with the certificate.
"""

import tomllib
from dataclasses import dataclass
from typing import Annotated

from cryptography import x509
from cryptography.x509.oid import NameOID
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ca import names
from core.errors import Invalid
from hsm.mechanisms import KeyKind

_LEAST_PRESENT = 2


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Person(_Table):
    """Who is present, and in which trusted role (security officer, witness, ...)."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    role: Annotated[str, Field(min_length=1, max_length=120)]


class Ceremony(_Table):
    """What the ceremony is called, where it is held, before whom."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    place: str = ""
    present: tuple[Person, ...] = Field(min_length=1)


class Subject(_Table):
    """The name of a CA."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "VN"
    organisation: Annotated[str, Field(min_length=1, max_length=64)]
    common_name: Annotated[str, Field(min_length=1, max_length=64)]

    def name(self) -> x509.Name:
        """Return it as an X.509 name."""
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, self.country),
                # 64 characters, whatever their octets (X.520), which the library would count.
                names.attribute(NameOID.ORGANIZATION_NAME, self.organisation),
                names.attribute(NameOID.COMMON_NAME, self.common_name),
            ]
        )


class Authority(_Table):
    """A CA to be made: its key's kind, its name, and for how many years it is certified.

    A `wrappable` key can be backed up to another token (docs/hsm.md).
    """

    key: KeyKind
    wrappable: bool = False
    subject: Subject
    years: Annotated[int, Field(ge=1, le=30)]


class Ocsp(_Table):
    """The key of the OCSP responder."""

    key: KeyKind = KeyKind.P_256
    wrappable: bool = False


class Kept(_Table):
    """A key whose kind is given: of the audit trail and signed statements, or of the vault."""

    wrappable: bool = False


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """A key that the ceremony makes: for which role, of which kind, whether to be backed up.

    One without a `kind` is the AES key of a vault.
    """

    role: str
    kind: KeyKind | None
    wrappable: bool = False

    def __str__(self) -> str:
        """Return it as the steps name it."""
        kind = self.kind or "AES-256"
        return f"the {self.role} key ({kind}{', wrappable' if self.wrappable else ''})"


class Script(_Table):
    """A whole ceremony."""

    ceremony: Ceremony
    root: Authority | None = None
    issuing: Authority
    ocsp: Ocsp = Ocsp()
    audit: Kept = Kept()
    vault: Kept = Kept()

    def made(self) -> list[KeyPlan]:
        """Return the keys that are made, in the order of making."""
        named = (("root", self.root), ("issuing", self.issuing), ("ocsp", self.ocsp))
        plans = [KeyPlan(role, each.key, each.wrappable) for role, each in named if each]
        audit = KeyPlan("audit", KeyKind.P_256, self.audit.wrappable)
        return [*plans, audit, KeyPlan("vault", None, self.vault.wrappable)]

    def steps(self) -> list[str]:
        """Return what the ceremony does, a sentence for each step."""
        made = [f"Make {plan}." for plan in self.made()]
        made.append("Wrap a data key under the vault key.")
        if self.root is None:
            return [*made, "Write the issuing CA's request for the external root."]
        return [
            *made,
            f"Self-sign the root {self.root.subject.common_name!r}.",
            f"Certify the issuing CA {self.issuing.subject.common_name!r} under it.",
            *_LAST_STEPS,
        ]


_LAST_STEPS = (
    "Certify the OCSP responder.",
    "Certify the signer of statements.",
    "Publish the first CRLs.",
)


def parse(text: str) -> Script:
    """Read a script for a ceremony before two people at least; raises Invalid for what is wrong."""
    try:
        script = Script(**tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"The ceremony's script is not TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"The ceremony's script is refused at {key}: {first['msg']}.") from None
    names = {person.name.strip().casefold() for person in script.ceremony.present}
    if len(names) < _LEAST_PRESENT:
        raise Invalid(
            f"The ceremony names {len(names)} present; keys of a CA are made before "
            f"{_LEAST_PRESENT} people at least (dual control)."
        )
    return script
