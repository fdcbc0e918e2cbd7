"""Tampering: what a thief of the whole database could do to the trail is found, each time.

Each kind of tampering is planted twice: in the database with its guards taken off, and in an
export. The database is examined by us, the export by the stand-alone verifier.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from core import audit, chain, proof, sealing
from core.clock import SetClock
from core.database import Database, Tx
from core.sealing import Checkpoint

KEY = ec.generate_private_key(ec.SECP256R1())
THIEF = ec.generate_private_key(ec.SECP256R1())
PROGRAM = Path(__file__).parents[2] / "deploy" / "verify_audit.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_audit", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VERIFIER = _load()


@dataclass(frozen=True)
class Trail:
    """A sealed trail of 12 entries with checkpoints at 6 and 12, and the first one kept outside."""

    db: Database
    kept: Checkpoint
    last: Checkpoint

    def examine(self, *kept: Checkpoint) -> tuple[str, ...]:
        """Return the findings in the database."""
        with self.db.read() as tx:
            return proof.examine(tx, KEY.public_key(), kept=kept).findings

    def export(self) -> list[str]:
        """Return the lines of an export."""
        with self.db.read() as tx:
            return list(proof.export(tx))


@pytest.fixture
def trail(db: Database, clock: SetClock) -> Trail:
    """A sound trail whose database lets a thief do everything."""
    made = []
    for _ in range(2):
        for number in range(6):
            clock.move_to(clock.now() + timedelta(minutes=1))
            with db.begin() as tx:
                audit.append(
                    tx,
                    at=clock.now(),
                    actor="operator:lan",
                    act="certificate.revoke",
                    subject=f"certificate:{number:02X}",
                    because="Thuê bao yêu cầu.",
                )
        sealing.seal(db)
        signed = sealing.checkpoint(db, clock.now(), KEY)
        assert signed is not None
        made.append(signed)
    with db.begin() as tx:
        _take_guards_off(tx)
    return Trail(db, made[0], made[1])


def _take_guards_off(tx: Tx) -> None:
    if tx.dialect.name == "postgresql":
        for table in ("audit_entry", "audit_link", "audit_checkpoint"):
            tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        tx.execute(
            text("ALTER TABLE audit_link DROP CONSTRAINT fk_audit_link_entry_id_audit_entry")
        )
        return
    names = (
        tx.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    )
    for name in names:
        if name.startswith("audit"):
            tx.execute(text(f"DROP TRIGGER {name}"))


def _sql(trail: Trail, *statements: str) -> None:
    with trail.db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN")
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()
    trail.db.dispose()


def _rechain(trail: Trail) -> None:
    """Compute every hash anew, as a thief would who knows how the chain is made."""
    with trail.db.read() as tx:
        entries = {each.id: each for each in audit.entries(tx)}
        rows = tx.execute(text("SELECT position, entry_id FROM audit_link ORDER BY position")).all()
    links = chain.extend(chain.START, [entries[row.entry_id] for row in rows])
    with trail.db.begin() as tx:
        for row, link in zip(rows, links, strict=True):
            tx.execute(
                text("UPDATE audit_link SET hash = :hash WHERE position = :position"),
                {"hash": link.hash, "position": row.position},
            )


_CHANGED = "UPDATE audit_entry SET actor = 'operator:mai' WHERE id = 4"
_CUT = ("DELETE FROM audit_link WHERE position > {n}", "DELETE FROM audit_entry WHERE id > {n}")
_INSERT = (
    "INSERT INTO audit_entry (id, at, actor, act, subject, detail)"
    " SELECT {id}, at, actor, act, subject, detail FROM audit_entry WHERE id = 3"
)


def _forge_checkpoint(trail: Trail, position: int) -> None:
    with trail.db.read() as tx:
        end = tx.execute(
            text("SELECT position, hash FROM audit_link WHERE position = :p"), {"p": position}
        ).one()
    forged = sealing._sign(
        chain.Head(position=end.position, hash=bytes(end.hash)), trail.last.at, THIEF
    )
    with trail.db.begin() as tx:
        tx.execute(text("DELETE FROM audit_checkpoint WHERE position >= :p"), {"p": position})
        tx.execute(
            text("INSERT INTO audit_checkpoint (position, at, token) VALUES (:p, :at, :token)"),
            {"p": position, "at": "2024-03-01 01:00:00+00", "token": forged.token},
        )


def _change(trail: Trail) -> None:
    _sql(trail, _CHANGED)


def _change_instant(trail: Trail) -> None:
    _sql(
        trail, "UPDATE audit_entry SET at = (SELECT at FROM audit_entry WHERE id = 1) WHERE id = 9"
    )


def _change_and_rechain(trail: Trail) -> None:
    _sql(trail, _CHANGED)
    _rechain(trail)


def _remove(trail: Trail) -> None:
    _sql(trail, "DELETE FROM audit_entry WHERE id = 5")


def _remove_with_link(trail: Trail) -> None:
    _sql(
        trail,
        "DELETE FROM audit_link WHERE position = 5",
        "DELETE FROM audit_entry WHERE id = 5",
    )


def _remove_and_close_ranks(trail: Trail) -> None:
    _sql(
        trail,
        "DELETE FROM audit_link WHERE position = 5",
        "DELETE FROM audit_entry WHERE id = 5",
        *(f"UPDATE audit_link SET position = {n - 1} WHERE position = {n}" for n in range(6, 13)),
    )
    _rechain(trail)


def _insert_unsealed(trail: Trail) -> None:
    _sql(trail, _INSERT.format(id=99))


def _insert_between(trail: Trail) -> None:
    _sql(
        trail,
        _INSERT.format(id=99),
        *(
            f"UPDATE audit_link SET position = {n + 1} WHERE position = {n}"
            for n in range(12, 5, -1)
        ),
        "INSERT INTO audit_link (position, entry_id, hash) SELECT 6, 99, hash FROM audit_link"
        " WHERE position = 5",
    )
    _rechain(trail)


def _reorder(trail: Trail) -> None:
    _sql(
        trail,
        "UPDATE audit_link SET entry_id = -1 WHERE position = 3",
        "UPDATE audit_link SET entry_id = 3 WHERE position = 8",
        "UPDATE audit_link SET entry_id = 8 WHERE position = 3",
    )


def _reorder_and_rechain(trail: Trail) -> None:
    _reorder(trail)
    _rechain(trail)


def _swap_contents(trail: Trail) -> None:
    _sql(
        trail,
        "UPDATE audit_entry SET id = -1 WHERE id = 3",
        "UPDATE audit_entry SET id = 3 WHERE id = 4",
        "UPDATE audit_entry SET id = 4 WHERE id = -1",
    )


def _cut_tail(trail: Trail) -> None:
    _sql(trail, *(each.format(n=9) for each in _CUT))


def _cut_tail_and_checkpoint(trail: Trail) -> None:
    cut = [each.format(n=4) for each in _CUT]
    _sql(trail, *cut, "DELETE FROM audit_checkpoint")


def _sign_with_another_key(trail: Trail) -> None:
    _sql(trail, _CHANGED)
    _rechain(trail)
    _sql(trail, "DELETE FROM audit_checkpoint WHERE position = 6")
    _forge_checkpoint(trail, 12)


def _swap_checkpoints(trail: Trail) -> None:
    _sql(
        trail,
        "UPDATE audit_checkpoint SET position = 100 WHERE position = 6",
        "UPDATE audit_checkpoint SET position = 6 WHERE position = 12",
        "UPDATE audit_checkpoint SET position = 12 WHERE position = 100",
    )


_TAMPERINGS: dict[Callable[[Trail], None], str] = {
    _change: "entry 4 at position 4 was changed",
    _change_instant: "entry 9 at position 9 was changed",
    _change_and_rechain: "chain up to position 6 was rewritten",
    _remove: "entry 5 at position 5 was removed",
    _remove_with_link: "position 6 follows position 4",
    _remove_and_close_ranks: "chain up to position 6 was rewritten",
    _insert_unsealed: "entry 99 is neither sealed nor waiting",
    _insert_between: "chain up to position 6 was rewritten",
    _reorder: "at position 3 was changed, moved",
    _reorder_and_rechain: "chain up to position 6 was rewritten",
    _swap_contents: "at position 3 was changed, moved",
    _cut_tail: "The tail is cut off",
    _sign_with_another_key: "checkpoint at position 12 is not to be trusted",
    _swap_checkpoints: "signs position",
}


def test_a_sound_trail_has_no_finding(trail: Trail) -> None:
    """Both verifiers accept the trail as it was written, with the checkpoints kept outside."""
    assert trail.examine(trail.kept, trail.last) == ()
    kept = [trail.kept.token, trail.last.token]
    assert VERIFIER.verify(trail.export(), KEY.public_key(), kept).findings == []


@pytest.mark.parametrize("tamper", _TAMPERINGS, ids=lambda each: each.__name__.strip("_"))
def test_tampering_in_the_database_is_found(trail: Trail, tamper: Callable[[Trail], None]) -> None:
    """Each kind of tampering with the database is found and named."""
    tamper(trail)
    findings = trail.examine()
    assert any(_TAMPERINGS[tamper] in each for each in findings), findings


@pytest.mark.parametrize(
    "tamper",
    [each for each in _TAMPERINGS if each is not _insert_unsealed],
    ids=lambda each: each.__name__.strip("_"),
)
def test_export_of_a_tampered_database_is_found(
    trail: Trail, tamper: Callable[[Trail], None]
) -> None:
    """The stand-alone verifier finds the same kinds in an export made after the tampering."""
    tamper(trail)
    assert VERIFIER.verify(trail.export(), KEY.public_key()).findings


def test_only_a_kept_checkpoint_tells_a_cut_trail(trail: Trail) -> None:
    """A tail that was cut with every trace of it is found by whoever kept a checkpoint."""
    _cut_tail_and_checkpoint(trail)
    assert trail.examine() == ()
    assert any("tail is cut off" in each for each in trail.examine(trail.kept))
    export = trail.export()
    assert VERIFIER.verify(export, KEY.public_key()).findings == []
    (finding,) = VERIFIER.verify(export, KEY.public_key(), [trail.kept.token]).findings
    assert "it was cut" in finding


def _edit(line: str, **changes: Any) -> str:
    found = json.loads(line)
    return json.dumps(found | changes)


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
    assert "position 4 does not give its hash" in found.stdout


def test_the_program_imports_nothing_of_ours() -> None:
    """The verifier's source imports the standard library and cryptography, nothing else."""
    lines = PROGRAM.read_text(encoding="utf-8").splitlines()
    roots = {
        line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))
    }
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}
