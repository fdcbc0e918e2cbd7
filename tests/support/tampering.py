"""A sealed trail in a database without guards, and what a thief of it could do."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text

from core import audit, chain, proof, sealing
from core.clock import SetClock
from core.database import Database, Tx
from core.sealing import Checkpoint

KEY = ec.generate_private_key(ec.SECP256R1())
THIEF = ec.generate_private_key(ec.SECP256R1())
AT = datetime(2024, 3, 2, tzinfo=UTC)
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
            return list(proof.export(tx, proof.heading(tx, KEY.public_key())))


def make(db: Database, clock: SetClock) -> Trail:
    """A sound trail whose database lets a thief do everything."""
    made = fill(db, clock)
    with db.begin() as tx:
        take_guards_off(tx)
    return made


def fill(db: Database, clock: SetClock) -> Trail:
    """A sound trail in a guarded database."""
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
    return Trail(db, made[0], made[1])


def take_guards_off(tx: Tx) -> None:
    """What a thief may do: take guards off."""
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


def sql(trail: Trail, *statements: str) -> None:
    """What a thief may do: sql."""
    with trail.db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN")
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()
    trail.db.dispose()


def rechain(trail: Trail) -> None:
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
INSERT = (
    "INSERT INTO audit_entry (id, at, actor, act, subject, detail)"
    " SELECT {id}, at, actor, act, subject, detail FROM audit_entry WHERE id = 3"
)


def forge_checkpoint(trail: Trail, position: int) -> None:
    """What a thief may do: forge checkpoint."""
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


def change(trail: Trail) -> None:
    """What a thief may do: change."""
    sql(trail, _CHANGED)


def change_instant(trail: Trail) -> None:
    """What a thief may do: change instant."""
    sql(trail, "UPDATE audit_entry SET at = (SELECT at FROM audit_entry WHERE id = 1) WHERE id = 9")


def change_and_rechain(trail: Trail) -> None:
    """What a thief may do: change and rechain."""
    sql(trail, _CHANGED)
    rechain(trail)


def remove(trail: Trail) -> None:
    """What a thief may do: remove."""
    sql(trail, "DELETE FROM audit_entry WHERE id = 5")


def remove_with_link(trail: Trail) -> None:
    """What a thief may do: remove with link."""
    sql(
        trail,
        "DELETE FROM audit_link WHERE position = 5",
        "DELETE FROM audit_entry WHERE id = 5",
    )


def remove_and_close_ranks(trail: Trail) -> None:
    """What a thief may do: remove and close ranks."""
    sql(
        trail,
        "DELETE FROM audit_link WHERE position = 5",
        "DELETE FROM audit_entry WHERE id = 5",
        *(f"UPDATE audit_link SET position = {n - 1} WHERE position = {n}" for n in range(6, 13)),
    )
    rechain(trail)


def insert_unsealed(trail: Trail) -> None:
    """What a thief may do: insert unsealed."""
    sql(trail, INSERT.format(id=99))


def insert_between(trail: Trail) -> None:
    """What a thief may do: insert between."""
    sql(
        trail,
        INSERT.format(id=99),
        *(
            f"UPDATE audit_link SET position = {n + 1} WHERE position = {n}"
            for n in range(12, 5, -1)
        ),
        "INSERT INTO audit_link (position, entry_id, hash) SELECT 6, 99, hash FROM audit_link"
        " WHERE position = 5",
    )
    rechain(trail)


def reorder(trail: Trail) -> None:
    """What a thief may do: reorder."""
    sql(
        trail,
        "UPDATE audit_link SET entry_id = -1 WHERE position = 3",
        "UPDATE audit_link SET entry_id = 3 WHERE position = 8",
        "UPDATE audit_link SET entry_id = 8 WHERE position = 3",
    )


def reorder_and_rechain(trail: Trail) -> None:
    """What a thief may do: reorder and rechain."""
    reorder(trail)
    rechain(trail)


def swap_contents(trail: Trail) -> None:
    """What a thief may do: swap contents."""
    sql(
        trail,
        "UPDATE audit_entry SET id = -1 WHERE id = 3",
        "UPDATE audit_entry SET id = 3 WHERE id = 4",
        "UPDATE audit_entry SET id = 4 WHERE id = -1",
    )


def cut_tail(trail: Trail) -> None:
    """What a thief may do: cut tail."""
    sql(trail, *(each.format(n=9) for each in _CUT))


def cut_tail_and_checkpoint(trail: Trail) -> None:
    """What a thief may do: cut tail and checkpoint."""
    cut = [each.format(n=6) for each in _CUT]
    sql(trail, *cut, "DELETE FROM audit_checkpoint WHERE position > 6")


def forget_checkpoints(trail: Trail) -> None:
    """What a thief may do: forget checkpoints."""
    change_and_rechain(trail)
    sql(trail, "DELETE FROM audit_checkpoint")


def sign_with_another_key(trail: Trail) -> None:
    """What a thief may do: sign with another key."""
    sql(trail, _CHANGED)
    rechain(trail)
    sql(trail, "DELETE FROM audit_checkpoint WHERE position = 6")
    forge_checkpoint(trail, 12)


def swap_checkpoints(trail: Trail) -> None:
    """What a thief may do: swap checkpoints."""
    sql(
        trail,
        "UPDATE audit_checkpoint SET position = 100 WHERE position = 6",
        "UPDATE audit_checkpoint SET position = 6 WHERE position = 12",
        "UPDATE audit_checkpoint SET position = 12 WHERE position = 100",
    )


TAMPERINGS: dict[Callable[[Trail], None], str] = {
    change: "entry 4 at position 4 was changed",
    change_instant: "entry 9 at position 9 was changed",
    change_and_rechain: "chain up to position 6 was rewritten",
    remove: "entry 5 at position 5 was removed",
    remove_with_link: "position 6 follows position 4",
    remove_and_close_ranks: "chain up to position 6 was rewritten",
    insert_unsealed: "entry 99 is neither sealed nor waiting",
    insert_between: "chain up to position 6 was rewritten",
    reorder: "at position 3 was changed, moved",
    reorder_and_rechain: "chain up to position 6 was rewritten",
    swap_contents: "at position 3 was changed, moved",
    cut_tail: "The tail is cut off",
    sign_with_another_key: "checkpoint at position 12 is not to be trusted",
    swap_checkpoints: "signs position",
}
