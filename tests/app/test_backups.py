"""From a ceremony that makes wrappable keys to their copies, which work when the token is lost."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from tests.app.test_ceremony import SCRIPT
from tests.support.terminal import Terminal

# The audit key first: it signs the transcripts of the others' copies.
ROLES = ("audit", "issuing", "ocsp", "vault")
WRAPPABLE = SCRIPT.replace('key = "RSA-2048"', 'key = "RSA-2048"\nwrappable = true') + "".join(
    f"[{role}]\nwrappable = true\n" for role in ROLES if role != "issuing"
)
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\nstartxref\n9\n%%EOF\n"

Open = Callable[..., Terminal]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the instance is."""
    return tmp_path / "home"


@pytest.fixture
def opened(home: Path) -> Iterator[Open]:
    """Opens terminals on the instance and closes them after the test."""
    with ExitStack() as until_the_end:

        def terminal(*, make: bool = False) -> Terminal:
            made = Terminal(home, make=make)
            until_the_end.callback(made.close)
            return made

        yield terminal


@pytest.fixture
def prepared(home: Path, tmp_path: Path, opened: Open) -> Terminal:
    """An instance before its ceremony, with a second token beside the first."""
    first = opened()
    _ran(first, "init", "--prepare")
    first.close()
    pin = tmp_path / "pin2"
    pin.write_text("second-pin")
    pin.chmod(0o600)
    words = ("--init-token", "--free", "--label", "second", "--pin", "second-pin")
    _softhsm(home, *words, "--so-pin", "second-so-pin")
    (tmp_path / "ceremony.toml").write_text(WRAPPABLE)
    return opened()


def _softhsm(home: Path, *words: str) -> None:
    subprocess.run(
        ["softhsm2-util", *words],
        env=os.environ | {"SOFTHSM2_CONF": str(home / "token" / "softhsm2.conf")},
        capture_output=True,
        check=True,
    )


def _uri(home: Path, role: str) -> str:
    """Return the role's URI as `antin init` wrote it."""
    (line,) = [x for x in (home / "antin.toml").read_text().splitlines() if f"{role} = " in x]
    return line.split('"')[1]


def _on_second(home: Path, uri: str) -> str:
    """Return the URI of the copy on the second token."""
    second = uri.replace("token=antin", "token=second")
    second = second.replace(str(home / "token" / "pin"), str(home.parent / "pin2"))
    assert second.count("second") == second.count("pin2") == 1
    return second


def _configure(home: Path, role: str, *uris: str) -> None:
    """Let the role's key be at these URIs."""
    text = (home / "antin.toml").read_text().splitlines()
    new = [f"{role} = {json.dumps(uris)}" if f"{role} = " in line else line for line in text]
    (home / "antin.toml").write_text("\n".join(new) + "\n")


def _ran(terminal: Terminal, *words: object) -> str:
    said = terminal.run(*words)
    assert said.code == 0, said.out + said.err
    return said.out


def _refused(terminal: Terminal, *words: object) -> str:
    said = terminal.run(*words)
    assert said.code != 0, said.out
    return " ".join(said.err.split())


def _signed(home: Path, file: Path) -> dict[str, Any]:
    """Return what a transcript says, read by a library that is not ours."""
    key = ECKey.import_key((home / "ceremony" / "audit.pub").read_bytes())
    found: dict[str, Any] = json.loads(jws.deserialize_compact(file.read_text(), key).payload)
    return found


def test_wrappable_key_must_be_named(prepared: Terminal) -> None:
    """A wrappable key whose URI does not take it is refused before the first step, dry or not."""
    home = prepared.home
    for role in ("issuing", "ocsp", "audit", "vault"):
        for words in (("--dry-run",), ()):
            said = _refused(prepared, "ceremony", "run", home.parent / "ceremony.toml", *words)
            assert f"{role!r} is to be wrappable" in said
            assert not (home / "ceremony").exists()
        _configure(home, role, f"{_uri(home, role)}&x-imported=true")


