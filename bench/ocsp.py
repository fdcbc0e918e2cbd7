"""How fast the responder answers, on one core, over HTTP, beside nginx and the raw token.

    bench/ocsp.py [--quick] [--json]

The server is pinned to one core and wrk to the other. 100,000 certificates (--quick: 20,000), whose
answers lie in reserve as the worker keeps them; "hot" asks about a hundred of them, "skewed" about
all with Zipf's popularity (exponent 1), "nonce" signs each answer on SoftHSM; "without_reserve" is
an instance that has signed nothing yet. `per_cpu` is answers for each second of the server's
processor: on a machine that others use too it says what an undisturbed core would do.
"""

import argparse
import base64
import json
import random
import subprocess
import sys
import tempfile
from bisect import bisect
from itertools import accumulate
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import _population
from bench._web import SERVER_CORE, Load, Server, nginx, report, responder, result
from core import der
from ocsp.index import Authority
from ocsp.request import NONCE

SIZE = 100_000
QUICK_SIZE = 20_000
MILLION = 1_000_000
_HOT = 100
_ORDER = 200_000

_PREPARE = """
local function unhex(text)
    return (text:gsub("..", function(pair) return string.char(tonumber(pair, 16)) end))
end
local ready, order, at = {{}}, {{}}, 0
function init(arguments)
    wrk.headers["Content-Type"] = "application/ocsp-request"
    for line in io.lines("{stem}.lines") do ready[#ready + 1] = {prepared} end
    for line in io.lines("{stem}.order") do order[#order + 1] = tonumber(line) end
end
"""

_SEND = """
function request()
    at = at % #order + 1
    return ready[order[at]]
end
"""

# The nonce is the last 16 octets; the head of the HTTP request is the same for all of them.
_FRESH_NONCE = """
local count = 0
function request()
    at = at % #order + 1
    count = count + 1
    local body = ready[order[at]]
    return wrk.format("POST", "/ocsp", nil, body:sub(1, -17) .. string.format("%016d", count))
end
"""


