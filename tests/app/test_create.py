"""A new instance: everything in place, private, verifiable; and nothing left of a refused one."""

import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from app import config, create
from app.instance import CRL_FOLDER, OCSP_SUBSCRIBER, VAULT_FILE
from app.wiring import Works
from ca import records
from core import audit
from core.clock import SetClock
from core.errors import Conflict, Invalid, Refused
from hsm.mechanisms import KeyKind
from tests.app.conftest import antin
from tests.support.dossiers import TEXT

PLAN = create.Plan(
    root_kind=KeyKind.P_256, issuing_kind=KeyKind.P_256, rulebooks={"lcs-2024.toml": TEXT}
)

Make = Callable[..., Works]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the instance shall be."""
    return tmp_path / "home"


@pytest.fixture
def make(home: Path, clock: SetClock) -> Iterator[Make]:
    """Creates the instance, with changes to the plan; closes it after the test."""
    with ExitStack() as until_the_end:

        def made(**changes: object) -> Works:
            works = create.create(home, replace(PLAN, **changes), clock=clock)  # type: ignore[arg-type] # the tests' own values
            until_the_end.callback(works.db.dispose)
            until_the_end.callback(works.instance.keyring.close)
            return works

        yield made


def test_chain_verifies(make: Make) -> None:
    """Root, issuing CA and responder certificate verify one under the other."""
    works = make()
    with works.db.read() as tx:
        root, issuing = (x509.load_der_x509_certificate(each.der) for each in records.issuers(tx))
        (delegate,) = records.of_subscriber(tx, OCSP_SUBSCRIBER)
    root.verify_directly_issued_by(root)
    issuing.verify_directly_issued_by(root)
    x509.load_der_x509_certificate(delegate.der or b"").verify_directly_issued_by(issuing)


def test_first_crls_are_out(make: Make) -> None:
    """Each issuer has its first CRL, signed by its own key and empty."""
    works = make()
    for name in ("root", "issuing"):
        crl = x509.load_der_x509_crl(
            (works.instance.home / CRL_FOLDER / f"{name}.crl").read_bytes()
        )
        assert crl.is_signature_valid(works.issuer(name).certificate.public_key())  # type: ignore[arg-type] # P-256
        assert len(list(crl)) == 0


def test_secrets_are_private(make: Make, home: Path) -> None:
    """Folder, PINs and the wrapped vault key are readable by their owner alone."""
    make()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    secrets = [*(home / create.TOKEN_FOLDER).glob("*pin*"), home / VAULT_FILE]
    assert len(secrets) >= 3
    assert {stat.S_IMODE(each.stat().st_mode) for each in secrets} == {0o600}


def test_configuration_holds_no_secret(make: Make, home: Path) -> None:
    """The configuration names where the PIN is read from, and not the PIN; it can be read again."""
    make()
    text = (home / config.FILE).read_text()
    for each in (home / create.TOKEN_FOLDER).glob("*pin*"):
        assert each.read_text().strip() not in text
    assert "pin-source=file:" in text
    assert config.read(home).issuer == "issuing"


def test_vault_opens_in_another_process(make: Make, home: Path, clock: SetClock) -> None:
    """What was sealed before a restart opens after it: the data key is unwrapped by the token."""
    sealed = make().vault.seal("KH00001", {"phone": "0987"})
    again = Works(home, clock=clock)
    assert again.vault.open("KH00001", sealed) == {"phone": "0987"}
    again.instance.keyring.close()


def test_steps_are_audited(make: Make) -> None:
    """The trail begins with the issuers that were established."""
    works = make()
    with works.db.read() as tx:
        subjects = [each.subject for each in audit.entries(tx) if each.act == "issuer.establish"]
    assert subjects == ["issuer:root", "issuer:issuing"]


def test_second_instance_is_refused(make: Make, home: Path) -> None:
    """Where an instance is, no other is made, and the first is left as it was."""
    make()
    before = {each: each.read_bytes() for each in home.rglob("*") if each.is_file()}
    with pytest.raises(Conflict, match="There is an instance in"):
        make()
    after = {each: each.read_bytes() for each in home.rglob("*") if each.is_file()}
    assert after == before


@pytest.mark.parametrize(
    "change",
    [
        {"database_url": "mysql://db/antin"},
        {"database_url": 'sqlite:///a"b.db'},
        {"responder_url": "https://pki.example.vn"},
        {"organisation": "Ấ" * 60},
        {"organisation": " "},
    ],
)
def test_impossible_plan_leaves_nothing(make: Make, home: Path, change: dict[str, str]) -> None:
    """A plan that cannot be carried out is refused before a token or a folder is made."""
    with pytest.raises((Invalid, Refused)):
        make(**change)
    assert not home.exists()


def test_vietnamese_name_of_a_ca(make: Make) -> None:
    """A CA's name of 58 Vietnamese characters, more than 64 octets, is kept whole."""
    name = "CÔNG TY CỔ PHẦN CHỨNG THỰC CHỮ KÝ SỐ VIỆT NAM"
    issuer = make(organisation=name).issuer().certificate
    (kept,) = issuer.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert kept.value == name


def test_on_postgresql(make: Make, postgres_url: str) -> None:
    """The same instance is made on an empty PostgreSQL database."""
    works = make(database_url=postgres_url)
    with works.db.read() as tx:
        assert [each.name for each in records.issuers(tx)] == ["root", "issuing"]


def test_init_from_the_command_line(tmp_path: Path) -> None:
    """`antin init` says each step, ends with 0, and refuses with a sentence where one is."""
    home = tmp_path / "srv" / "antin"
    first = antin(
        "--home", home, "init", "--organisation", "ACME CA", "--url", "http://pki.acme.vn"
    )
    assert first.returncode == 0, first.stderr
    assert "The instance is in" in first.stdout
    pin = next((home / create.TOKEN_FOLDER).glob("pin*")).read_text().strip()
    assert pin not in first.stdout + first.stderr
    second = antin("--home", home, "init")
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith("There is an instance in ")
    refused = antin("--home", tmp_path / "other", "init", "--database", "mysql://db")
    assert refused.returncode == 2
    assert refused.stderr.startswith("The configuration ")
    assert not (tmp_path / "other").exists()
