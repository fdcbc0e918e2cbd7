"""`antin takeover` from the dry run to the first CRL under the former CA's own key."""

import json
import subprocess
from pathlib import Path

from cryptography import x509

from app.config import FILE, issuer_role
from app.instance import OCSP_SUBSCRIBER
from app.wiring import Works
from ca import records
from tests.app.conftest import antin
from tests.support import ahead
from tests.support.former import Former, entries, text


def test_from_the_command_line(former: Former, tmp_path: Path) -> None:
    """A dry run writes nothing; --apply does; then the key is brought, and the worker goes on."""
    home = tmp_path / "home"
    assert antin("--home", home, "init").returncode == 0
    ca = former.folder / "cacert.pem"
    words = ("--home", home, "takeover", former.folder, "--issuer", ca, "--name", "former")
    dry = antin(*words, "--json")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    (row,) = json.loads(dry.stdout)
    assert row["findings"]["unregistered"] == 6
    assert (row["would_take"], row["crl_number"], row["applied"]) == (6, 0x1234, False)
    with Works(home).db.read() as tx:
        assert [each.name for each in records.issuers(tx)] == ["root", "issuing"]
    report = tmp_path / "report.csv"
    done = antin(*words, "--apply", "--report", report)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report.read_text().startswith("kind,serial,sentence\n")
    assert antin("--home", home, "worker", "--once").returncode == 0
    assert not (home / "crl" / "former.crl").exists()
    _bring_key(home, former)
    went_on = antin("--home", home, "worker", "--once")
    assert went_on.returncode == 0, went_on.stdout
    ours = text(home / "crl" / "former.crl", "DER")
    assert entries(ours) == entries(text(former.folder / "crl.pem", "PEM"))
    assert "X509v3 CRL Number: \n                4661\n" in ours
    with Works(home).db.read() as tx:
        delegates = [x509.load_der_x509_certificate(each.der or b"") for each in
                     records.of_subscriber(tx, OCSP_SUBSCRIBER)]  # fmt: skip
    assert len(delegates) == 2
    delegates[-1].verify_directly_issued_by(former.certificate)
    again = antin(*words, "--apply")
    assert again.returncode == 1
    assert "is configured" in again.stderr


def _bring_key(home: Path, former: Former) -> None:
    """Import the former CA's key into the token, as its owner would, and configure it."""
    token = home / "token"
    settings = (home / FILE).read_text()
    (conf,) = token.glob("*.conf")
    pin = next(each for each in token.glob("*pin*") if "so" not in each.name).read_text().strip()
    key = former.folder / "cakey.pem"
    said = subprocess.run(
        ["softhsm2-util", "--import", key, "--token", "antin", "--label", "former",
         "--id", "F0", "--pin", pin],
        env={"SOFTHSM2_CONF": str(conf), "PATH": "/usr/bin:/bin", **ahead.KEPT},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    uri = next(line for line in settings.splitlines() if line.startswith("issuing = "))
    line = uri.replace("issuing = ", "issuers.former = ").replace("object=issuing", "object=former")
    line = line.replace('"]', '&x-imported=true"]')
    (home / FILE).write_text(settings.replace(uri, f"{uri}\n{line}"))
    assert issuer_role("former") in Works(home).instance.config.keys.by_role()
