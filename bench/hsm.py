"""How fast keys on a token sign, against the bare module: by threads and by processes.

    bench/hsm.py [--quick] [--json]

`raw` is C_SignInit and C_Sign on a session of the thread's own, arguments made once, nothing else:
no Python program can be faster with that module. Ours is `key.sign()` as an engine calls it, with
its time limit, recovery and DER. Both are measured in turn, in short rounds; the best rounds are
compared, for on a machine that others use too the slower ones measure the others. `together` are
25 messages in one act, `apart` the same in a process of its own, as bulk issuance has it.
Everything runs on SoftHSM, in a folder that is removed. python-pkcs11 stands beside for one thread.
"""

import argparse
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA256

from bench import _raw as raw
from hsm import softhsm, speed
from hsm.codes import Mechanism
from hsm.keyring import Keyring
from hsm.keys import RsaKey
from hsm.mechanisms import KeyKind
from hsm.process import SigningProcess
from hsm.softhsm import SoftToken

Make = Callable[[], speed.Act]

KINDS = {"rsa2048": KeyKind.RSA_2048, "p256": KeyKind.P_256}
# What one signature is made of, without hashing: a DigestInfo of SHA-256, a digest.
RAW = {"rsa2048": (Mechanism.RSA_PKCS, bytes(51)), "p256": (Mechanism.ECDSA, bytes(32))}
LEAST_RATIO = {"rsa2048": 0.85, "p256": 0.60}
LEAST_SCALING = 1.7
# Those that are made in one act are counted one by one: few of them, in a round that is long.
_TOGETHER, _LONG = 25, 5


def main() -> None:
    """Measure, print, and exit with 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="one object on the last line")
    options = parser.parse_args()
    rounds, seconds = (6, 0.2) if options.quick else (30, 0.3)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), rounds, seconds)
    for name, row in rows.items():
        print(
            f"{name:28} {row['value']:>9} {row['unit']:6} {row['peer']}: {row['peer_value']:>9}  "
            f"ratio {row['ratio']:.2f}  aim {row['aim']}  {'met' if row['met'] else 'MISSED'}"
        )
    if options.json:
        print(json.dumps(rows))
    sys.exit(not all(row["met"] for row in rows.values()))


def measure(folder: Path, rounds: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Return a row for each kind of key and way to use it."""
    token = softhsm.create_token(folder / "token", "bench")
    keyring = Keyring({name: [token.uri(name)] for name in KINDS})
    for name, kind in KINDS.items():
        keyring.generate(name, kind)
    keyring.close()
    apart = SigningProcess({name: [token.uri(name)] for name in KINDS})
    rows: dict[str, dict[str, Any]] = {}
    for name in KINDS:
        least = LEAST_RATIO[name]
        bare, ours = partial(raw.signing, token, name, *RAW[name]), partial(_ours, keyring, name)
        rates: dict[str, tuple[float, float]] = {}
        for way, run in _ways(seconds).items():
            rates[way] = _compare(run, bare, ours, rounds)
            rows[f"{name}_{way}"] = _row(*rates[way], "raw", f">= {least} of raw", least)
            keyring.close()
        for way, keys in (("together", keyring), ("apart", apart)):
            many = partial(_together, keys, name)
            pair = _compare(_ways(_LONG * seconds)["1_thread"], bare, many, max(2, rounds // _LONG))
            rows[f"{name}_{way}"] = _row(*pair, "raw", f">= {least} of raw", least)
        one, two = rates["1_thread"][1], rates["2_processes"][1]
        rows[f"{name}_scaling"] = _row(
            one, two, "1 thread", f">= {LEAST_SCALING} times", LEAST_SCALING
        )
        peer = _compare(_ways(seconds)["1_thread"], partial(_peer, token, name, folder), ours, 3)
        rows[f"{name}_beside_python_pkcs11"] = _row(*peer, "python-pkcs11", "none", 0.0)
    apart.close()
    return rows


def _ways(seconds: float) -> dict[str, Callable[[Make], float]]:
    return {
        "1_thread": lambda make: speed.by_threads(make, threads=1, seconds=seconds),
        "4_threads": lambda make: speed.by_threads(make, threads=4, seconds=seconds),
        "2_processes": lambda make: speed.by_processes(make, processes=2, seconds=seconds),
    }


def _compare(
    run: Callable[[Make], float], raw: Make, ours: Make, rounds: int
) -> tuple[float, float]:
    """Return the best rates of `raw` and `ours`, measured in turn."""
    pairs = [(run(raw), run(ours)) for _ in range(rounds)]
    return max(a for a, _ in pairs), max(b for _, b in pairs)


def _row(peer: float, value: float, name: str, aim: str, least: float) -> dict[str, Any]:
    ratio = value / peer
    return {
        "value": round(value), "unit": "sig/s", "peer": name, "peer_value": round(peer),
        "ratio": round(ratio, 3), "aim": aim, "met": ratio >= least,
    }  # fmt: skip


def _ours(keyring: Keyring, name: str) -> speed.Act:
    return speed.signing(keyring.key(name))


def _together(keys: Keyring | SigningProcess, name: str) -> speed.Act:
    """Return what gives the next signature of endless ones, made together."""
    key, message = keys.key(name), b"How fast does this key sign?"
    how = (padding.PKCS1v15(), SHA256()) if isinstance(key, RsaKey) else (ec.ECDSA(SHA256()),)
    endless = (
        each for _ in itertools.count() for each in key.sign_all([message] * _TOGETHER, *how)
    )
    return partial(next, endless)


@cache
def _peer_session(module: Path, token: SoftToken) -> pkcs11.Session:
    library = pkcs11.lib(str(module))
    (slot,) = [s for s in library.get_slots() if s.get_token().label == token.label]
    return slot.get_token().open(user_pin=token.pin_file.read_text())


def _peer(token: SoftToken, name: str, folder: Path) -> speed.Act:
    """Return python-pkcs11's signature, by a module of its own: it initialises without locks."""
    copy = folder / "peer.so"
    if not copy.exists():
        shutil.copy(token.module_path, copy)
    session = _peer_session(copy, token)
    wanted = {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
        pkcs11.Attribute.LABEL: name,
    }
    (key,) = session.get_objects(wanted)
    mechanism, data = pkcs11.Mechanism[RAW[name][0].name], RAW[name][1]
    return lambda: key.sign(data, mechanism=mechanism)


if __name__ == "__main__":
    main()
