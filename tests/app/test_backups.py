"""From a ceremony that makes a wrappable key to a copy of it that signs on a second token."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from tests.app.conftest import antin
from tests.app.test_ceremony import SCRIPT

WRAPPABLE = SCRIPT.replace('key = "RSA-2048"', 'key = "RSA-2048"\nwrappable = true')


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An instance before its ceremony, with a second token beside the first."""
    home = tmp_path / "home"
    done = antin("--home", home, "init", "--prepare")
    assert done.returncode == 0, done.stderr
    pin = tmp_path / "pin2"
    pin.write_text("second-pin")
    pin.chmod(0o600)
    subprocess.run(
        [
            *("softhsm2-util", "--init-token", "--free", "--label", "second"),
            *("--pin", "second-pin", "--so-pin", "second-so-pin"),
        ],
        env=os.environ | {"SOFTHSM2_CONF": str(home / "token" / "softhsm2.conf")},
        capture_output=True,
        check=True,
    )
    (tmp_path / "ceremony.toml").write_text(WRAPPABLE)
    return home


def _uri(home: Path) -> str:
    """Return the URI of the issuing key as `antin init` wrote it."""
    (line,) = [x for x in (home / "antin.toml").read_text().splitlines() if "issuing = " in x]
    return line.split('"')[1]


def _configure(home: Path, *uris: str) -> None:
    text = (home / "antin.toml").read_text().splitlines()
    new = [f"issuing = {json.dumps(uris)}" if "issuing = " in line else line for line in text]
    (home / "antin.toml").write_text("\n".join(new) + "\n")


def _ran(home: Path, *words: object) -> str:
    done = antin("--home", home, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _signed(home: Path, file: Path) -> dict[str, Any]:
    """Return what a transcript says, read by a library that is not ours."""
    key = ECKey.import_key((home / "ceremony" / "audit.pub").read_bytes())
    found: dict[str, Any] = json.loads(jws.deserialize_compact(file.read_text(), key).payload)
    return found


def test_wrappable_key_must_be_named(home: Path) -> None:
    """A wrappable key whose URI does not take it is refused before the first step, dry or not."""
    for words in (("--dry-run",), ()):
        held = antin("--home", home, "ceremony", "run", home.parent / "ceremony.toml", *words)
        assert held.returncode != 0
        assert "'issuing' is to be wrappable" in " ".join(held.stderr.split())
        assert not (home / "ceremony").exists()


def test_from_ceremony_to_copy(home: Path, tmp_path: Path) -> None:
    """A ceremony's wrappable key is copied to a second token and signs there; no other key is."""
    first = _uri(home)
    _configure(home, f"{first}&x-imported=true")
    second = first.replace("token=antin", "token=second")
    second = second.replace(str(home / "token" / "pin"), str(tmp_path / "pin2"))
    assert second.count("second") == second.count("pin2") == 1
    script = tmp_path / "ceremony.toml"
    said = _ran(home, "ceremony", "run", script, "--dry-run")
    assert "Make the issuing key (RSA-2048, wrappable)." in said
    _ran(home, "ceremony", "run", script)
    content = _signed(home, home / "ceremony" / "transcript.jws")
    made = {step["key"]["role"]: step["key"] for step in content["steps"] if "key" in step}
    assert {role for role in made if made[role]["wrappable"]} == {"issuing"}
    assert dict(made["issuing"]["attributes"])["EXTRACTABLE"] is True
    assert not any(key["findings"] for key in made.values())
    assert "the issuing key (RSA-2048, wrappable)" in (
        home / "ceremony" / "transcript.txt"
    ).read_text(encoding="utf-8")

    under = [uri.replace("object=issuing", "object=travel") for uri in (first, second)]
    _ran(home, "hsm", "share-wrapping-key", "--from", under[0], "--to", under[1])
    out = tmp_path / "issuing.backup"
    _ran(home, "hsm", "backup", "--key", first, "--under", under[0], "--out", out)
    _ran(home, "hsm", "restore", out, "--key", second, "--under", under[1])
    for name in ("issuing.backup.jws", "issuing.restored.jws"):
        told = _signed(home, tmp_path / name)
        assert told["key"]["fingerprint"] == made["issuing"]["fingerprint"]

    _configure(home, f"{second}&x-imported=true", f"{first}&x-imported=true")
    reports = json.loads(_ran(home, "hsm", "check", "--json"))
    tokens = [each["token"] for each in reports if each["role"] == "issuing"]
    assert tokens == ["second", "antin"]
    _configure(home, f"{second}&x-imported=true")
    _ran(home, "check")
    _ran(home, "crl", "publish")
    root = first.replace("object=issuing", "object=root")
    words = ("--key", root, "--under", under[0], "--out", tmp_path / "root.backup")
    refused = antin("--home", home, "hsm", "backup", *words)
    assert "must have been generated as wrappable" in " ".join(refused.stderr.split())
    assert not (tmp_path / "root.backup").exists()
