"""A new instance in an empty folder: token, keys, configuration, database, root, issuing CA.

What `antin init` does. The token is SoftHSM, a stand-in for a real HSM; a real CA makes its keys in
a ceremony (`antin ceremony run`) instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.x509.oid import NameOID

from app import config, rulebooks, shipped
from app.ceremony import Conductor
from app.script import Authority, Ceremony, Person, Script, Subject
from app.wiring import Works
from ca.names import MOST_CHARACTERS
from core import durable
from core.clock import Clock
from core.errors import Conflict, Invalid
from hsm import softhsm
from hsm.mechanisms import KeyKind

TOKEN_FOLDER = "token"  # noqa: S105 - a folder's name
ROLES = ("root", "issuing", "ocsp", "vault", "audit")
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
    planned = script(plan)
    works = prepare(home, plan, clock=clock, say=say)
    Conductor(works, planned, say).run()
    return works


def prepare(
    home: Path,
    plan: Plan,
    *,
    clock: Clock | None = None,
    say: Callable[[str], None] = lambda _sentence: None,
) -> Works:
    """Make the token, the configuration and the rulebooks: all that comes before a ceremony.

    A plan that cannot be carried out is refused (Invalid) before anything is made.
    """
    if (home / config.FILE).exists():
        raise Conflict(
            f"There is an instance in {home} already; choose another folder or remove that one."
        )
    config.parse(_configuration(plan, "pkcs11:object={}".format), str(home / config.FILE))
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    say("Making a SoftHSM token with a random PIN.")
    token = softhsm.create_token(home / TOKEN_FOLDER, "antin")
    text = _configuration(plan, token.uri)
    durable.write(home / config.FILE, text.encode(), mode=0o640)
    rulebooks.write(home, plan.rulebooks)
    return Works(home, clock=clock)


def script(plan: Plan) -> Script:
    """Return the ceremony of an embedded instance: nobody is present but the program."""
    organisation = plan.organisation
    longest = f"{organisation} Issuing CA"
    if not organisation.strip() or len(longest) > MOST_CHARACTERS[NameOID.COMMON_NAME]:
        raise Invalid(
            f"The CA's name {longest!r} has {len(longest)} characters; it must name an "
            f"organisation in at most {MOST_CHARACTERS[NameOID.COMMON_NAME]} (RFC 5280 Appendix A)."
        )
    nobody = Person(name="antin init", role="unattended, not a ceremony that others rely on")
    return Script(
        ceremony=Ceremony(title=f"Embedded keys of {organisation}", present=(nobody,)),
        root=Authority(
            key=plan.root_kind,
            subject=Subject(organisation=organisation, common_name=f"{organisation} Root CA"),
            years=ROOT_YEARS,
        ),
        issuing=Authority(
            key=plan.issuing_kind,
            subject=Subject(organisation=organisation, common_name=f"{organisation} Issuing CA"),
            years=plan.issuing_years,
        ),
    )


def _configuration(plan: Plan, uri: Callable[[str], str]) -> str:
    keys = "\n".join(f'{role} = ["{uri(role)}"]' for role in ROLES)
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
