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
from app.wiring import Works
from core import durable, jws
from core.errors import Conflict, NotFound
from hsm import backup, wrapping
from hsm import ceremony as key_holder
from hsm.keyring import Keyring
from hsm.keys import EcKey

TYP = "antin-key-backup+jws"
_KEY, _WRAPPING = "key", "wrapping key"


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
            described = asdict(key_holder.describe(keyring, _KEY, wrappable=True))
        durable.write(out, content, mode=0o600)
        return self._write_down(
            out,
            what="A key was backed up.",
            key=described,
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
            described = asdict(key_holder.describe(keyring, _KEY))
        return self._write_down(
            file.with_suffix(".restored"),
            what="A key was restored and proven.",
            key=described,
            under=str(keyring.places(_WRAPPING)[0].name),
            input=file.name,
            sha256=hashlib.sha256(content).hexdigest(),
            checks=["it made a signature that verifies under the public half of the backup"],
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


def _free(beside: Path, suffix: str) -> Path:
    """Return the first name beside a file that no earlier transcript has."""
    numbers = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    names = (beside.with_name(f"{beside.name}{number}{suffix}") for number in numbers)
    return next(name for name in names if not name.exists())
