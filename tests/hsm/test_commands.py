"""antin hsm: what is on the tokens, what is wrong, how fast it signs, copies of keys."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from app import create
from app.backups import TYP
from app.cli.desk import Place
from app.cli.hsm import app
from core import jws
from core.errors import AntinError, Conflict, Refused
from hsm import softhsm
from hsm.inventory import fingerprint
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An embedded instance with its five keys, and a second token beside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", "/dev/null")
        folder = tmp_path_factory.mktemp("commands") / "home"
        works = create.create(folder, create.Plan(root_kind=KeyKind.P_384))
        softhsm.create_token(folder / create.TOKEN_FOLDER, "second")
        yield folder
        works.instance.keyring.close()


@pytest.fixture
def run(home, monkeypatch):
    """Run one command over the instance."""
    monkeypatch.setenv("SOFTHSM2_CONF", str(home / create.TOKEN_FOLDER / "softhsm2.conf"))

    def invoke(*words):
        here = Place(home=home, operator="lan")
        result = CliRunner().invoke(app, [str(word) for word in words], obj=here)
        here.instance.keyring.close()
        if isinstance(result.exception, AntinError):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def tokens(home):
    """The two tokens of the instance's folder."""
    folder = home / create.TOKEN_FOLDER
    return softhsm.open_token(folder, "antin"), softhsm.open_token(folder, "second")


def test_list(run):
    """Each key is listed with its token, kind, role and fingerprint."""
    lines = json.loads(run("list", "--json").stdout)
    kinds = {line["roles"][0]: line["kind"] for line in lines if line["roles"]}
    assert kinds == {
        "root": "P-384", "issuing": "RSA-2048", "ocsp": "P-256", "audit": "P-256", "vault": "AES",
    }  # fmt: skip
    assert all(line["token"] == "antin" for line in lines)
    assert not any(line["findings"] for line in lines if line["roles"])
    assert all(len(line["fingerprint"]) == 64 for line in lines if line["kind"] != "AES")
    assert "issuing" in run("list").stdout


def test_check(run):
    """All is well with a new instance, and each token says what device it is."""
    result = run("check", "--json")
    reports = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {report["role"] for report in reports} == {"root", "issuing", "ocsp", "vault", "audit"}
    assert all("SoftHSM" in report["device"] for report in reports)


def test_check_finds(run, home, tokens):
    """What is wrong is said in sentences, with exit code 1."""
    config = home / "antin.toml"
    good = config.read_text()
    missing = tokens[1].uri("issuing")
    config.write_text(good.replace(f'"{tokens[0].uri("issuing")}"', f'"{missing}"'))
    try:
        result = run("check", "--json")
    finally:
        config.write_text(good)
    reports = {report["role"]: report for report in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert reports["issuing"]["problems"] == [
        "The token 'second' holds no private or secret key 'issuing'."
    ]
    assert not reports["ocsp"]["problems"]


def test_bench(run):
    """Signatures per second are told for threads and processes."""
    words = ("bench", "ocsp", "--threads", "1", "--threads", "2", "--seconds", "0.2", "--json")
    (row,) = json.loads(run(*words).stdout)
    assert row["role"] == "ocsp"
    assert all(row[name] > 10 for name in ("1 threads", "2 threads", "2 processes"))


def test_backup_and_restore(run, home, tokens, tmp_path):
    """A wrappable key is copied to the second token, and both acts leave a signed transcript."""
    first, second = tokens
    made = Keyring({"key": [first.uri("copied")]})
    public = made.generate("key", KeyKind.P_256, wrappable=True)
    made.close()
    assert (
        run("share-wrapping-key", "--from", first.uri("w"), "--to", second.uri("w")).exit_code == 0
    )
    out = tmp_path / "copied.backup"
    words = ("--key", first.uri("copied"), "--under", first.uri("w"), "--out", out)
    told = "".join(run("backup", *words, "--present", "Lan, witness").stdout.split())
    assert "copied.backup.jws" in told
    with pytest.raises(Conflict, match="overwrites nothing"):
        run("backup", *words)
    run("restore", out, "--key", second.uri("copied"), "--under", second.uri("w"))
    copy = Keyring({"key": [second.uri("copied") + "&x-imported=true"]})
    assert copy.key("key").public_key() == public
    copy.close()
    left = _transcript(home, out, "copied.backup.jws", "A key was backed up.")
    came = _transcript(home, out, "copied.restored.jws", "A key was restored and proven.")
    assert (left["key"]["token"], came["key"]["token"]) == ("antin", "second")
    assert left["key"]["fingerprint"] == came["key"]["fingerprint"] == fingerprint(public)
    assert left["present"] == ["Lan, witness"]
    assert "Signature of Lan, witness: ___" in (tmp_path / "copied.backup.txt").read_text()
    with pytest.raises(Refused, match="generated as wrappable"):
        run(
            "backup", "--key", first.uri("ocsp"), "--under", first.uri("w"), "--out", tmp_path / "x"
        )
    assert not (tmp_path / "x").exists()


def test_transcripts_stay(run, home, tokens, tmp_path):
    """A second act of the same kind gets a transcript of its own, and the first one stays."""
    first, second = tokens
    shared = [
        run("share-wrapping-key", "--from", first.uri(name), "--to", second.uri(name))
        for name in ("w1", "w2")
    ]
    assert [each.exit_code for each in shared] == [0, 0]
    written = sorted(path.read_text() for path in home.glob("wrapping-key*.txt"))
    assert sum("'w1'" in text for text in written) == 1
    assert sum("'w2'" in text for text in written) == 1


def _transcript(home: Path, out: Path, name: str, what: str):
    audit = Place(home=home, operator="lan").instance.keyring
    public = audit.key("audit").public_key()
    audit.close()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    facts = jws.verify(public, (out.parent / name).read_text(), typ=TYP)
    assert facts["what"] == what
    assert facts["operator"] == "lan"
    assert facts["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert what in (out.parent / name).with_suffix(".txt").read_text()
    return facts
