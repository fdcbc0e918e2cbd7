"""How long a long audit trail takes to seal, examine, export and verify, and in how much memory.

    bench/audit.py [--quick] [--json]

A million entries in SQLite (synchronous FULL), 50,000 with --quick; each step in a process of its
own, whose peak memory is told, beside that of the same step over a tenth of the entries: it is not
to grow with the trail. The peer of the rates is the hash chain alone, over entries in memory, in
the same run.
"""

import argparse
import json
import multiprocessing
import runpy
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from app import schema
from core import audit, chain, proof, sealing
from core.clock import SystemClock
from core.database import Database, chunked

CLOCK = SystemClock()
PROGRAM = Path(__file__).parents[1] / "deploy" / "verify_audit.py"
LEAST_PER_SECOND = 1_000_000 / 120
MOST_GROWTH = 1.25


def main() -> None:
    """Measure, print, and exit with 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="one object on the last line")
    options = parser.parse_args()
    size = 50_000 if options.quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        small = _steps(Path(folder) / "small", size // 10)
        whole = _steps(Path(folder) / "whole", size)
    rows = {f"audit_{step}": _row(step, size, whole, small) for step in STEPS}
    for name, row in rows.items():
        print(
            f"{name:16} {row['value']:>7} entries/s ({row['seconds']:.1f} s for {size})  "
            f"{row['peer']}: {row['peer_value']}  peak {row['peak_mb']:.0f} MB, over a tenth "
            f"{row['tenth_mb']:.0f} MB  aim {row['aim']}  {'met' if row['met'] else 'missed'}"
        )
    if options.json:
        print(json.dumps(rows))
    sys.exit(not all(row["met"] for row in rows.values()))


def _row(
    step: str,
    size: int,
    whole: dict[str, tuple[float, float]],
    small: dict[str, tuple[float, float]],
) -> dict[str, Any]:
    (seconds, peak), (_, tenth), (alone, _) = whole[step], small[step], whole["hash"]
    rate = size / seconds
    return {
        "value": round(rate), "unit": "entries/s", "peer": "hash chain alone",
        "peer_value": round(size / alone), "ratio": round(alone / seconds, 3),
        "aim": f">= {LEAST_PER_SECOND:.0f}/s, memory <= {MOST_GROWTH} of a tenth",
        "met": rate >= LEAST_PER_SECOND and peak <= MOST_GROWTH * tenth,
        "seconds": round(seconds, 2), "peak_mb": round(peak, 1), "tenth_mb": round(tenth, 1),
    }  # fmt: skip


def _steps(folder: Path, size: int) -> dict[str, tuple[float, float]]:
    """Return the seconds and the peak memory (MB) of each step over a new trail of `size`."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "audit.pub").write_bytes(public)
    db = Database(f"sqlite:///{folder}/antin.db")
    schema.upgrade(db)
    for numbers in chunked(range(size), 10_000):
        with db.begin() as tx:
            audit.append_all(tx, [_new(number) for number in numbers])
    db.dispose()
    measured = {}
    for name, step in {"hash": _hash, **STEPS}.items():
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        child = context.Process(target=_measured, args=(step, folder, size, queue))
        child.start()
        measured[name] = queue.get(timeout=1_200)
        child.join()
    return measured


def _measured(step: Callable[[Path, int], None], folder: Path, size: int, queue: Any) -> None:  # noqa: ANN401 - a queue of a context
    begin = time.monotonic()
    step(folder, size)
    seconds = time.monotonic() - begin
    queue.put((seconds, _peak_mb()))


def _peak_mb() -> float:
    """Return this process's peak; getrusage would tell its parent's too (kept over an exec)."""
    status = Path("/proc/self/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak) / 1024


def _new(number: int) -> audit.New:
    return audit.New(
        at=CLOCK.now(),
        actor="operator:lan",
        act="certificate.issue",
        subject=f"certificate:{number:040X}",
        detail={"decision": f"bulk-{number:040}", "profile": "organisation", "status": "good"},
    )


def _hash(folder: Path, size: int) -> None:
    del folder
    at = CLOCK.now()
    detail = audit.canonical(_new(0).detail)
    entries = (
        chain.Entry(
            id=number, at=at + timedelta(seconds=number), actor="operator:lan",
            act="certificate.issue", subject=f"certificate:{number:040X}", detail=detail,
        )
        for number in range(size)
    )  # fmt: skip
    for _ in chain.extend(chain.START, entries):
        pass


def _seal(folder: Path, size: int) -> None:
    """Seal all that waits and sign the end, as a worker does after it was away."""
    db = Database(f"sqlite:///{folder}/antin.db")
    if sealing.seal(db) != size or sealing.checkpoint(db, CLOCK.now(), _key(folder)) is None:
        raise RuntimeError("The trail was not sealed and signed.")


def _examine(folder: Path, size: int) -> None:
    with Database(f"sqlite:///{folder}/antin.db").read() as tx:
        report = proof.examine(tx, _key(folder).public_key())
    if report.findings or report.signed != size:
        raise RuntimeError(f"The trail is not sound: {report}")


def _export(folder: Path, size: int) -> None:
    del size
    with (
        Database(f"sqlite:///{folder}/antin.db").read() as tx,
        (folder / "trail.jsonl").open("w", encoding="utf-8") as stream,
    ):
        for line in proof.export(tx, proof.heading(tx, _key(folder).public_key())):
            stream.write(line + "\n")


def _verify(folder: Path, size: int) -> None:
    """Run the stand-alone program in this process; raises when it finds something."""
    del size
    sys.argv = ["verify_audit.py", f"{folder}/trail.jsonl", "--key", f"{folder}/audit.pub"]
    with redirect_stdout(StringIO()) as said:
        if runpy.run_path(str(PROGRAM))["main"]():
            raise RuntimeError(said.getvalue())


def _key(folder: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("The key was made on a curve.")
    return key


STEPS: dict[str, Callable[[Path, int], None]] = {
    "seal": _seal,
    "examine": _examine,
    "export": _export,
    "verify": _verify,
}
"""The steps in their order; each finds what the one before left."""

if __name__ == "__main__":
    main()