def test_lost_token(prepared: Terminal, opened: Open, tmp_path: Path) -> None:
    """The first token is lost, and the second one has all: files open, certificates follow."""
    home, script = prepared.home, tmp_path / "ceremony.toml"
    first = {role: _uri(home, role) for role in (*ROLES, "root")}
    for role in ROLES:
        _configure(home, role, f"{first[role]}&x-imported=true")
    with (home / "antin.toml").open("a") as config:
        config.write('[documents]\nreaders = ["lan"]\n')
    assert "Make the vault key (AES-256, wrappable)." in _ran(
        prepared, "ceremony", "run", script, "--dry-run"
    )
    _ran(prepared, "ceremony", "run", script)
    content = _signed(home, home / "ceremony" / "transcript.jws")
    made = {step["key"]["role"]: step["key"] for step in content["steps"] if "key" in step}
    assert {role for role in made if made[role]["wrappable"]} == set(ROLES)
    assert all(dict(made[role]["attributes"])["EXTRACTABLE"] for role in ROLES)
    assert not any(key["findings"] for key in made.values())
    text = (home / "ceremony" / "transcript.txt").read_text(encoding="utf-8")
    assert "the vault key (AES-256, wrappable)" in text
    number, register = _kept(prepared, tmp_path)

    under = first["issuing"].replace("object=issuing", "object=travel")
    words = ("--from", under, "--to", _on_second(home, under))
    _ran(prepared, "hsm", "share-wrapping-key", *words)
    for role in ROLES:
        out = tmp_path / f"{role}.backup"
        _ran(prepared, "hsm", "backup", "--key", first[role], "--under", under, "--out", out)
        told = _signed(home, tmp_path / f"{role}.backup.jws")
        assert told["key"]["fingerprint"] == made[role]["fingerprint"]
    refused = ("--key", first["root"], "--under", under, "--out", tmp_path / "root.backup")
    said = _refused(prepared, "hsm", "backup", *refused)
    assert "must have been generated as wrappable" in said
    assert "docs/hsm.md" in said
    assert not (tmp_path / "root.backup").exists()
    prepared.close()
    _softhsm(home, "--delete-token", "--token", "antin")

    terminal = opened()
    for role in ROLES:
        _configure(home, role, f"{_on_second(home, first[role])}&x-imported=true")
    _configure(home, "root")
    for role in ROLES:
        copy = ("--key", _on_second(home, first[role]), "--under", _on_second(home, under))
        _ran(terminal, "hsm", "restore", tmp_path / f"{role}.backup", *copy)
        told = _signed(home, tmp_path / f"{role}.restored.jws")
        assert told["key"]["fingerprint"] == made[role]["fingerprint"]
    assert _read(terminal, number, tmp_path) == register
    for line in ("hsm check", "audit verify", "crl publish", "worker --once"):
        _ran(terminal, *line.split())
    reports = json.loads(_ran(terminal, "hsm", "check", "--json"))
    assert {each["token"] for each in reports} == {"second"}


def _kept(terminal: Terminal, folder: Path) -> tuple[str, bytes]:
    """Keep a subscriber and a scan; return the scan's number and the register as a file."""
    terminal.enter("KH00001")
    scan = folder / "scan.pdf"
    scan.write_bytes(PDF)
    words = ("--kind", "contract", "--form", "paper_original", "--file", scan)
    number = _ran(terminal, "document", "receive", "KH00001", *words).split()[-1].rstrip(".")
    _ran(terminal, "worker", "--once")
    return number, _read(terminal, number, folder)


def _read(terminal: Terminal, number: str, folder: Path) -> bytes:
    """Read the scan back; return the register with its personal data, as a file."""
    scan, register = folder / "read.pdf", folder / "register.csv"
    _ran(terminal, "document", "read", number, "--out", scan, "--because", "Đối chiếu hồ sơ.")
    assert scan.read_bytes() == PDF
    _ran(terminal, "dossier", "export", register)
    content = register.read_bytes()
    assert b"0791" in content
    scan.unlink()
    register.unlink()
    return content


def test_vault_moves(opened: Open, tmp_path: Path) -> None:
    """A vault under a key that may not leave moves to one that may, and opens as before."""
    terminal = opened(make=True)
    home = terminal.home
    with (home / "antin.toml").open("a") as config:
        config.write('[documents]\nreaders = ["lan"]\n')
    before = _kept(terminal, tmp_path)
    fixed = f"{_uri(home, 'vault')}&x-imported=true"
    target = _uri(home, "vault").replace("object=vault", "object=vault-2")
    move = ("hsm", "move-vault", "--wrappable", "--to")
    assert "'vault' on the token 'antin' is not wrappable" in _refused(terminal, *move, fixed)
    assert "is to be wrappable" in _refused(terminal, *move, target)
    _ran(terminal, *move, f"{target}&x-imported=true")
    assert "made by another key" in _refused(terminal, "dossier", "export", tmp_path / "x.csv")
    said = _refused(terminal, *move, f"{target}&x-imported=true")
    assert "name that one in the configuration" in said
    _configure(home, "vault", f"{target}&x-imported=true")
    assert _read(terminal, before[0], tmp_path) == before[1]
    (written,) = home.glob("vault-moved*.jws")
    told = _signed(home, written)
    assert (told["made"], told["key"]["kind"], told["key"]["wrappable"]) == (True, "AES", True)
