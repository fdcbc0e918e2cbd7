"""Servers pinned to one core and wrk on another, for benchmarks over HTTP."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVER_CORE = 0
LOAD_CORE = 1
_TICKS = os.sysconf("SC_CLK_TCK")
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one run of wrk saw; latencies in milliseconds, `cpu` the server's seconds of processor.

    `failed` counts answers other than 2xx and broken connections.
    """

    rate: float
    p50: float
    p99: float
    failed: int
    answers: int
    cpu: float

    @property
    def per_cpu_second(self) -> float:
        """Answers for each second of the server's processor: what an undisturbed core would do."""
        return self.answers / self.cpu if self.cpu else 0.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its port and its first process."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Return the processor seconds of all its processes so far."""
        return sum(_cpu(pid) for pid in self._processes())

    def memory(self) -> float:
        """Return the resident memory of its largest process, in MB."""
        return max(_memory(pid) for pid in self._processes())

    def get(self, path: str) -> bytes:
        """Fetch one path."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as reply:
            body: bytes = reply.read()
            return body

    def load(
        self, path: str, seconds: float, *, script: Path | None = None, connections: int = 32
    ) -> Load:
        """Let wrk ask for `path`, or what the Lua `script` says, and read what it saw."""
        command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}"]
        command += [f"-d{seconds:.0f}s", "--latency"]
        if script is not None:
            command += ["-s", str(script)]
        command.append(f"http://127.0.0.1:{self.port}{path}")
        before = self.cpu()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return _read(done.stdout, self.cpu() - before)

    def _processes(self) -> list[int]:
        listed = subprocess.run(
            ["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False
        )
        return [self.pid, *map(int, listed.stdout.split())]


@contextmanager
def responder(folder: Path, database: str, *, threads: int = 128) -> Iterator[Server]:
    """Run the responder over a population on the server's core; wait until it is ready."""
    port = free_port()
    command = ["-m", "granian", "--interface", "wsgi", "--factory", "--no-ws", "--no-log"]
    command += ["--port", str(port), "--blocking-threads", str(threads), "bench._served:app"]
    environment = {
        "PATH": os.environ["PATH"],
        "BENCH_FOLDER": str(folder),
        "BENCH_DATABASE": database,
    }
    with _running([sys.executable, *command], port, environment) as server:
        _await(server, "/health/ready")
        yield server


@contextmanager
def nginx(folder: Path, body: bytes) -> Iterator[Server]:
    """Run nginx on the server's core, serving `body` as a static file at /body."""
    port = free_port()
    home = folder / "nginx"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (home / "body").write_bytes(body)
    home.chmod(0o755)
    (home / "nginx.conf").write_text(
        f"""
        worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log;
        user root;
        events {{ worker_connections 1024; }}
        http {{
            access_log off; keepalive_requests 100000000; sendfile on; tcp_nopush on;
            open_file_cache max=10;
            client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
            uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
            default_type application/ocsp-response;
            server {{ listen 127.0.0.1:{port}; root {home}; }}
        }}
        """
    )
    command = ["nginx", "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]
    with _running(command, port, dict(os.environ)) as server:
        _await(server, "/body")
        yield server


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def report(results: dict[str, dict[str, object]], *, as_json: bool) -> None:
    """Print the results as lines for people, or as one JSON object on the last line."""
    if as_json:
        print(json.dumps(results))
        return
    for name, each in results.items():
        peer = (
            f"  ({each['ratio']} of {each['peer']}: {each['peer_value']})" if each["peer"] else ""
        )
        aim = f"  aim {each['aim']}: {'met' if each['met'] else 'MISSED'}" if each["aim"] else ""
        print(f"{name:<28} {each['value']:>12} {each['unit']:<10}{peer}{aim}")


def result(
    value: float,
    unit: str,
    *,
    peer: str | None = None,
    peer_value: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> dict[str, object]:
    """Return one measured value beside its peer and its aim."""
    met = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    aim = f">= {at_least:g}" if at_least is not None else None
    aim = f"<= {at_most:g}" if at_most is not None else aim
    return {
        "value": round(value, 3),
        "unit": unit,
        "peer": peer,
        "peer_value": None if peer_value is None else round(peer_value, 3),
        "ratio": round(value / peer_value, 3) if peer_value else None,
        "aim": aim,
        "met": met,
    }


@contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[Server]:
    process = subprocess.Popen(
        ["taskset", "-c", str(SERVER_CORE), *command],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Server(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _await(server: Server, path: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            server.get(path)
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"The server on port {server.port} did not become ready in {seconds} s.")


def _read(text: str, cpu: float) -> Load:
    def latency(percent: str) -> float:
        found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", text)
        return float(found[1]) * _UNITS[found[2]] if found else float("nan")

    answers = int(_number(r"(\d+) requests in", text))
    broken = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = _number(r"Non-2xx or 3xx responses: (\d+)", text)
    failed += sum(map(int, broken.groups())) if broken else 0
    return Load(
        rate=_number(r"Requests/sec:\s+([\d.]+)", text),
        p50=latency("50"),
        p99=latency("99"),
        failed=int(failed),
        answers=answers,
        cpu=cpu,
    )


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return _number(r"VmRSS:\s+(\d+) kB", text) / 1024
