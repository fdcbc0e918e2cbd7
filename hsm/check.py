"""Whether the keys of a keyring are there, sound, alike on all their tokens, and sign.

A token that is away, or a key that is missing, is a line of the answer and not an error.
"""

from dataclasses import dataclass, replace

from core.errors import AntinError
from hsm import objects, proof, secret
from hsm.codes import ObjectClass, TokenFlag
from hsm.cryptoki import Token
from hsm.inventory import fingerprint, kind_of, look_at
from hsm.keyring import Keyring
from hsm.mechanisms import PublicKey
from hsm.place import Place
from hsm.session import Session

_WARNINGS = {
    TokenFlag.USER_PIN_LOCKED: "the token's PIN is locked",
    TokenFlag.USER_PIN_FINAL_TRY: "one more wrong PIN locks the token",
    TokenFlag.USER_PIN_COUNT_LOW: "a wrong PIN was entered since the last login",
}


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
    reports: list[PlaceReport] = []
    for role in keyring.roles:
        prints: list[str] = []
        for order, place in enumerate(keyring.places(role), start=1):
            report = _report(keyring, role, order, place)
            if report.fingerprint and prints and report.fingerprint != prints[0]:
                unlike = "it is another key than the one that the role's first URI names"
                report = replace(report, problems=(*report.problems, unlike))
            prints += [report.fingerprint] if report.fingerprint else []
            reports.append(report)
    return reports


def _report(keyring: Keyring, role: str, order: int, place: Place) -> PlaceReport:
    blank = PlaceReport(
        role=role,
        order=order,
        key=str(place.name),
        module=str(place.pool.place.module_path),
        token=place.pool.name,
    )
    try:
        return look_at(place, keyring, lambda session: _look(session, place, blank))
    except AntinError as error:
        return replace(blank, problems=(str(error),))


def _look(session: Session, place: Place, blank: PlaceReport) -> PlaceReport:
    token = session.token
    problems = [] if token is None else [w for flag, w in _WARNINGS.items() if token.flags & flag]
    public: PublicKey | None = None
    kind = "AES"
    if session.module.find(session.handle, place.name.template(ObjectClass.SECRET_KEY)):
        secret.find(session, place.name)
    else:
        found = objects.find_private(session, place.name)
        public, kind = found.public, kind_of(found.public)
        problems += [] if place.imported else objects.findings(found)
        problems += filter(None, [proof.fault(session, found.handle, public)])
    return replace(
        blank,
        device=_device(token),
        kind=kind,
        fingerprint=fingerprint(public),
        problems=tuple(problems),
    )


def _device(token: Token | None) -> str:
    if token is None:
        return ""
    return f"{token.manufacturer} {token.model}, serial {token.serial}, firmware {token.firmware}"
