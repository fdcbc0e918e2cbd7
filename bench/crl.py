"""Full CRLs: how fast and how small, beside `openssl ca -gencrl` and `cryptography`'s builder.

    bench/crl.py [--quick] [--json]

One million entries with reasons (`--quick`: 50,000), from the database to the published file that
was read back; each part in its own process. The peers build the same entries in the same run. Then
50 clients load the CRL at once from the responder while one client asks OCSP.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import _loading, _revoked

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Measure, print a table, and with --json one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="one object on the last line")
    parser.add_argument("--entries", type=int, help="how many entries the CRL has")
    given = parser.parse_args()
    size = given.entries or (50_000 if given.quick else 1_000_000)
    with tempfile.TemporaryDirectory(prefix="antin-bench-") as folder:
        rows = _measure(Path(folder), size)
    for name, row in rows.items():
        met = {True: "met", False: "MISSED", None: ""}[row["met"]]
        peer = f"{row['peer']}: {row['peer_value']:.3f}" if row["peer"] else ""
        print(f"{name:34} {row['value']:10.3f} {row['unit']:3} {peer:48} {row['aim']:32} {met}")
    if given.json:
        print(json.dumps(rows))


def _measure(folder: Path, size: int) -> dict[str, dict[str, Any]]:
    few = folder / "few"
    few.mkdir()
    _part("make", folder, 0, size)
    _part("make", few, 0, 1)
    rows: dict[str, dict[str, Any]] = {}
    first = _part("publish", folder)
    rows["first_list_s"] = _row(first["list"], "s", aim="taken in once, at a take-over")
    rows["compared_chain_s"] = _row(
        first["chain"] - first["list"], "s", aim="every entry compared with the engine"
    )
    _part("publish", few)
    rows |= _revoking(folder, few, size)
    rows |= _publishing(folder, size)
    rows |= {name: _row(**measured) for name, measured in _loading.measure(folder).items()}
    return rows


def _revoking(folder: Path, few: Path, size: int) -> dict[str, dict[str, Any]]:
    """Time single revocations beside many and beside few revoked certificates."""
    taken = min(size, 1_200)
    _insert_more(few, taken)
    many, beside_few = _part("revoke", folder, 0, taken), _part("revoke", few, 1, taken)
    return {
        "revoke_p99_ms": _row(
            many["p99"], "ms", peer="with few revoked", peer_value=beside_few["p99"],
            aim="<= 10 ms", met=many["p99"] <= 10,
        ),
        "revoke_p50_ms": _row(
            many["p50"], "ms", peer="with few revoked", peer_value=beside_few["p50"]
        ),
    }  # fmt: skip


def _insert_more(folder: Path, size: int) -> None:
    _revoked.insert(folder, 1, range(1, size), datetime.now(UTC))


def _publishing(folder: Path, size: int) -> dict[str, dict[str, Any]]:
    """Publish after a change, thrice, and let the peers build the same entries."""
    runs = []
    for turn in range(3):
        numbers = range(size + 10 * turn, size + 10 * turn + 10)
        _revoked.insert(folder, 1, numbers, datetime.now(UTC))
        runs.append(_part("publish", folder))
    run = {name: statistics.median(each[name] for each in runs) for name in runs[0]}
    library = _part("cryptography", folder, 0, size)
    program = _openssl(folder, size)
    rows = {
        f"{phase}_s": _row(run[phase], "s")
        for phase in ("list", "snapshot", "gate", "store", "deliver", "compressed_copy")
    }
    rows["entries"] = _row(run["entries"], "")
    rows["build_sign_s"] = _row(
        run["build_sign"], "s", peer="cryptography's builder", peer_value=library["seconds"],
        aim="<= 0.6 s", met=run["build_sign"] <= 0.6,
    )  # fmt: skip
    rows["build_sign_beside_cryptography"] = _row(
        library["seconds"] / run["build_sign"], "x", aim=">= 10 times faster",
        met=library["seconds"] >= 10 * run["build_sign"],
    )  # fmt: skip
    rows["chain_s"] = _row(
        run["chain"], "s", peer="openssl ca -gencrl, build only", peer_value=program["seconds"],
        aim="<= 4 s, verified and published", met=run["chain"] <= 4,
    )  # fmt: skip
    rows["memory_mb"] = _row(
        run["memory_mb"], "MB", peer="cryptography's builder", peer_value=library["memory_mb"],
        aim="<= 300 MB", met=run["memory_mb"] <= 300,
    )  # fmt: skip
    rows["memory_beside_openssl_mb"] = _row(
        run["memory_mb"], "MB", peer="openssl ca -gencrl", peer_value=program["memory_mb"]
    )
    return rows


def _openssl(folder: Path, size: int) -> dict[str, float]:
    """Let `openssl ca -gencrl` build the same entries from its index file."""
    home = folder / "openssl"
    home.mkdir()
    now = datetime.now(UTC)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Bench CA",
         "-keyout", home / "key.pem", "-out", home / "ca.pem", "-days", "30"],
        check=True, capture_output=True,
    )  # fmt: skip
    with (home / "index.txt").open("w") as index:
        for number in range(size):
            end, at = (f"{each:%y%m%d%H%M%SZ}" for each in
                       (now + timedelta(days=275), _revoked.since(number, now)))  # fmt: skip
            reason = _revoked.reason(number).value
            index.write(
                f"R\t{end}\t{at},{reason}\t{_revoked.serial(number):032X}\tunknown\t/CN={number}\n"
            )
    (home / "crlnumber").write_text("01\n")
    (home / "ca.cnf").write_text(
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\n"
        "certificate=ca.pem\nprivate_key=key.pem\ndefault_crl_days=2\ncrl_extensions=e\n"
        "unique_subject=no\n[e]\nauthorityKeyIdentifier=keyid\n"
    )
    begin = time.perf_counter()
    subprocess.run(
        ["openssl", "ca", "-gencrl", "-config", "ca.cnf", "-out", "made.pem"],
        cwd=home, check=True, capture_output=True,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    # The children's highest so far would be ours; a run under its own shell tells its own.
    said = subprocess.run(
        [sys.executable, "-c", _WATCH, "openssl", "ca", "-gencrl", "-config", "ca.cnf",
         "-out", "made.pem"],
        cwd=home, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return {"seconds": seconds, "memory_mb": float(said)}


_WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def _part(name: str, folder: Path, *numbers: int) -> dict[str, float]:
    """Run one part in a process of its own and return what it measured."""
    said = subprocess.run(
        [sys.executable, str(ROOT / "bench/_revoked.py"), name, str(folder), *map(str, numbers)],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    measured: dict[str, float] = json.loads(said.splitlines()[-1])
    return measured


def _row(
    value: float,
    unit: str,
    *,
    peer: str = "",
    peer_value: float = 0.0,
    aim: str = "",
    met: bool | None = None,
) -> dict[str, Any]:
    return {
        "value": round(value, 4),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 4),
        "ratio": round(peer_value / value, 3) if peer and value else None,
        "aim": aim,
        "met": met,
    }


if __name__ == "__main__":
    main()
