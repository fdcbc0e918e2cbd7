"""The few error classes of the product; none knows HTTP or the terminal.

    AntinError             every error that we raise on purpose; its text is a full sentence
    ├── Invalid            the input is not what it must be (format, range, unknown name)
    ├── Refused            well-formed, but a rule forbids it; carries machine-readable `code`
    ├── NotFound           the named thing does not exist
    ├── Conflict           it exists already, or changed meanwhile
    └── Unavailable        something we need is away; trying again later may help
        └── SigningUnavailable   no token can sign with the wanted key now

Each edge (CLI, HTTP, OCSP) has one table that translates these classes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Self


class AntinError(Exception):
    """The root of all errors raised on purpose."""


class Invalid(AntinError):  # noqa: N818 - the class is named for what the input is
    """The input is malformed: the sentence names the value, the limit and the mend."""


class Refused(AntinError):  # noqa: N818 - a refusal is an answer, not a fault
    """A rule forbids the act; `code` is a stable machine-readable word for the rule."""

    def __init__(self, sentence: str, *, code: str) -> None:
        """Keep the full `sentence` for people and the `code` for programs."""
        super().__init__(sentence)
        self.code = code

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[Any, ...]]:
        """Be pickled with the code: refusals pass from one process to another."""
        return partial(type(self), code=self.code), self.args


class NotFound(AntinError):  # noqa: N818 - named as HTTP and PKCS#11 name it
    """What was named does not exist."""


class Conflict(AntinError):  # noqa: N818 - named as HTTP names it
    """The present state does not allow it, or another act came first."""


class Unavailable(AntinError):  # noqa: N818 - a state of the world, not a bug
    """Something needed is away; the act had no effect and may be tried again."""


class SigningUnavailable(Unavailable):
    """No configured token can sign with the wanted key now (`CKR_*`, time limit, open breaker)."""
