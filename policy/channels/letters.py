"""What is sent, to whom, and how a channel answers: the interface that every channel keeps.

A channel's errors and receipts never name the recipient: they are stored and printed as they are.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from core.errors import AntinError, Unavailable

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+")
_MOBILE = re.compile(r"(?:0|\+?84)([35789][0-9]{8})")
_MOST_EMAIL = 254
_MOST_LINE = 200


class Bounced(AntinError):  # noqa: N818 - named as the trade names it
    """The message will never reach this recipient on this channel."""


class Deferred(Unavailable):
    """The message was not taken now; the same channel may take it later."""


class Away(Unavailable):
    """The channel itself is away or refuses us: no fault of any message, and no try is counted."""

    def __init__(self, sentence: str, *, pause: timedelta = timedelta(minutes=1)) -> None:
        """Keep the full `sentence`, and how long to leave the channel alone."""
        super().__init__(sentence)
        self.pause = pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Where a subscriber can be reached; every value is one line, empty where there is none.

    `by_post` is false for what a letter is no good for: a code that proves a mailbox or a phone.
    """

    name: str
    email: str = ""
    phone: str = ""
    address: str = ""
    province: str = ""
    by_post: bool = True

    def __repr__(self) -> str:
        """Name the class only, so that no traceback or log shows a person."""
        return "Recipient(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A notice ready to be sent; the same notice has the same `key` however often it is sent.

    `languages` are those of `text`, in its order; `short` is for channels of few letters, `dated`
    the local day on which the notice was queued.
    """

    number: int
    kind: str
    key: str
    to: Recipient
    subject: str
    text: str
    short: str
    languages: tuple[str, ...]
    queued_at: datetime
    dated: str

    def __repr__(self) -> str:
        """Name the class and number only: texts are addressed to a person."""
        return f"Message({self.number})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The channel took the message; `arrived` when it says that the recipient has it."""

    reference: str = ""
    arrived: bool = False


class Channel(Protocol):
    """One way to subscribers; opened by its first message, closed when a round is over."""

    @property
    def name(self) -> str:
        """Return the channel's name in configuration and records."""
        ...

    def reaches(self, to: Recipient) -> bool:
        """Whether the recipient has an address of this channel's kind."""
        ...

    def send(self, message: Message) -> Receipt:
        """Send one message; raises Bounced, Deferred or Away."""
        ...

    def close(self) -> None:
        """Give back what is held open."""
        ...


def one_line(text: str) -> str:
    """Return `text` as one printable line: no break, control or direction sign survives."""
    seen = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(seen.split())[:_MOST_LINE]


def mail_address(text: str) -> str:
    """Return the e-mail address in `text` if it is a plain ASCII one, else an empty text."""
    fits = len(text) <= _MOST_EMAIL and _EMAIL.fullmatch(text)
    local = text.partition("@")[0]
    dots = local.startswith(".") or local.endswith(".") or ".." in local
    return text if fits and not dots else ""


def mobile_number(text: str) -> str:
    """Return a Vietnamese mobile number as +84 and nine digits, else an empty text."""
    found = _MOBILE.fullmatch(re.sub(r"[ .\-()]", "", text))
    return f"+84{found[1]}" if found else ""
