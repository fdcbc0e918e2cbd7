"""E-mail by SMTP (RFC 5321, 3207, 4954): one connection for many messages, closed after a round.

No answer of the server is kept but its codes, for servers like to repeat the address.
"""

import re
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP

from policy.channels.letters import (
    Away,
    Bounced,
    Deferred,
    Message,
    Receipt,
    Recipient,
    mail_address,
    one_line,
)
from policy.channels.limits import within
from policy.channels.relay import Relay, Security

_ENHANCED = re.compile(rb"^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_CLOSING = 421
_PERMANENT = 500


class Mail:
    """Sends notices as plain text in UTF-8."""

    name = "email"

    def __init__(self, relay: Relay) -> None:
        """Hand mail in at `relay`; nothing is connected yet."""
        self._relay = relay
        self._open: smtplib.SMTP | None = None

    def reaches(self, to: Recipient) -> bool:
        """Whether the register has an e-mail address that can be written to."""
        return bool(mail_address(to.email))

    def send(self, message: Message) -> Receipt:
        """Hand in one message; a connection that was closed while it was idle is opened again."""
        mail = letter(message, self._relay.sender)
        to = mail_address(message.to.email)
        idle = self._open is not None
        try:
            self._hand_in(mail, to)
        except OSError:
            self._drop()
            if not idle:
                raise Away(self._sentence("closed the connection")) from None
            try:
                self._hand_in(mail, to)
            except OSError:
                self._drop()
                raise Away(self._sentence("closed the connection")) from None
        return Receipt(reference=str(mail["Message-ID"]))

    def close(self) -> None:
        """Take leave of the server."""
        opened, self._open = self._open, None
        if opened is not None:
            try:
                with within(self._relay.seconds, opened):
                    opened.quit()
            except OSError:
                opened.close()

    def _hand_in(self, mail: EmailMessage, to: str) -> None:
        connection = self._connection()
        try:
            with within(self._relay.seconds, connection):
                connection.sendmail(self._relay.sender, [to], mail.as_bytes())
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise self._refused(code, text) from None
        except smtplib.SMTPSenderRefused as error:
            raise Away(self._sentence("refuses our sender", error.smtp_code)) from None
        except smtplib.SMTPResponseException as error:
            raise self._refused(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPNotSupportedError:
            raise Bounced(self._sentence("cannot carry this message")) from None

    def _refused(self, code: int, text: bytes | str) -> Bounced | Deferred | Away:
        raw = text.encode("ascii", "replace") if isinstance(text, str) else text
        enhanced = _ENHANCED.match(raw)
        detail = f"{code} {enhanced[1].decode()}" if enhanced else str(code)
        if code == _CLOSING:
            self._drop()
            return Away(self._sentence("closes the service", detail))
        if code >= _PERMANENT:
            return Bounced(self._sentence("refused the message", detail))
        return Deferred(self._sentence("put the message off", detail))

    def _connection(self) -> smtplib.SMTP:
        if self._open is None:
            self._open = self._connect()
        return self._open

    def _connect(self) -> smtplib.SMTP:
        relay = self._relay
        trust = relay.trust or ssl.create_default_context()
        here = relay.sender.rpartition("@")[2]
        opened: smtplib.SMTP | None = None
        try:
            if relay.security is Security.TLS:
                opened = smtplib.SMTP_SSL(local_hostname=here, timeout=relay.seconds, context=trust)
            else:
                opened = smtplib.SMTP(local_hostname=here, timeout=relay.seconds)
            # What SNI and the check of the name use; the constructor would connect without limit.
            vars(opened)["_host"] = relay.host
            with within(relay.seconds, opened):
                self._enter(opened, trust)
        except Away:  # the password is not to be had
            self._abandon(opened)
            raise
        except UnicodeEncodeError:
            self._abandon(opened)
            raise Away(self._sentence("takes ASCII passwords only, and ours is not")) from None
        except smtplib.SMTPAuthenticationError as error:
            self._abandon(opened)
            raise Away(self._sentence("refuses our login", error.smtp_code)) from None
        except smtplib.SMTPResponseException as error:
            self._abandon(opened)
            raise Away(self._sentence("does not serve us", error.smtp_code)) from None
        except ssl.SSLError as error:
            self._abandon(opened)
            raise Away(self._sentence("is not trusted", error.reason or "TLS")) from None
        except OSError as error:  # smtplib's own errors among them
            self._abandon(opened)
            kind = error.strerror or type(error).__name__
            raise Away(self._sentence("cannot be reached", kind)) from None
        return opened

    def _enter(self, opened: smtplib.SMTP, trust: ssl.SSLContext) -> None:
        relay = self._relay
        code, text = opened.connect(relay.host, relay.port)
        if code != 220:  # noqa: PLR2004 - RFC 5321, 4.2: the service is ready
            raise smtplib.SMTPConnectError(code, text)
        if relay.security is Security.STARTTLS:
            opened.starttls(context=trust)
        if relay.password is not None:
            opened.login(relay.user, relay.password())

    def _drop(self) -> None:
        self._abandon(self._open)
        self._open = None

    @staticmethod
    def _abandon(opened: smtplib.SMTP | None) -> None:
        if opened is not None:
            opened.close()

    def _sentence(self, what: str, detail: object = "") -> str:
        tail = f": {detail}" if detail else ""
        return f"The mail server {self._relay.host}:{self._relay.port} {what}{tail}."


def letter(message: Message, sender: str) -> EmailMessage:
    """Return the notice as a mail; the same notice is the same mail, however often it is sent."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = mail_address(message.to.email)
    mail["Subject"] = one_line(message.subject)
    mail["Date"] = message.queued_at
    mail["Message-ID"] = f"<{message.key}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, charset="utf-8", cte="base64")
    mail["Content-Language"] = ", ".join(message.languages)
    return mail
