"""Signed statements, judged by what others use: a JOSE library, openssl, cryptography."""

import base64
import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey

from app import check, create, statements, worker
from app.instance import STATEMENT_SUBSCRIBER
from app.wiring import Works
from ca import lifecycle, records, statement
from ca.issue import issue
from ca.model import Act, Certificate, HoldSource
from core import audit
from core.clock import SetClock
from core.errors import Invalid, NotFound
from core.reasons import Reason
from hsm.mechanisms import KeyKind
from tests.support import authority
from tests.support.acts import Acts
from tests.support.dossiers import TEXT
from tests.support.terminal import Terminal

HOUR = timedelta(hours=1)


@pytest.fixture
def works(tmp_path: Path, clock: SetClock) -> Iterator[Works]:
    """A new instance at 1 March 2024, 08:00 in Vietnam."""
    plan = create.Plan(
        root_kind=KeyKind.P_256, issuing_kind=KeyKind.P_256, rulebooks={"lcs-2024.toml": TEXT}
    )
    made = create.create(tmp_path / "home", plan, clock=clock)
    yield made
    made.instance.keyring.close()
    made.db.dispose()


@pytest.fixture
def certificate(works: Works, clock: SetClock) -> Certificate:
    """A certificate of KH00001, issued now."""
    return issue(works.db, clock, works.issuer(), authority.order("KH00001", clock.now()))


def _registry() -> jws.JWSRegistry:
    """ES256 alone; joserfc's own limit for headers (512 octets) has no room for x5c."""
    registry = jws.JWSRegistry(algorithms=["ES256"])
    registry.max_header_length = registry.max_payload_length = 64_000
    return registry


def _read(token: str) -> dict[str, Any]:
    """The payload, verified by joserfc with the key of the certificate that came along."""
    signed = jws.deserialize_compact(token, _key(token), registry=_registry())
    assert signed.headers()["typ"] == statement.TYP
    content: dict[str, Any] = json.loads(signed.payload)
    return content


