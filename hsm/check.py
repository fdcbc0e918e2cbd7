"""Whether the keys of a keyring are there, sound, alike on all their tokens, and sign.

A token that is away, or a key that is missing, is a line of the answer and not an error.
"""

from dataclasses import dataclass, replace
from functools import partial

from core.errors import AntinError
from hsm import objects, proof
from hsm.codes import ObjectClass, TokenFlag
from hsm.cryptoki import Token
from hsm.inventory import AES, fingerprint, kind_of, look_at
from hsm.keyring import Keyring
from hsm.mechanisms import PublicKey
from hsm.place import Place
from hsm.session import Session

_WARNINGS = {
    TokenFlag.USER_PIN_LOCKED: "the token's PIN is locked",
    TokenFlag.USER_PIN_FINAL_TRY: "one more wrong PIN locks the token",
    TokenFlag.USER_PIN_COUNT_LOW: "a wrong PIN was entered since the last login",
}


_Known = PublicKey | bytes | None
"""A private key is known by its public half, a secret one by a probe that it sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReport:
    """One URI of one role, looked at: where it leads, and what is wrong there, if anything.

    `order` is 1 for the role's first URI; `device` is what the token says of its maker, model,
    serial and firmware.
    """

    role: str
    order: int
    key: str
    module: str
    token: str
    device: str = ""
    kind: str = ""
    fingerprint: str = ""
    problems: tuple[str, ...] = ()


def check(keyring: Keyring) -> list[PlaceReport]:
    """Return a report on each URI of each role, in the order of the configuration."""
    return [report for role in keyring.roles for report in _role(keyring, role)]


def _role(keyring: Keyring, role: str) -> list[PlaceReport]:
    """Return a report on each URI of one role; all must lead to the same key."""
    reports: list[PlaceReport] = []
    first: _Known = None
    for order, place in enumerate(keyring.places(role), start=1):
        blank = PlaceReport(
            role=role,
            order=order,
            key=str(place.name),
            module=str(place.pool.place.module_path),
            token=place.pool.name,
        )
        look = partial(_look, place=place, blank=blank, first=first)
        try:
            report, known = look_at(place, keyring, look)
        except AntinError as error:
            report, known = replace(blank, problems=(str(error),)), None
        reports.append(report)
        first = first or known
    return reports


def _look(
    session: Session, place: Place, blank: PlaceReport, first: _Known
) -> tuple[PlaceReport, _Known]:
    """Return the report on one place, and what the key there is known by."""
    token, found = session.token, objects.find_key(session, place.name)
    problems = [] if token is None else [w for flag, w in _WARNINGS.items() if token.flags & flag]
    problems += [] if place.imported else objects.findings(found)
    known: _Known = found.public
    if found.kind is ObjectClass.SECRET_KEY:
        known = proof.probe(session, found.handle)
        wrong = proof.secret_fault(session, found.handle, known)
        alike = isinstance(first, bytes) and not proof.secret_fault(session, found.handle, first)
    else:
        wrong = proof.fault(session, found.handle, found.public)
        alike = found.public == first
    problems += [wrong] if wrong else []
    if known and first and not alike:
        problems.append("it is another key than the one that the role's first URI names")
    report = replace(
        blank,
        device=_device(token),
        kind=kind_of(found.public) or AES,
        fingerprint=fingerprint(found.public),
        problems=tuple(problems),
    )
    return report, known


def _device(token: Token | None) -> str:
    if token is None:
        return ""
    return f"{token.manufacturer} {token.model}, serial {token.serial}, firmware {token.firmware}"
