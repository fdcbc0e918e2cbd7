"""A new instance in an empty folder: token, keys, configuration, database, root, issuing CA.

What `antin init` does. The token is SoftHSM, a stand-in for a real HSM; a real CA makes its keys in
a ceremony (`antin ceremony run`) instead.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from app import config, rulebooks, schema, shipped
from app.instance import OCSP_SUBSCRIBER, VAULT_FILE
from app.wiring import VAULT_CONTEXT, Works
from ca import establish
from ca.model import Act, Approval
from core import durable
from core.clock import Clock
from core.errors import Conflict
from hsm import softhsm
from hsm.mechanisms import KeyKind
from policy import vault

TOKEN_FOLDER = "token"  # noqa: S105 - a folder's name
ROOT_YEARS = 25
ISSUING_YEARS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to create; `issuing_years` is 5 unless a replay needs certificates that end later."""

    organisation: str = "Antin Demo"
    responder_url: str = "http://127.0.0.1:8080"
    database_url: str = "sqlite:///antin.db"
    issuing_years: int = ISSUING_YEARS
    root_kind: KeyKind = KeyKind.RSA_4096
    issuing_kind: KeyKind = KeyKind.RSA_2048
    rulebooks: Mapping[str, str] = field(default_factory=shipped.rulebooks)


def create(
    home: Path,
    plan: Plan,
    *,
    clock: Clock | None = None,
    say: Callable[[str], None] = lambda _sentence: None,
) -> Works:
    """Create an instance in `home` and return it; raises Conflict when there is one already.

    `say` is told each step in a sentence; `clock` is for replays alone.
    """
    if (home / config.FILE).exists():
        raise Conflict(
            f"There is an instance in {home} already; choose another folder or remove that one."
        )
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    say("Making a SoftHSM token with a random PIN.")
    token = softhsm.create_token(home / TOKEN_FOLDER, "antin")
    text = _configuration(plan, token)
    config.parse(text, str(home / config.FILE))
    durable.write(home / config.FILE, text.encode(), mode=0o640)
    rulebooks.write(home, plan.rulebooks)
    works = Works(home, clock=clock)
    schema.upgrade(works.instance.database())
    _generate_keys(works, plan, say)
    _establish(works, plan, say)
    certify_responder(works)
    for issuer in ("root", works.instance.config.issuer):
        works.publish_crl(issuer)
    say("The first CRLs are published.")
    return works


def certify_responder(works: Works) -> x509.Certificate:
    """Issue a new certificate for the OCSP responder's key (RFC 6960 4.2.2.2)."""
    issuer = works.issuer()
    now = works.clock.now()
    days = works.instance.config.ocsp.certificate_days
    not_after = min(now + timedelta(days=days), issuer.issuer.not_after)
    issued = establish.certify_responder(
        works.db,
        works.clock,
        issuer,
        establish.public_key(works.key("ocsp")),
        subject=_name(_organisation(issuer.certificate), "OCSP Responder"),
        profile=works.profiles["ocsp_responder"],
        not_after=not_after,
        approval=_approval(OCSP_SUBSCRIBER, "The OCSP responder needs a certificate.", now),
    )
    return x509.load_der_x509_certificate(issued.der or b"")


def _generate_keys(works: Works, plan: Plan, say: Callable[[str], None]) -> None:
    keyring = works.instance.keyring
    for role, kind in (
        ("root", plan.root_kind),
        ("issuing", plan.issuing_kind),
        ("ocsp", KeyKind.P_256),
    ):
        say(f"Generating the {role} key ({kind}) in the token.")
        keyring.generate(role, kind)
    keyring.generate_secret("vault")
    wrapped = keyring.secret("vault").wrap(vault.new_key(), VAULT_CONTEXT)
    durable.write(works.instance.home / VAULT_FILE, wrapped, mode=0o600)


def _establish(works: Works, plan: Plan, say: Callable[[str], None]) -> None:
    now = works.clock.now()
    root = establish.establish_root(
        works.db,
        works.clock,
        works.key("root"),
        name="root",
        subject=_name(plan.organisation, f"{plan.organisation} Root CA"),
        profile=works.profiles["root"],
        not_after=_years(now, ROOT_YEARS),
        urls=works.urls,
        actor="ceremony:init",
    )
    say("The root has signed itself.")
    establish.establish_subordinate(
        works.db,
        works.clock,
        root,
        works.key("issuing"),
        name=works.instance.config.issuer,
        subject=_name(plan.organisation, f"{plan.organisation} Issuing CA"),
        profile=works.profiles["issuing_ca"],
        not_after=_years(now, plan.issuing_years),
        approval=_approval("antin-issuing", "The root certifies the issuing CA.", now),
        urls=works.urls,
    )
    say("The issuing CA has its certificate.")


def _approval(subscriber: str, because: str, now: datetime) -> Approval:
    return Approval(
        decision=f"ceremony-{uuid.uuid4().hex}",
        act=Act.ISSUE,
        subscriber=subscriber,
        serial=None,
        actor="ceremony:init",
        clause="CPS:ceremony",
        because=because,
        rulebook="ceremony",
        at=now,
    )


def _name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _organisation(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)


def _years(start: datetime, years: int) -> datetime:
    return start + timedelta(days=365 * years)


def _configuration(plan: Plan, token: softhsm.SoftToken) -> str:
    keys = "\n".join(
        f'{role} = ["{token.uri(role)}"]' for role in ("root", "issuing", "ocsp", "vault")
    )
    return f"""\
# The configuration of this instance. It holds no secret: pin-source names the file of the PIN.

[database]
url = "{plan.database_url}"

[keys]
{keys}

[softhsm]
folder = "{TOKEN_FOLDER}"

[urls]
responder = "{plan.responder_url}"
"""
