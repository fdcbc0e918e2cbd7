"""The audit trail handed over to another key, made in its token: one after another, in one line.

A crash leaves nothing half done: the same command goes on. Until the configuration names the new
key as `audit`, entries are sealed all the same, and no checkpoint is signed.
"""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app import trail
from app.config import FILE
from app.wiring import AUDIT_FOLDER, FORMER, Works
from core import audit, durable, handover, sealing
from core.errors import Conflict, Invalid, Refused
from core.sealing import Checkpoint
from hsm import ceremony as key_holder
from hsm.mechanisms import KeyKind

ROLE = "audit_next"
PUBLIC = "audit.pub"


def hand_over(works: Works, *, actor: str, wrappable: bool = False) -> Checkpoint:
    """Let the audit key name the key of `audit_next`, and that one sign; return its checkpoint.

    Raises Invalid when the configuration names no next key or takes no `wrappable` one, Conflict
    when it signs already or the trail was tampered with.
    """
    new = _next_key(works, wrappable=wrappable)
    newest = _newest(works)
    if newest is None:
        raise Conflict("There is no checkpoint yet; the trail is handed over after the first one.")
    names = {
        "by": handover.fingerprint(handover.octets(works.audit_key().public_key())),
        "to": handover.fingerprint(handover.octets(new.public_key())),
    }
    if newest.following != handover.octets(new.public_key()):
        _refuse_signing_already(new, newest)
        _write(works, FORMER.format(names["by"]), works.audit_key())
        kept = trail.kept_here(works, trail.line(works, trail.public_key(works)))
        _seal(works, actor, "audit.hand_over", names)
        sealing.hand_over(
            works.db, works.clock.now(), works.audit_key(), new.public_key(), kept=kept
        )
    _seal(works, actor, "audit.take_over", names)
    signed = sealing.checkpoint(works.db, works.clock.now(), new)
    if signed is None:
        raise Conflict("The end of the audit trail was signed at the same moment; try again.")
    trail.keep(works, signed)
    _write(works, PUBLIC, new)
    return signed


def _write(works: Works, name: str, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    folder = works.instance.home / AUDIT_FOLDER
    folder.mkdir(exist_ok=True)
    durable.write(folder / name, pem)


def _newest(works: Works) -> Checkpoint | None:
    with works.db.read() as tx:
        return sealing.newest_checkpoint(tx)


def _next_key(works: Works, *, wrappable: bool = False) -> ec.EllipticCurvePrivateKey:
    if ROLE not in works.instance.config.keys.by_role():
        raise Invalid(
            f"The configuration names no next audit key; add {ROLE} to the table [keys] of {FILE}."
        )
    key = key_holder.key_or_make(works.instance.keyring, ROLE, KeyKind.P_256, wrappable=wrappable)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Invalid("The audit key must be on P-256; name another in the configuration.")
    return key


def _refuse_signing_already(new: ec.EllipticCurvePrivateKey, newest: Checkpoint) -> None:
    try:
        sealing.read_checkpoint(new.public_key(), newest.token)
    except Refused:
        return
    raise Conflict(
        f"The key of {ROLE} signs the audit trail already; name it as audit in the table [keys] of "
        f"{FILE}, and leave {ROLE} out."
    )


def _seal(works: Works, actor: str, act: str, names: dict[str, str]) -> None:
    with works.db.begin() as tx:
        audit.append(tx, at=works.clock.now(), actor=actor, act=act, subject="audit:trail", **names)
    sealing.seal(works.db)
