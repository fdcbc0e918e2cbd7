"""The ceremony from an empty token to a verified chain, and its transcript judged by others."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey

from app import script
from core.clock import SystemClock
from core.errors import Invalid
from tests.app.conftest import antin
from tests.support.authority import name

SCRIPT = """
[ceremony]
title = "Keys of ACME CA"
place = "Hà Nội"
present = [
    { name = "Nguyễn Thị An", role = "security officer" },
    { name = "Trần Văn Tín", role = "independent witness" },
]

[root]
key = "P-384"
subject = { organisation = "ACME", common_name = "ACME Root CA" }
years = 20

[issuing]
key = "RSA-2048"
subject = { organisation = "ACME", common_name = "ACME Issuing CA" }
years = 5
"""
EXTERNAL = SCRIPT[: SCRIPT.index("[root]")] + SCRIPT[SCRIPT.index("[issuing]") :]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """The home of an instance with a token, and no key in it."""
    done = antin("--home", tmp_path / "home", "init", "--prepare")
    assert done.returncode == 0, done.stderr
    return tmp_path / "home"


def _held(prepared: Path, text: str, *words: object) -> subprocess.CompletedProcess[str]:
    file = prepared.parent / "ceremony.toml"
    file.write_text(text)
    return antin("--home", prepared, "ceremony", "run", file, *words)


def _openssl(*words: object) -> str:
    command = ["openssl", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_dry_run_names_the_steps_and_makes_nothing(prepared: Path) -> None:
    """A dry run lists every step; no key is made, no transcript, no database."""
    said = _held(prepared, SCRIPT, "--dry-run")
    assert said.returncode == 0, said.stderr
    assert "Make the root key (P-384)." in said.stdout
    assert not (prepared / "ceremony").exists()
    assert not (prepared / "antin.db").exists()
    assert _held(prepared, SCRIPT).returncode == 0


def test_ceremony_from_empty_token_to_verified_chain(prepared: Path) -> None:
    """The ceremony ends with a chain that openssl verifies, by the first CRLs too."""
    held = _held(prepared, SCRIPT)
    assert held.returncode == 0, held.stderr
    folder = prepared / "ceremony"
    for each in ("root", "issuing"):
        _openssl("x509", "-inform", "DER", "-in", folder / f"{each}.cer", "-out", folder / each)
        crl = prepared / "crl" / f"{each}.crl"
        _openssl("crl", "-inform", "DER", "-in", crl, "-out", folder / f"{each}.crl.pem")
    verified = _openssl(
        *("verify", "-crl_check", "-CAfile", folder / "root"),
        *("-CRLfile", folder / "root.crl.pem", folder / "issuing"),
    )
    assert verified.endswith("issuing: OK\n")
    checked = antin("--home", prepared, "check")
    assert checked.returncode == 0, checked.stdout


def test_transcript_verifies_with_a_public_library(prepared: Path) -> None:
    """A JOSE library that is not ours reads the signed transcript: who, which keys and hashes."""
    assert _held(prepared, SCRIPT).returncode == 0
    folder = prepared / "ceremony"
    key = ECKey.import_key((folder / "audit.pub").read_bytes())
    signed = jws.deserialize_compact((folder / "transcript.jws").read_text(), key)
    content = json.loads(signed.payload)
    people = [person["name"] for person in content["script"]["ceremony"]["present"]]
    assert people == ["Nguyễn Thị An", "Trần Văn Tín"]
    made = {step["key"]["role"]: step["key"] for step in content["steps"] if "key" in step}
    assert made.keys() == {"root", "issuing", "ocsp", "audit", "vault"}
    assert dict(made["vault"]["attributes"]) | {"WRAP": False, "EXTRACTABLE": False} == dict(
        made["vault"]["attributes"]
    )
    assert not any(key["findings"] for key in made.values())
    root = x509.load_der_x509_certificate((folder / "root.cer").read_bytes())
    (output,) = [step for step in content["steps"] if step.get("output") == "root.cer"]
    assert output["sha256"] == root.fingerprint(hashes.SHA256()).hex()
    text = (folder / "transcript.txt").read_text()
    assert all(person in text for person in people)
    assert made["root"]["fingerprint"] in text


def test_changed_transcript_does_not_verify(prepared: Path) -> None:
    """A transcript in which one letter was changed is refused by the public library."""
    assert _held(prepared, SCRIPT).returncode == 0
    folder = prepared / "ceremony"
    key = ECKey.import_key((folder / "audit.pub").read_bytes())
    head, body, signature = (folder / "transcript.jws").read_text().split(".")
    changed = body[:40] + ("A" if body[40] != "A" else "B") + body[41:]
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(f"{head}.{changed}.{signature}", key)


def test_second_ceremony_is_refused(prepared: Path) -> None:
    """A ceremony overwrites nothing: held again, it stops before its first step."""
    assert _held(prepared, SCRIPT).returncode == 0
    before = (prepared / "ceremony" / "transcript.txt").read_bytes()
    again = _held(prepared, SCRIPT)
    assert again.returncode == 1
    assert "held once" in again.stderr
    assert (prepared / "ceremony" / "transcript.txt").read_bytes() == before


def _signed_outside(request: Path, *, ca: bool) -> tuple[bytes, bytes]:
    """What an external root gives for a request: (certificate, root), both PEM."""
    now = SystemClock().now()
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.load_pem_x509_csr(request.read_bytes())
    basic = x509.CertificateBuilder().not_valid_before(now).issuer_name(name("National Root"))
    root = (
        basic.subject_name(name("National Root"))
        .not_valid_after(now + timedelta(days=9000))
        .public_key(key.public_key())
        .serial_number(1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    never = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "key_agreement"),
            *("data_encipherment", "encipher_only", "decipher_only"),
        ),
        False,
    )
    usage = x509.KeyUsage(key_cert_sign=ca, crl_sign=ca, **never)
    constraints = x509.BasicConstraints(ca=ca, path_length=0 if ca else None)
    key_id = x509.SubjectKeyIdentifier.from_public_key(asked.public_key())
    signed = (
        basic.subject_name(asked.subject)
        .not_valid_after(now + timedelta(days=1800))
        .public_key(asked.public_key())
        .serial_number(2)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(key_id, critical=False)
        .sign(key, hashes.SHA256())
    )
    return signed.public_bytes(Encoding.PEM), root.public_bytes(Encoding.PEM)


@pytest.mark.parametrize("ca", [True, False])
def test_external_root(prepared: Path, *, ca: bool) -> None:
    """Request out, certificate in: a CA certificate is accepted and used, any other refused."""
    assert _held(prepared, EXTERNAL).returncode == 0
    certificate, root = _signed_outside(prepared / "ceremony" / "issuing.csr", ca=ca)
    (prepared.parent / "issuing.pem").write_bytes(certificate)
    (prepared.parent / "root.pem").write_bytes(root)
    accepted = antin(
        *("--home", prepared, "ceremony", "accept", prepared.parent / "ceremony.toml"),
        *("--certificate", prepared.parent / "issuing.pem", "--root", prepared.parent / "root.pem"),
    )
    assert accepted.returncode == (0 if ca else 1), accepted.stderr
    assert (prepared / "crl" / "issuing.crl").exists() == ca
    assert ("not a CA's" in accepted.stderr) != ca


def test_one_person_is_not_enough() -> None:
    """A script that names one person, or the same one twice, is refused: dual control."""
    alone = SCRIPT.replace("Trần Văn Tín", "Nguyễn Thị An")
    with pytest.raises(Invalid, match="names 1 present"):
        script.parse(alone)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("years = 20", "years = 2000", "root.years"),
        ('key = "P-384"', 'key = "RSA-1024"', "root.key"),
        ("place =", "palce =", "ceremony.palce"),
        ("[issuing]", "[issueing]", "issuing"),
        ("[root]", "[root", "not TOML"),
    ],
)
def test_wrong_scripts_are_refused(before: str, after: str, says: str) -> None:
    """A script with an unknown key, a weak key or too many years is refused, naming the place."""
    with pytest.raises(Invalid, match=says):
        script.parse(SCRIPT.replace(before, after))