def _key(token: str) -> ECKey:
    spki = _chain(token)[0].public_key()
    return ECKey.import_key(spki.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _chain(token: str) -> list[x509.Certificate]:
    head = token.split(".", maxsplit=1)[0]
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return [x509.load_der_x509_certificate(base64.b64decode(each)) for each in header["x5c"]]


def _sign(works: Works, certificate: Certificate, hours: float) -> dict[str, Any]:
    at = certificate.created_at + hours * HOUR
    return _read(statements.sign(works, certificate.serial, at, actor="operator:lan"))


def test_statement_tells_every_moment(
    works: Works, certificate: Certificate, clock: SetClock
) -> None:
    """Good, held by two grounds, good again, revoked: each instant with its act and its ground."""
    acts, begun = Acts(works.db, clock), clock.now()
    for step in (
        lambda: acts.suspend(certificate, HoldSource.DOSSIER, decision="hold-1"),
        lambda: acts.suspend(certificate, HoldSource.AUTHORITY, decision="hold-2"),
        lambda: acts.restore(certificate, HoldSource.DOSSIER, decision="lift-1"),
        lambda: acts.restore(certificate, HoldSource.AUTHORITY, decision="lift-2"),
        lambda: acts.revoke(certificate, Reason.KEY_COMPROMISE, decision="end"),
    ):
        clock.move_to(clock.now() + HOUR)
        step()
    clock.move_to(clock.now() + HOUR)
    told = {hours: _sign(works, certificate, hours) for hours in (-1, 0.5, 1, 2.5, 3.5, 4, 5, 6)}
    assert {hours: (each["status"], each["act"]) for hours, each in told.items()} == {
        -1: ("not_yet_valid", None),
        0.5: ("good", "issue"),
        1: ("hold", "suspend"),
        2.5: ("hold", "suspend"),
        3.5: ("hold", "suspend"),
        4: ("good", "restore"),
        5: ("revoked", "revoke"),
        6: ("revoked", "revoke"),
    }
    held = told[3.5]
    assert held["since"] == (begun + HOUR).isoformat()
    assert (held["reason"], held["decision"]) == ("certificateHold", "hold-1")
    assert held["clause"] == "130/2018:28(1)(d)"
    assert [(each["source"], each["decision"], each["lifted_by"]) for each in held["holds"]] == [
        ("dossier", "hold-1", "lift-1"),
        ("authority", "hold-2", "lift-2"),
    ]
    assert [each["decision"] for each in told[6]["acts"][1:]] == [
        "hold-1", "hold-2", "lift-1", "lift-2", "end",
    ]  # fmt: skip
    assert told[6]["reason"] == "keyCompromise"
    assert told[6]["asked_at"] == told[6]["produced_at"] == clock.now().isoformat()


def test_statement_names_certificate_and_issuer(works: Works, certificate: Certificate) -> None:
    """It names both by hash, serial and name, and holds nothing of the subscriber."""
    token = statements.sign(works, certificate.serial, works.clock.now(), actor="operator:lan")
    said = _read(token)
    own = x509.load_der_x509_certificate(certificate.der or b"")
    assert said["certificate"]["serial"] == f"{own.serial_number:032X}"
    assert said["certificate"]["sha256"] == own.fingerprint(hashes.SHA256()).hex()
    issuer = works.issuer()
    assert said["issuer"]["name"] == issuer.certificate.subject.rfc4514_string()
    assert said["issuer"]["key_identifier"] == issuer.key_id.hex()
    assert "KH00001" not in json.dumps(said)
    assert "9980580384" not in json.dumps(said)


def test_openssl_verifies_the_chain(works: Works, certificate: Certificate, tmp_path: Path) -> None:
    """The certificates in x5c lead from the signer to the root, as openssl judges."""
    token = statements.sign(works, certificate.serial, works.clock.now(), actor="operator:lan")
    signer, *others = _chain(token)
    with works.db.read() as tx:
        root = x509.load_der_x509_certificate(records.issuer_named(tx, "root").der)
    files = {"signer": [signer], "others": others, "root": [root]}
    for name, each in files.items():
        (tmp_path / name).write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in each))
    said = subprocess.run(
        ["openssl", "verify", "-x509_strict", f"-attime={int(works.clock.now().timestamp())}",
         "-CAfile", "root", "-untrusted", "others", "signer"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert said.stdout == "signer: OK\n", said.stderr
    usage = signer.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.content_commitment
    assert not usage.key_cert_sign


def test_changed_statement_does_not_verify(works: Works, certificate: Certificate) -> None:
    """One changed letter, and the public library refuses it."""
    token = statements.sign(works, certificate.serial, works.clock.now(), actor="operator:lan")
    head, body, signature = token.split(".")
    body = body[:60] + ("A" if body[60] != "A" else "B") + body[61:]
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(f"{head}.{body}.{signature}", _key(token), registry=_registry())


def test_nothing_is_stated_of_the_future(works: Works, certificate: Certificate) -> None:
    """An instant ahead, or a serial that nobody issued, gets no statement."""
    with pytest.raises(Invalid, match="about the future"):
        _sign(works, certificate, 1)
    with pytest.raises(NotFound):
        statements.sign(works, 0x4F, works.clock.now(), actor="operator:lan")


def test_statement_is_audited(works: Works, certificate: Certificate) -> None:
    """That it was stated, of what and to whom, stands in the trail."""
    statements.sign(works, certificate.serial, works.clock.now(), actor="operator:lan")
    with works.db.read() as tx:
        (entry,) = [each for each in audit.entries(tx) if each.act == "statement.sign"]
    assert entry.actor == "operator:lan"
    assert '"status":"good"' in entry.detail


def test_certificate_is_renewed_when_it_must(works: Works, clock: SetClock) -> None:
    """One that was revoked is replaced by the worker; one that lasts to the CA's end is not."""
    assert statements.renew(works) is False
    with works.db.read() as tx:
        (first,) = records.of_subscriber(tx, STATEMENT_SUBSCRIBER)
    assert first.not_after == works.issuer().issuer.not_after
    clock.move_to(clock.now() + HOUR)
    approval = authority.approval(
        Act.REVOKE, STATEMENT_SUBSCRIBER, clock.now(), serial=first.serial
    )
    with works.db.begin() as tx:
        lifecycle.revoke(tx, approval, Reason.SUPERSEDED, clock.now())
    with pytest.raises(NotFound, match="worker --once"):
        statements.sign(works, first.serial, clock.now(), actor="operator:lan")
    assert any(name == "statements' certificate" for name, _ in check.findings(works))
    assert worker.once(works) == []
    told = _read(statements.sign(works, first.serial, clock.now(), actor="operator:lan"))
    assert told["status"] == "revoked"
    assert statements.renew(works) is False


def test_statement_from_the_command_line(tmp_path: Path) -> None:
    """`antin status --signed` prints the statement alone, or writes it to a file."""
    terminal = Terminal(tmp_path / "home")
    with Works(terminal.home).db.read() as tx:
        (own,) = records.of_subscriber(tx, STATEMENT_SUBSCRIBER)
    serial = f"{own.serial:032X}"
    said = terminal.run("status", serial, "--signed")
    assert (said.code, said.err) == (0, "")
    assert _read(said.out.strip())["certificate"]["serial"] == serial
    file = tmp_path / "statement.jws"
    assert terminal.run("status", serial, "--signed", "--out", file).code == 0
    assert _read(file.read_text())["status"] == "good"
    assert terminal.run("status", serial, "--out", file).code == 2
    assert terminal.run("status", serial, "--at", "2999-01-01T00:00:00Z", "--signed").code == 2
    terminal.close()
