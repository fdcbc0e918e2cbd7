"""The audit trail of an instance: sealed by the worker, examined, exported to a file.

The newest checkpoint is kept beside the database as well (`audit/checkpoint.jws`): who has power
over the database alone cannot cut the trail unseen. A copy of that file elsewhere tells it also of
who has power over the whole machine.
"""

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.wiring import AUDIT_FOLDER, Works
from core import durable, handover, proof, sealing
from core.database import Tx
from core.errors import AntinError, Conflict, Invalid
from core.handover import Keys
from core.proof import Progress, Report
from core.sealing import Checkpoint

KEPT = "checkpoint.jws"
PART = ".part"
_LINES = 1_000
_PATIENCE = 3
"""After how many intervals without a checkpoint something is wrong."""


def seal(works: Works, *, sign_now: bool = False) -> Checkpoint | None:
    """Seal what waits; sign the end when that is due, or `sign_now`; return a new checkpoint.

    Raises Conflict when the trail does not go on from an earlier checkpoint: it was tampered with.
    """
    with works.db.read() as tx:
        waiting = sealing.waiting(tx)
    if waiting:
        sealing.seal(works.db)
    if not works.signs_checkpoints:
        return None
    now, settings = works.clock.now(), works.instance.config.audit
    with works.db.read() as tx:
        due = sealing.is_due(
            tx, now, entries=settings.checkpoint_entries, interval=_interval(works)
        )
    if not (due or sign_now):
        return None
    kept = kept_here(works, line(works, public_key(works)))
    signed = sealing.checkpoint(works.db, now, works.audit_key(), kept=kept)
    if signed is not None and (kept is None or kept.position < signed.position):
        keep(works, signed)
    return signed


def keep(works: Works, signed: Checkpoint) -> None:
    """Keep a checkpoint beside the database, in the place of the one before."""
    path = _path(works)
    path.parent.mkdir(exist_ok=True)
    durable.write(path, signed.token.encode())


def line(works: Works, key: ec.EllipticCurvePublicKey) -> Keys:
    """Return the keys that signed the trail one after another; raises Conflict without `key`."""
    with works.db.read() as tx:
        return handover.follow(key, sealing.handovers(tx), sealing.CHECKPOINT)


def public_key(works: Works, pem: Path | None = None) -> ec.EllipticCurvePublicKey:
    """Return the audit key's public half: from its token, or from a PEM file (key, certificate)."""
    if pem is None:
        return works.audit_key().public_key()
    content = pem.read_bytes()
    try:
        key = (
            x509.load_pem_x509_certificate(content).public_key()
            if b"BEGIN CERTIFICATE" in content
            else load_pem_public_key(content)
        )
    except ValueError as error:
        raise Invalid(f"{pem} holds no public key or certificate in PEM.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Invalid(f"The key in {pem} is not an elliptic-curve key; the audit key is.")
    return key


def examine(
    works: Works,
    key: ec.EllipticCurvePublicKey,
    *,
    kept: tuple[Path, ...] = (),
    progress: Progress = lambda _position: None,
) -> Report:
    """Examine the whole trail, with the checkpoint that is kept here and those in `kept`.

    Raises Refused when a kept checkpoint is not signed by `key`, or by the one whose turn it was.
    """
    try:
        keys = line(works, key)
    except AntinError:  # the examination says why
        keys = handover.alone(key)
    here = kept_here(works, keys)
    outside = [here] if here is not None else []
    outside += [sealing.read_kept(keys, path.read_text("ascii")) for path in kept]
    with works.db.read() as tx:
        report = proof.examine(tx, key, kept=outside, progress=progress)
    if report.sealed and not report.signed:
        unsigned = f"None of the {report.sealed} sealed entries is under a checkpoint of this key."
        report = replace(report, findings=(*report.findings, unsigned))
    return report


def delays(works: Works) -> list[str]:
    """Return what is late: the worker should have sealed or signed it long ago."""
    late = works.clock.now() - _PATIENCE * _interval(works)
    with works.db.read() as tx:
        newest, end = sealing.newest_checkpoint(tx), sealing.head(tx)
        oldest = sealing.waiting_since(tx)
    if oldest is not None and oldest < late:
        return [f"Entries wait for their seal since {oldest.isoformat()}; is the worker running?"]
    if newest is not None and newest.position < end.position and newest.at < late:
        unsigned = end.position - newest.position
        return [f"{unsigned} entries are unsigned; the last checkpoint is of {newest.at}."]
    return []


def length(works: Works) -> int:
    """Return how many entries are sealed."""
    with works.db.read() as tx:
        return sealing.head(tx).position


def export(works: Works, path: Path, progress: Progress = lambda _position: None) -> int:
    """Write the trail to `path`, which appears when it is whole; return how many entries it has.

    An export that was interrupted goes on where it ended. Raises Conflict when `path` is there
    already, or when what is there of it is not of this trail.
    """
    if path.exists():
        raise Conflict(f"There is a file {path} already; name another one.")
    part = path.with_name(path.name + PART)
    with works.db.read() as tx, part.open("r+b" if part.exists() else "w+b") as stream:
        first, after = _begun(tx, stream, part) or (proof.heading(tx, public_key(works)), 0)
        for number, line in enumerate(proof.export(tx, first, after=after), after):
            stream.write(line.encode() + b"\n")
            if number % _LINES == 0:
                progress(number)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    durable.sync_folder(path.absolute().parent)
    entries: int = first["entries"]
    return entries


def _begun(tx: Tx, stream: BinaryIO, part: Path) -> tuple[dict[str, Any], int] | None:
    """Return the first line of an interrupted export and the position to go on behind.

    The stream then stands where that goes on, and what is behind is cut off; None when nothing of
    use is there. The last link is written again, because its checkpoint may be missing.
    """
    head, at, offset, last = b"", 0, 0, b""
    for line in stream:
        if not line.endswith(b"\n"):
            break
        if line.startswith(b'{"entry":'):
            at, last = offset, line
        elif not offset:
            head = line
        offset += len(line)
    try:
        first, link = json.loads(head or b"{}"), json.loads(last or b"{}")
        after = link["position"] - 1 if link else 0
        same = not link or (
            proof.belongs(tx, first["entries"], first["head"])
            and proof.belongs(tx, after + 1, link["hash"])
        )
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise Conflict(f"{part} is not the beginning of an export of this trail; remove it.")
    stream.seek(at if after else 0)
    stream.truncate()
    return (first, after) if after else None


def kept_here(works: Works, keys: Keys) -> Checkpoint | None:
    """Return the checkpoint that is kept beside the database; raises Refused when it is forged."""
    path = _path(works)
    return sealing.read_kept(keys, path.read_text("ascii")) if path.exists() else None


def _path(works: Works) -> Path:
    return works.instance.home / AUDIT_FOLDER / KEPT


def _interval(works: Works) -> timedelta:
    return timedelta(minutes=works.instance.config.audit.checkpoint_minutes)
