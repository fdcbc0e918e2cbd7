"""Copies of keys between tokens, each act written down as a ceremony is.

The transcript is text for people and a JWS signed by the audit key, where the instance has one. It
says who was present, which key went where, and what was checked; none is ever overwritten.
"""

import hashlib
import itertools
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from app.ceremony import fact_lines
from app.instance import VAULT_FILE
from app.wiring import VAULT_CONTEXT, Works
from core import durable, jws
from core.errors import Conflict, Invalid, NotFound, Refused
from hsm import backup, wrapping
from hsm import ceremony as key_holder
from hsm.ceremony import KeyRecord
from hsm.inventory import AES
from hsm.keyring import Keyring
from hsm.keys import EcKey
from hsm.secret import SecretKey

TYP = "antin-key-backup+jws"
_KEY, _WRAPPING = "key", "wrapping key"
_SIGNED = "it made a signature that verifies under the public half of the backup"
_OPENED = "it opened what the key that was backed up had sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copier:
    """Copies keys over one instance; `operator` acts, before those who are `present`."""

    works: Works
    operator: str
    present: tuple[str, ...] = ()

    def share_wrapping_key(self, source: str, target: str) -> Path:
        """Make an AES key at the URI `source`, bring it to `target`; return the transcript."""
        uris = {"from": [source], "to": [target]}
        with closing(self.works.instance.keyring_of(uris)) as keyring:
            wrapping.share_wrapping_key(keyring, "from", "to")
            places = [keyring.places(role)[0] for role in ("from", "to")]
        return self._write_down(
            self.works.instance.home / "wrapping-key",
            what="A wrapping key was made and shared.",
            keys=[f"{place.name} on the token {place.pool.name!r}" for place in places],
            checks=["it left its first token once, under the second token's RSA key"],
        )

    def back_up(self, key: str, under: str, out: Path) -> Path:
        """Write the key at the URI `key` to `out`, wrapped `under` another; return the transcript.

        Raises Conflict when there is a file `out`, Refused for a key that may not leave.
        """
        if out.exists():
            raise Conflict(f"There is a file {out} already; a backup overwrites nothing.")
        with closing(self._keyring(key, under)) as keyring:
            content = backup.export(keyring, _KEY, _WRAPPING).to_json().encode()
            described = key_holder.describe(keyring, _KEY, wrappable=True)
        durable.write(out, content, mode=0o600)
        return self._write_down(
            out,
            what="A key was backed up.",
            key=asdict(described),
            under=str(keyring.places(_WRAPPING)[0].name),
            output=out.name,
            sha256=hashlib.sha256(content).hexdigest(),
            checks=["wrapped on its token: it never was in the clear outside"],
        )

    def restore(self, file: Path, key: str, under: str) -> Path:
        """Put the key in `file` onto the token that `key` names; return the transcript.

        Raises Conflict when there is a key of that name, Refused when it does not prove itself.
        """
        content = file.read_bytes()
        with closing(self._keyring(key, under)) as keyring:
            backup.restore(keyring, _KEY, _WRAPPING, backup.from_json(content.decode()))
            described = key_holder.describe(keyring, _KEY)
        return self._write_down(
            file.with_suffix(".restored"),
            what="A key was restored and proven.",
            key=asdict(described),
            under=str(keyring.places(_WRAPPING)[0].name),
            input=file.name,
            sha256=hashlib.sha256(content).hexdigest(),
            checks=[_OPENED if described.kind == AES else _SIGNED],
        )

    def move_vault(self, target: str, *, wrappable: bool = False) -> Path:
        """Wrap the vault's data key under the AES key at the URI `target`; return the transcript.

        The key is made if there is none. Raises Conflict when the data key is under it already.
        """
        path = self.works.instance.home / VAULT_FILE
        wrapped = path.read_bytes()
        with closing(self.works.instance.keyring_of({_KEY: [target]})) as keyring:
            made = not key_holder.exists(keyring, _KEY)
            described = _target(keyring, made=made, wrappable=wrappable)
            new = keyring.secret(_KEY)
            if not made and _opens(new, wrapped):
                raise Conflict(
                    f"The vault's data key is wrapped under the key {described.key} on the token "
                    f"{described.token!r} already; name that one in the configuration."
                )
            old = self.works.instance.keyring.secret("vault")
            data_key = old.unwrap(wrapped, VAULT_CONTEXT)
            moved = new.wrap(data_key, VAULT_CONTEXT)
            if new.unwrap(moved, VAULT_CONTEXT) != data_key:
                raise Invalid("The new key does not give back what it wrapped; nothing was moved.")
        durable.write(path, moved, mode=0o600)
        return self._write_down(
            path.with_name("vault-moved"),
            what="The vault's data key was wrapped under another key.",
            key=asdict(described),
            made=made,
            sha256=hashlib.sha256(moved).hexdigest(),
            checks=["the new key opened what it had wrapped, before the file was replaced"],
        )

    def _keyring(self, key: str, under: str) -> Keyring:
        return self.works.instance.keyring_of({_KEY: [key], _WRAPPING: [under]})

    def _write_down(self, beside: Path, **facts: object) -> Path:
        """Write the transcript beside a file; return the signed one, or the text without a key."""
        facts = {
            "at": self.works.clock.now().isoformat(),
            "operator": self.operator,
            "present": list(self.present),
            **facts,
        }
        text = _free(beside, ".txt")
        lines = [
            *fact_lines(facts),
            *(f"Signature of {each}: ____________" for each in self.present),
        ]
        durable.write(text, ("\n".join(lines) + "\n").encode())
        audit = self._audit_key()
        if audit is None:
            return text
        signed = text.with_suffix(".jws")
        durable.write(signed, jws.sign(audit, facts, typ=TYP).encode())
        return signed

    def _audit_key(self) -> EcKey | None:
        try:
            key = self.works.key("audit")
        except NotFound:
            return None
        return key if isinstance(key, EcKey) else None


def _target(keyring: Keyring, *, made: bool, wrappable: bool) -> KeyRecord:
    """Return the key that a vault moves to, which is to be `made` or is there."""
    if wrappable:
        key_holder.require_named_imported(keyring, _KEY)
    if made:
        return key_holder.make_secret(keyring, _KEY, wrappable=wrappable)
    there = key_holder.describe(keyring, _KEY, wrappable=wrappable)
    if wrappable and there.findings:
        raise Refused(
            f"The key {there.key} on the token {there.token!r} is not wrappable as asked "
            f"({'; '.join(there.findings)}); name one that is not there, to be made.",
            code="key_attributes",
        )
    return there


def _opens(key: SecretKey, wrapped: bytes) -> bool:
    try:
        key.unwrap(wrapped, VAULT_CONTEXT)
    except Invalid:
        return False
    return True


def _free(beside: Path, suffix: str) -> Path:
    """Return the first name beside a file that no earlier transcript has."""
    numbers = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    names = (beside.with_name(f"{beside.name}{number}{suffix}") for number in numbers)
    return next(name for name in names if not name.exists())
