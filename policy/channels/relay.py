"""How a mail relay is reached; apart from the channel, so that configuration loads no SMTP."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Security(StrEnum):
    """How the connection is protected; NONE serves a relay on this machine alone."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Where mail is handed in, and as whom; `password` reads the password when it is needed."""

    host: str
    port: int
    sender: str
    security: Security = Security.STARTTLS
    user: str = ""
    password: Callable[[], str] | None = None
    seconds: float = 10.0
    trust: ssl.SSLContext | None = None
