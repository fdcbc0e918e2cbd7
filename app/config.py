"""The instance's configuration: one TOML file in its home folder, checked when it is read.

A configuration holds no secret: keys are named by PKCS#11 URIs (RFC 7512), whose pin-source says
where the PIN is read from. Unknown keys are refused.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import Invalid, NotFound
from crl.model import MOST_PARTITIONS, Kind
from ocsp.model import Expired, NeverIssued, Pending, RequestSignature, WithoutNonce
from policy.channels.letters import mail_address
from policy.channels.relay import Security

FILE = "antin.toml"

_MOST_PORT = 65535


def _has_port(address: str) -> str:
    if int(address.rpartition(":")[2]) > _MOST_PORT:
        raise ValueError(f"a port is at most {_MOST_PORT}")
    return address


def _here(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"}


def _mail_address(text: str) -> str:
    if not mail_address(text):
        raise ValueError("it is no plain e-mail address")
    return text


Address = Annotated[
    str, Field(pattern=r"^[0-9a-zA-Z.\-\[\]:]+:[0-9]{1,5}$"), AfterValidator(_has_port)
]


ShortName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,59}$")]


ROOT = "root"
"""The name of the root, and the role of its key."""


def issuer_role(name: str) -> str:
    """Return the role of the key of a further issuer, such as one that was taken over."""
    return f"issuer {name}"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Database(_Table):
    """Where the database is; a relative sqlite path lies in the home folder."""

    url: Annotated[str, Field(pattern=r"^(sqlite:///|postgresql\+psycopg://).")]


class Keys(_Table):
    """The PKCS#11 URIs of the key of each role; several URIs are copies on several tokens.

    `issuers` are further issuers by their short names, such as those that were taken over;
    `audit_next` is the key that the audit trail is to be handed over to.
    """

    root: tuple[str, ...] = ()
    issuing: tuple[str, ...]
    ocsp: tuple[str, ...]
    vault: tuple[str, ...]
    audit: tuple[str, ...] = ()
    audit_next: tuple[str, ...] = ()
    issuers: dict[ShortName, tuple[str, ...]] = {}

    def by_role(self) -> dict[str, tuple[str, ...]]:
        """Return the URIs of every role that has a key here; further issuers by their names."""
        roles = self.model_dump(exclude={"issuers"})
        roles |= {issuer_role(name): uris for name, uris in self.issuers.items()}
        return {role: uris for role, uris in roles.items() if uris}


class Softhsm(_Table):
    """The folder of the embedded SoftHSM, relative to home; leave the table out for a real HSM."""

    folder: str


class Hsm(_Table):
    """What each process asks of its tokens.

    `seconds` is the time limit of one act (a signature and its tries on every token), `sessions`
    how many sessions a process opens with each token.
    """

    seconds: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    sessions: Annotated[int, Field(ge=1, le=64)] = 8


class Listen(_Table):
    """The addresses (host:port) that the processes listen on; `metrics` is the responder's own."""

    responder: Address = "127.0.0.1:8080"
    portal: Address = "127.0.0.1:8081"
    internal: Address = "127.0.0.1:8082"
    metrics: Address | None = None


class Urls(_Table):
    """The base address that the world uses for status, written into certificates; plain http."""

    responder: Annotated[str, Field(pattern=r"^http://[^/?#]+(/[^/?#]+)*$")]


class Bucket(_Table):
    """An S3-compatible bucket that shows CRLs too; credentials come from the AWS_ variables."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]$")]
    region: Annotated[str, Field(pattern=r"^[a-z0-9\-]{1,40}$")] = "us-east-1"
    endpoint: Annotated[str, Field(pattern=r"^https?://[^/?#]+$")] | None = None


class Crl(_Table):
    """How CRLs are made and where they go; docs/crl.md explains every key.

    One is valid for `valid_hours`, and a new one is made every `every_hours`, or once changes have
    settled for `settle_seconds`.
    """

    valid_hours: Annotated[int, Field(ge=1, le=240)] = 48
    every_hours: Annotated[int, Field(ge=1, le=24)] = 12
    settle_seconds: Annotated[int, Field(ge=0, le=55)] = 30
    keep_expired: bool = False
    deltas: bool = False
    partitions: Annotated[int, Field(ge=0, le=MOST_PARTITIONS)] = 0
    on_change: Kind = Kind.FULL
    retention_days: Annotated[int, Field(ge=30)] | None = None
    bucket: Bucket | None = None

    @model_validator(mode="after")
    def _overlap(self) -> Self:
        if self.valid_hours <= self.every_hours:
            raise ValueError(
                f"a CRL that is valid for {self.valid_hours} h runs out before the next one, made "
                f"every {self.every_hours} h"
            )
        if self.on_change is Kind.DELTA and not self.deltas:
            raise ValueError("changes cannot be published as deltas while deltas are off")
        return self


class Ocsp(_Table):
    """How OCSP is answered; docs/ocsp.md explains every key.

    An answer is valid for `valid_hours` (8 to 240), the responder certificate for
    `certificate_days`.
    """

    valid_hours: Annotated[int, Field(ge=8, le=240)] = 24
    certificate_days: Annotated[int, Field(ge=2, le=365)] = 30
    cache_seconds: Annotated[int, Field(ge=10)] = 300
    responder_id: Literal["key", "name"] = "key"
    never_issued: NeverIssued = NeverIssued.UNKNOWN
    pending: Pending = Pending.NEVER_ISSUED
    expired: Expired = Expired.ANSWER
    archive_cutoff: bool = False
    request_signature: RequestSignature = RequestSignature.IGNORED
    without_nonce: WithoutNonce = WithoutNonce.LEAVE_OUT
    reserve_minutes: Annotated[int, Field(ge=0)] = 15
    most_known: Annotated[int, Field(ge=1)] = 100_000
    most_signing: Annotated[int, Field(ge=1)] = 8
    most_cert_ids: Annotated[int, Field(ge=1)] = 50


class Audit(_Table):
    """When the audit trail's end is signed: after so many entries, or so long after the last."""

    checkpoint_entries: Annotated[int, Field(ge=1)] = 1_000
    checkpoint_minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 60


