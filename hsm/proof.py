"""Whether a key does what it is said to do: one signature verified, or one probe opened."""

import secrets

from core.errors import Invalid
from hsm import envelope, mechanisms
from hsm.cryptoki import CryptokiError
from hsm.mechanisms import Message, PublicKey
from hsm.place import sign_by
from hsm.session import Session

_PROBE = b"antin proof of a key"
_PROBE_BYTES = 32


def fault(session: Session, handle: int, public: PublicKey | None) -> str:
    """Sign a random text; return what is wrong with that, in words, or nothing."""
    if public is None:
        return "its public half is not on the token"
    scheme = mechanisms.usual_scheme(public)
    text = Message(b"Antin proof of a key " + secrets.token_bytes(32), hashed=False)
    answers: list[str] = []
    for choice in scheme.choices(session.mechanisms):
        try:
            signature = sign_by(session, handle, choice, (scheme, text))
        except CryptokiError as error:
            answers.append(str(error))
            continue
        right = mechanisms.is_right(public, scheme, text, signature)
        return "" if right else "its signatures are not by its public half"
    return f"it does not sign: {'; '.join(answers) or f'no mechanism for {scheme.name}'}"


def probe(session: Session, handle: int) -> bytes:
    """Return random bytes sealed by a secret key: only that key opens them, and says it is it."""
    return envelope.seal(session, handle, secrets.token_bytes(_PROBE_BYTES), _PROBE)


def secret_fault(session: Session, handle: int, sealed: bytes) -> str:
    """Open a probe by a secret key; return what is wrong with that, in words, or nothing."""
    try:
        envelope.unseal(session, handle, sealed, _PROBE)
    except Invalid:
        return "it does not open what the other key sealed"
    except CryptokiError as error:
        return f"it does not decrypt: {error}"
    return ""
