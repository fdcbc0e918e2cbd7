"""A real mail server on the loopback, which keeps what it takes and can be told to refuse."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PASSWORD = "mat khau cua hop thu"


@dataclass
class Mailroom:
    """What a server got; `refuse` holds its answer to a command, `hang_up` closes after each."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    sessions: set[Any] = field(default_factory=set)
    refuse: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender, or not."""
        self.sessions.add(session.peer)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.refuse.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the recipient, or not."""
        answer = self.refuse.get("RCPT", "250 OK").replace("ADDRESS", address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the mail."""
        answer = self.refuse.get("DATA", "250 OK")
        if answer.startswith("250"):
            parser = BytesParser(EmailMessage, policy=policy.SMTP)
            self.mails.append(parser.parsebytes(bytes(envelope.original_content or b"")))
            self.recipients.extend(envelope.rcpt_tos)
        if self.hang_up:
            server.transport.close()  # type: ignore[union-attr] # it is open
        return answer


def _authenticate(_s: SMTP, _e: Session, _v: Envelope, _m: str, data: LoginPassword) -> AuthResult:
    good = (data.login, data.password) == (b"antin", PASSWORD.encode())
    return AuthResult(success=good, handled=good)


class _Bound(Controller):
    """A controller whose socket is bound already, so that its port is known and nobody else's."""

    def __init__(self, room: Mailroom, bound: socket.socket, **options: Any) -> None:
        self._bound = bound
        self._made: list[SMTP] = []
        super().__init__(room, hostname="127.0.0.1", port=bound.getsockname()[1], **options)

    def _create_server(self) -> Any:
        return self.loop.create_server(
            self._factory_invoker, sock=self._bound, ssl=self.ssl_context
        )

    def factory(self) -> SMTP:
        """Make the server of one connection."""
        self._made.append(super().factory())
        return self._made[-1]

    def hang_up(self) -> None:
        """Close the connections that are still open: their clients may have gone without a word."""

        async def close() -> None:
            for each in self._made:
                if isinstance(each.transport, asyncio.WriteTransport):
                    each.transport.abort()
            for _ in range(10):  # a transport is closed a few turns of the loop later
                await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(close(), self.loop).result()


@contextmanager
def mailroom(**options: Any) -> Iterator[Mailroom]:
    """Run a server for the length of a block, on a free port of 127.0.0.1."""
    room = Mailroom()
    controller = _Bound(room, socket.create_server(("127.0.0.1", 0)), **options)
    room.port = controller.port
    controller.start()
    try:
        yield room
    finally:
        controller.hang_up()
        controller.stop()


def with_login(**options: Any) -> dict[str, Any]:
    """Return the options of a server that asks for a password."""
    return {"authenticator": _authenticate, "auth_required": True, **options}


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's and a client's TLS context that fit together, for one address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "mail.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(secret + built.public_bytes(Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cafile=str(pem))
    return server, client