def main() -> None:
    """Measure and report."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="under a minute")
    arguments.add_argument("--json", action="store_true", help="one JSON object")
    chosen = arguments.parse_args()
    seconds = 3.0 if chosen.quick else 15.0
    with tempfile.TemporaryDirectory(prefix="antin-bench-") as name:
        folder = Path(name)
        results = measure(folder, seconds, QUICK_SIZE if chosen.quick else SIZE)
        if not chosen.quick:
            report(results, as_json=False)
            results |= at_a_million(folder / "million")
    report(results, as_json=chosen.json)
    sys.exit(0 if all(each["met"] for each in results.values()) else 1)


def measure(folder: Path, seconds: float, size: int) -> dict[str, dict[str, object]]:
    """Return every figure but that of a million certificates."""
    population = _population.make(folder, size)
    authority = population.authority()
    scripts = Scripts(folder, authority)
    raw = token_rate(folder, min(seconds, 3.0))
    with responder(folder, population.url) as server:
        cold = server.load("/", seconds, script=scripts.get(size))
    population.presign()
    with responder(folder, population.url) as server:
        body = server.get(scripts.path(0))
        loads = {
            "hot_get": server.load("/", seconds, script=scripts.get(_HOT)),
            "hot_post": server.load("/", seconds, script=scripts.post(_HOT)),
            "skewed_get": server.load("/", seconds, script=scripts.get(size)),
            "skewed_post": server.load("/", seconds, script=scripts.post(size)),
        }
        before = degraded(server)
        loads["nonce_post"] = server.load("/", seconds, script=scripts.nonce(1000))
        left_out = degraded(server) - before
        memory = server.memory()
    with nginx(folder, body) as server:
        static = server.load("/body", seconds)
    results = {
        "nginx_static": result(static.rate, "answers/s"),
        "token_raw": result(raw, "signatures/s"),
        "memory": result(memory, "MB", at_most=300),
        # Nothing signed beforehand, nothing in HTTP caches: an instance in its first minute.
        "without_reserve_skewed_get": result(cold.rate, "answers/s"),
    }
    aims = {"hot": (30_000, static.rate), "skewed": (20_000, static.rate), "nonce": (6_000, raw)}
    for name, load in loads.items():
        aim, peer_value = aims[name.partition("_")[0]]
        peer = "raw SoftHSM P-256" if name.startswith("nonce") else "nginx static"
        results |= _figures(name, load, aim, peer, peer_value)
    results["nonce_left_out"] = result(left_out, "answers", at_most=0)
    return results


def _figures(
    name: str, load: Load, aim: float, peer: str, peer_value: float
) -> dict[str, dict[str, object]]:
    return {
        name: result(load.rate, "answers/s", peer=peer, peer_value=peer_value, at_least=aim),
        f"{name}_per_cpu": result(load.per_cpu_second, "answers/cpu-s"),
        f"{name}_p50": result(load.p50, "ms"),
        f"{name}_p99": result(load.p99, "ms", at_most=5) if "nonce" not in name
        else result(load.p99, "ms"),
        f"{name}_failed": result(load.failed, "answers", at_most=0),
    }  # fmt: skip


def at_a_million(folder: Path) -> dict[str, dict[str, object]]:
    """Return the memory of one process that answers for a million certificates."""
    folder.mkdir()
    population = _population.make(folder, MILLION)
    authority = population.authority()
    scripts = Scripts(folder, authority)
    with responder(folder, population.url) as server:
        load = server.load("/", 30.0, script=scripts.get(MILLION))
        memory = server.memory()
    return {
        "million_skewed_get": result(load.rate, "answers/s"),
        "million_memory": result(memory, "MB", at_most=300),
        "million_failed": result(load.failed, "answers", at_most=0),
    }


def degraded(server: Server) -> int:
    """Return how many answers had to leave the nonce out so far."""
    counts: dict[str, int] = json.loads(server.get("/counts"))
    return counts["nonce_left_out"]


class Scripts:
    """Lua programs for wrk, each with the requests it sends and the order in which it does."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder = folder
        self._authority = authority

    def request(self, number: int, extensions: bytes = b"") -> bytes:
        """Return the request about certificate `number`, by SHA-1 as most clients ask."""
        cert_id = self._authority.cert_id("sha1", _population.serial(number)).der
        entries = der.element(der.SEQUENCE, der.element(der.SEQUENCE, cert_id))
        return der.element(der.SEQUENCE, der.element(der.SEQUENCE, entries, extensions))

    def path(self, number: int) -> str:
        """Return the path of a GET about certificate `number`."""
        return "/ocsp/" + base64.b64encode(self.request(number)).decode()

    def get(self, size: int) -> Path:
        """Return a script that asks about `size` certificates by GET."""
        lines = [self.path(number) for number in range(size)]
        return self._script(f"get-{size}", lines, 'wrk.format("GET", line)')

    def post(self, size: int) -> Path:
        """Return a script that asks about `size` certificates by POST."""
        lines = [self.request(number).hex() for number in range(size)]
        return self._script(f"post-{size}", lines, 'wrk.format("POST", "/ocsp", nil, unhex(line))')

    def nonce(self, size: int) -> Path:
        """Return a script that asks about `size` certificates, each time with a new nonce."""
        mark = bytes(range(16))
        value = der.element(der.OCTET_STRING, der.element(der.OCTET_STRING, mark))
        extension = der.element(der.SEQUENCE, NONCE, value)
        extensions = der.element(0xA2, der.element(der.SEQUENCE, extension))
        lines = [self.request(number, extensions).hex() for number in range(size)]
        return self._script(f"nonce-{size}", lines, "unhex(line)", _FRESH_NONCE)

    def _script(self, name: str, lines: list[str], prepared: str, send: str = _SEND) -> Path:
        (self._folder / f"{name}.lines").write_text("\n".join(lines) + "\n")
        order = "\n".join(map(str, popularity(len(lines))))
        (self._folder / f"{name}.order").write_text(order + "\n")
        path = self._folder / f"{name}.lua"
        path.write_text(_PREPARE.format(stem=self._folder / name, prepared=prepared) + send)
        return path


def popularity(size: int) -> list[int]:
    """Return which certificates are asked about, one after the other: Zipf with exponent 1."""
    luck = random.Random(7)
    weights = list(accumulate(1 / rank for rank in range(1, size + 1)))
    return [bisect(weights, luck.random() * weights[-1]) + 1 for _ in range(_ORDER)]


def token_rate(folder: Path, seconds: float) -> float:
    """Return how many P-256 signatures of a digest the token makes in a second, on one core."""
    program = _RAW.format(folder=folder, seconds=seconds)
    done = subprocess.run(
        ["taskset", "-c", str(SERVER_CORE), sys.executable, "-c", program],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


_RAW = """
import os, time
from pathlib import Path
import pkcs11
os.environ["SOFTHSM2_CONF"] = "{folder}/token/softhsm2.conf"
from hsm import softhsm
token = pkcs11.lib(str(softhsm.module_path())).get_token(token_label="bench")
pin = Path("{folder}/token/pin").read_text().strip()
with token.open(user_pin=pin) as session:
    key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label="ocsp")
    digest, count, end = bytes(32), 0, time.perf_counter() + {seconds}
    while time.perf_counter() < end:
        key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        count += 1
print(count / {seconds})
"""


if __name__ == "__main__":
    main()