Secret = Annotated[str, Field(pattern=r"^(file|env|credential):.+$")]
"""Where a password is read from at the moment of its use; the configuration never holds one."""

Seconds = Annotated[float, Field(ge=1, le=60)]


class Email(_Table):
    """The mail relay that notices are handed to, and as whom."""

    host: Annotated[str, Field(pattern=r"^[0-9a-zA-Z.\-]{1,253}$")]
    port: Annotated[int, Field(ge=1, le=_MOST_PORT)] = 587
    security: Security = Security.STARTTLS
    sender: Annotated[str, AfterValidator(_mail_address)]
    user: str = ""
    password: Secret | None = None
    seconds: Seconds = 10.0

    @model_validator(mode="after")
    def _protected(self) -> Self:
        if (self.password is None) != (not self.user):
            raise ValueError("user and password belong together")
        if self.security is Security.NONE and not _here(self.host):
            raise ValueError("without TLS a relay must be on this machine")
        return self


class Provider(_Table):
    """A gateway for short messages; https, or http on this machine."""

    url: Annotated[str, Field(pattern=r"^https?://[^/?#@]+(/[^#]*)?$")]
    token: Secret | None = None
    seconds: Seconds = 10.0

    @model_validator(mode="after")
    def _protected(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not _here(parts.hostname or ""):
            raise ValueError("without TLS a gateway must be on this machine")
        return self


class Letters(_Table):
    """The folder that letters are laid into as PDF, relative to home, and their font."""

    folder: str = "letters"
    font: str = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


class Notices(_Table):
    """How subscribers are told; docs/notices.md explains every key.

    `order` names the channels in the order in which they are tried.
    """

    authority: Annotated[str, Field(min_length=1, max_length=120)] = "Antin"
    site: Annotated[str, Field(pattern=r"^https?://[^?#]+$")] | None = None
    order: tuple[Literal["email", "zalo", "sms", "letter", "folder"], ...] = ("folder",)
    tries: Annotated[int, Field(ge=1, le=20)] = 6
    give_up_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 24
    renewal_days: tuple[Annotated[int, Field(ge=1, le=365)], ...] = (30, 14, 3)
    email: Email | None = None
    zalo: Provider | None = None
    sms: Provider | None = None
    letter: Letters = Letters()

    @model_validator(mode="after")
    def _configured(self) -> Self:
        if not self.order or len(set(self.order)) < len(self.order):
            raise ValueError("order names at least one channel, and each of them once")
        for name in ("email", "zalo", "sms"):
            if (name in self.order) != (getattr(self, name) is not None):
                raise ValueError(f"order and the table notices.{name} go together")
        return self


class Documents(_Table):
    """Who has the role to read scans, by their names as operators; without any, nobody."""

    readers: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = ()


class Config(_Table):
    """Everything that an instance is told."""

    database: Database
    keys: Keys
    softhsm: Softhsm | None = None
    hsm: Hsm = Hsm()
    urls: Urls
    issuer: ShortName = "issuing"
    listen: Listen = Listen()
    crl: Crl = Crl()
    ocsp: Ocsp = Ocsp()
    audit: Audit = Audit()
    notices: Notices = Notices()
    documents: Documents = Documents()


def read(home: Path) -> Config:
    """Read the configuration in `home`; raises NotFound or Invalid with a sentence."""
    path = home / FILE
    if not path.exists():
        raise NotFound(
            f"There is no instance in {home}: {path} is missing. Run `antin init` first."
        )
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise Invalid(f"The configuration {path} is not UTF-8 text.") from error


def parse(text: str, where: str) -> Config:
    """Check configuration text; `where` names it in sentences; raises Invalid."""
    try:
        return Config(**tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"The configuration {where} is not TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]  # the value may be a password
        key = ".".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        raise Invalid(f"The configuration {where} is refused at {key}: {why}.") from None
