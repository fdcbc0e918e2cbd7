"""One signature, made and verified, to see whether a key does what its public half says."""

import secrets

from hsm import mechanisms
from hsm.cryptoki import CryptokiError
from hsm.mechanisms import Message, PublicKey
from hsm.place import sign_by
from hsm.session import Session


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
