"""The stand-alone verifier: it finds in an export what was done to the database, or to the file."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core import chain, sealing
from core.clock import SetClock
from core.database import Database
from tests.support import tampering
from tests.support.tampering import AT, KEY, PROGRAM, TAMPERINGS, THIEF, VERIFIER, Trail


@pytest.fixture
def trail(db: Database, clock: SetClock) -> Trail:
    """A sound trail whose database lets a thief do everything."""
    return tampering.make(db, clock)


@pytest.mark.parametrize(
    "tamper",
    [each for each in TAMPERINGS if each is not tampering.insert_unsealed],
    ids=lambda each: each.__name__.strip("_"),
)
def test_export_of_a_tampered_database_is_found(
    trail: Trail, tamper: Callable[[Trail], None]
) -> None:
    """The stand-alone verifier finds the same kinds in an export made after the tampering."""
    tamper(trail)
    assert VERIFIER.verify(trail.export(), KEY.public_key()).findings


def _edit(line: str, **changes: Any) -> str:
    found = json.loads(line)
    return json.dumps(found | changes)


def _rechain_export(lines: list[str]) -> list[str]:
    """Change an entry and compute every hash of the file anew."""
    previous, made = bytes(32), []
    for each in _EXPORTS["changed"](lines):
        line = json.loads(each)
        if "entry" in line:
            plain = json.dumps(
                line["entry"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
            )
            previous = hashlib.sha256(previous + plain.encode()).digest()
            line["hash"] = previous.hex()
        made.append(json.dumps(line))
    return [_edit(made[0], head=previous.hex()), *made[1:]]


def _forge_export(lines: list[str]) -> list[str]:
    """Change an entry, compute every hash anew, and sign them with the thief's key."""
    made = []
    for each in _rechain_export(lines):
        line = json.loads(each)
        if "entry" in line:
            end = chain.Head(position=line["position"], hash=bytes.fromhex(line["hash"]))
        if each.startswith('{"checkpoint"'):
            line["checkpoint"] = sealing._sign(end, SetClock(AT).now(), THIEF).token
        made.append(json.dumps(line))
    forged = [each for each in made if each.startswith('{"checkpoint"')][-1]
    return [_edit(made[0], checkpoint=json.loads(forged)["checkpoint"]), *made[1:]]


_EXPORTS: dict[str, Callable[[list[str]], list[str]]] = {
    "changed": lambda lines: [
        each.replace("operator:lan", "operator:mai") if '"position":4}' in each else each
        for each in lines
    ],
    "removed": lambda lines: lines[:5] + lines[6:],
    "inserted": lambda lines: lines[:5] + lines[4:],
    "reordered": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "tail truncated": lambda lines: lines[:-4],
    "tail truncated with a new end": lambda lines: [*lines[:-4], '{"end":11}'],
    "end removed": lambda lines: lines[:-1],
    "head removed": lambda lines: lines[1:],
    "more behind the end": lambda lines: [*lines, lines[4]],
    "checkpoint altered": lambda lines: [
        _edit(each, checkpoint=each[16:-10] + "AAAAAAAA")
        if each.startswith('{"checkpoint"')
        else each
        for each in lines
    ],
    "hash altered": lambda lines: [*lines[:3], _edit(lines[3], hash="00" * 32), *lines[4:]],
    "checkpoint swapped": lambda lines: [
        lines[0],
        *lines[1:7],
        *[each for each in lines if each.startswith('{"checkpoint"')][::-1][:1],
        *lines[8:],
    ],
    "checkpoints removed": lambda lines: [
        _edit(lines[0], checkpoint=None),
        *[each for each in lines[1:] if not each.startswith('{"checkpoint"')],
    ],
    "rechained without the key": _rechain_export,
    "checkpoint forged": _forge_export,
    "no JSON": lambda lines: [*lines[:3], "x" + lines[3], *lines[4:]],
    "field added": lambda lines: [
        *lines[:3],
        _edit(lines[3], entry=json.loads(lines[3])["entry"] | {"x": 1}),
        *lines[4:],
    ],
}


@pytest.mark.parametrize("name", _EXPORTS)
def test_tampering_with_an_export_is_found(trail: Trail, name: str) -> None:
    """The stand-alone verifier finds each kind of tampering with a file it is given."""
    assert VERIFIER.verify(_EXPORTS[name](trail.export()), KEY.public_key()).findings


_SOUND = "The trail of 12 entries is sound.\nA checkpoint signs the first 12 of them.\n"


def test_the_program_stands_alone(trail: Trail, tmp_path: Path) -> None:
    """The verifier runs as a program of its own, away from our packages, and says its verdict."""
    export, key, kept = (tmp_path / name for name in ("trail.jsonl", "audit.pem", "kept.jws"))
    export.write_text("\n".join(trail.export()), encoding="utf-8")
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key.write_bytes(pem)
    kept.write_text(trail.kept.token)
    command = [sys.executable, *map(str, (PROGRAM, export, "--key", key, "--kept", kept))]
    sound = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert (sound.returncode, sound.stdout) == (0, _SOUND)
    export.write_text("\n".join(_EXPORTS["changed"](trail.export())), encoding="utf-8")
    found = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert found.returncode == 1
    fingerprints = [_fingerprint(KEY), _fingerprint(THIEF)]
    export.write_text("\n".join(trail.export()), encoding="utf-8")
    codes = [
        subprocess.run(
            [sys.executable, PROGRAM, export, "--fingerprint", each],
            check=False,
            capture_output=True,
        ).returncode
        for each in fingerprints
    ]
    assert codes == [0, 1]
    assert "position 4 does not give its hash" in found.stdout


def _fingerprint(key: ec.EllipticCurvePrivateKey) -> str:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def test_the_program_imports_nothing_of_ours() -> None:
    """The verifier's source imports the standard library and cryptography, nothing else."""
    lines = PROGRAM.read_text(encoding="utf-8").splitlines()
    roots = {
        line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))
    }
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}
