"""A key ceremony, carried out and written down: keys, certificates, first CRLs, transcript.

It overwrites nothing: a key or a transcript that is there already ends it before its first step.
The transcript is text for people and, in one JWS signed by the audit key, JSON for programs.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app import responders, schema, statements
from app.instance import VAULT_FILE
from app.script import Script
from app.wiring import VAULT_CONTEXT, Works
from ca import establish, issuers, records
from ca.issuers import SigningIssuer
from ca.model import Act, Approval
from core import durable, jws, serials
from core.errors import Conflict, Invalid
from hsm import ceremony as key_holder
from policy import vault

FOLDER = "ceremony"
TYP = "antin-ceremony+jws"
REQUEST = "issuing.csr"


@dataclass(slots=True)
class Transcript:
    """What was done, in order; every entry is plain JSON."""

    script: Script
    began_at: datetime
    steps: list[dict[str, Any]] = field(default_factory=list)

    def note(self, what: str, at: datetime, **facts: object) -> None:
        """Write down one step with what it made and which checks it passed."""
        self.steps.append(
            {"step": len(self.steps) + 1, "at": at.isoformat(), "what": what, **facts}
        )


class Conductor:
    """Carries a script out over one instance; `say` is told each step in a sentence."""

    def __init__(self, works: Works, script: Script, say: Callable[[str], None]) -> None:
        """Prepare; nothing is done yet."""
        self._works, self._script, self._say = works, script, say
        self._folder = works.instance.home / FOLDER
        self._transcript = Transcript(script, works.clock.now())

    def check(self) -> list[str]:
        """Return the steps that `run` would do; raises Conflict when something is in the way."""
        if self._folder.exists():
            raise Conflict(f"There is a transcript in {self._folder}; a ceremony is held once.")
        if (self._works.instance.home / VAULT_FILE).exists():
            raise Conflict(f"There is a vault in {self._works.instance.home} already.")
        keyring = self._works.instance.keyring
        for plan in self._script.made():
            if plan.wrappable:
                key_holder.require_named_imported(keyring, plan.role)
            key_holder.require_no_key(keyring, plan.role)
        return self._script.steps()

    def run(self) -> Path:
        """Hold the ceremony; return the folder of its transcript and outputs."""
        self.check()
        unchecked = self._works.instance.database()
        schema.upgrade(unchecked)
        unchecked.dispose()
        self._folder.mkdir(mode=0o750)
        self._make_keys()
        if self._script.root is None:
            self._request()
        else:
            self._certify()
            self._finish()
        self._write_transcript()
        return self._folder

    def _make_keys(self) -> None:
        keyring = self._works.instance.keyring
        for plan in self._script.made():
            if plan.kind is None:
                record = key_holder.make_secret(keyring, plan.role, wrappable=plan.wrappable)
            else:
                record = key_holder.make_key(
                    keyring, plan.role, plan.kind, wrappable=plan.wrappable
                )
            self._done(f"Made {plan}.", key=asdict(record))
        wrapped = keyring.secret("vault").wrap(vault.new_key(), VAULT_CONTEXT)
        durable.write(self._works.instance.home / VAULT_FILE, wrapped, mode=0o600)
        self._done("Wrapped a data key under the vault key.")

    def _certify(self) -> None:
        works, script = self._works, self._script
        if script.root is None:
            raise Invalid("The script has no root.")
        now = works.clock.now()
        root = establish.establish_root(
            works.db,
            works.clock,
            works.key("root"),
            name="root",
            subject=script.root.subject.name(),
            profile=works.profiles["root"],
            not_after=_years(now, script.root.years),
            urls=works.urls,
            actor=_ACTOR,
        )
        self._output("The root signed itself.", "root.cer", root, root.certificate)
        issuing = establish.establish_subordinate(
            works.db,
            works.clock,
            root,
            works.key("issuing"),
            name=works.instance.config.issuer,
            subject=script.issuing.subject.name(),
            profile=works.profiles["issuing_ca"],
            not_after=_years(now, script.issuing.years),
            approval=approval("antin-issuing", "The root certifies the issuing CA.", now),
            urls=works.urls,
        )
        self._output("The root certified the issuing CA.", "issuing.cer", issuing, root.certificate)

    def _request(self) -> None:
        key = self._works.key("issuing")
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise Invalid("A CA's request is signed by an RSA or EC key.")
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(self._script.issuing.subject.name())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        content = request.public_bytes(Encoding.PEM)
        durable.write(self._folder / REQUEST, content)
        self._done(
            "Wrote the issuing CA's request for the external root.",
            output=REQUEST,
            sha256=hashlib.sha256(content).hexdigest(),
            checks=["possession: the request's signature verifies under its key"]
            if request.is_signature_valid
            else [],
        )

    def accept(self, certificate: bytes, root: bytes) -> Path:
        """Go on after an external root certified the request; return the folder.

        Raises Refused when the certificate is not for our key, not a CA's, or not by `root`.
        """
        works = self._works
        if not (self._folder / REQUEST).exists():
            raise Conflict(f"No request waits in {self._folder}; hold the first part first.")
        anchor = x509.load_pem_x509_certificate(root)
        recorded = establish.accept_subordinate(
            works.db,
            works.clock,
            x509.load_pem_x509_certificate(certificate),
            anchor,
            key=works.key("issuing"),
            name=works.instance.config.issuer,
            actor=_ACTOR,
        )
        loaded = issuers.load(recorded, works.key("issuing"), works.urls)
        self._output("Accepted the external root's certificate.", "issuing.cer", loaded, anchor)
        self._finish()
        self._write_transcript("accepted")
        return self._folder

    def _finish(self) -> None:
        works = self._works
        certificate = responders.certify(works)
        self._done(
            "Certified the OCSP responder.", sha256=certificate.fingerprint(hashes.SHA256()).hex()
        )
        signer = statements.certify(works)
        self._done(
            "Certified the signer of statements.", sha256=signer.fingerprint(hashes.SHA256()).hex()
        )
        with works.db.read() as tx:
            names = [each.name for each in records.issuers(tx)]
        for name in names:
            published = works.publish_crl(name)
            numbers = [crl.number for crl in published.crls] if published else []
            self._done(f"Published the first CRL of {name}.", numbers=numbers)

    def _output(self, what: str, name: str, made: SigningIssuer, by: x509.Certificate) -> None:
        """Write a CA certificate, read it back, and note what was checked on what was read."""
        path = self._folder / name
        durable.write(path, made.issuer.der)
        content = path.read_bytes()
        written = x509.load_der_x509_certificate(content)
        written.verify_directly_issued_by(by)
        if written.public_key() != made.key.public_key():
            raise Invalid(f"The certificate in {path} is not for the token's key.")
        self._done(
            what,
            output=name,
            sha256=hashlib.sha256(content).hexdigest(),
            serial=serials.to_hex(written.serial_number),
            checks=[
                f"signed by {by.subject.rfc4514_string()}",
                "its key is the key in the token",
                "read back as written",
            ],
        )

    def _done(self, what: str, **facts: object) -> None:
        self._transcript.note(what, self._works.clock.now(), **facts)
        self._say(what)

    def _write_transcript(self, name: str = "transcript") -> None:
        key = self._works.audit_key()
        content = _plain(self._transcript, self._works.clock.now())
        public = key.public_key()
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        signed = jws.sign(key, content, typ=TYP, header={"kid": hashlib.sha256(spki).hexdigest()})
        durable.write(self._folder / f"{name}.txt", _text(content).encode())
        durable.write(self._folder / f"{name}.jws", signed.encode())
        durable.write(
            self._folder / "audit.pub",
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )


def approval(subscriber: str, because: str, now: datetime) -> Approval:
    """Return the officer's word for issuing a certificate to ourselves."""
    return Approval(
        decision=f"ceremony-{uuid.uuid4().hex}",
        act=Act.ISSUE,
        subscriber=subscriber,
        serial=None,
        actor=_ACTOR,
        clause="CPS:ceremony",
        because=because,
        rulebook="ceremony",
        at=now,
    )


_ACTOR = "ceremony:officers"


def _years(start: datetime, years: int) -> datetime:
    return start + timedelta(days=365 * years)


def _plain(transcript: Transcript, ended_at: datetime) -> dict[str, Any]:
    return {
        "script": transcript.script.model_dump(mode="json"),
        "began_at": transcript.began_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "steps": transcript.steps,
    }


def fact_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return a line for each fact of a transcript, as people read it."""
    return [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items()]


def _text(content: dict[str, Any]) -> str:
    ceremony = content["script"]["ceremony"]
    lines = [ceremony["title"], ceremony["place"], ""]
    lines += [f"Present: {each['name']} ({each['role']})" for each in ceremony["present"]]
    lines += [f"Began {content['began_at']}", f"Ended {content['ended_at']}", ""]
    for step in content["steps"]:
        lines.append(f"{step['step']}. {step['at']}  {step['what']}")
        facts = {key: step[key] for key in step if key not in ("step", "at", "what")}
        lines += [f"     {line}" for line in fact_lines(facts)]
    lines += ["", *(f"Signature of {each['name']}: ____________" for each in ceremony["present"])]
    return "\n".join(lines) + "\n"
