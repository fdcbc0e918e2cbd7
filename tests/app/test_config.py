"""The configuration: read strictly, refused with the key's name, and without any value in it."""

from pathlib import Path

import pytest

from app import config
from core.errors import Invalid, NotFound

GOOD = """
[database]
url = "sqlite:///antin.db"
[keys]
issuing = ["pkcs11:object=issuing"]
ocsp = ["pkcs11:object=ocsp"]
vault = ["pkcs11:object=vault"]
[urls]
responder = "http://pki.example.vn"
"""


def _with(line: str, under: str = "") -> str:
    """Return the good configuration with a line in a table, or with a table more."""
    return GOOD.replace(f"[{under}]\n", f"[{under}]\n{line}\n") if under else f"{GOOD}\n{line}\n"


def _email(lines: str, sender: str = "hoso@lcs.example") -> str:
    """Return the tables of notices by e-mail."""
    head = '[notices]\norder = ["email"]\n[notices.email]'
    return f'{head}\nsender = "{sender}"\n{lines}'


def _sms(url: str) -> str:
    """Return the tables of notices by SMS."""
    return f'[notices]\norder = ["sms"]\n[notices.sms]\nurl = "{url}"'


def test_what_is_left_out_has_its_default() -> None:
    """Database, keys and address are enough; everything else has a default that fits."""
    found = config.parse(GOOD, "here")
    assert found.issuer == "issuing"
    assert found.listen.responder == "127.0.0.1:8080"
    assert (found.crl.valid_hours, found.crl.every_hours) == (48, 12)
    assert (found.hsm.seconds, found.hsm.sessions) == (5.0, 8)
    assert found.softhsm is None


def test_roles_without_a_key_are_left_out() -> None:
    """A root key that is kept elsewhere is no role of this process."""
    assert sorted(config.parse(GOOD, "here").keys.by_role()) == ["issuing", "ocsp", "vault"]


def test_one_role_may_have_several_tokens() -> None:
    """Copies of a key on several tokens are several URIs of one role."""
    text = GOOD.replace('["pkcs11:object=ocsp"]', '["pkcs11:token=a", "pkcs11:token=b"]')
    assert config.parse(text, "here").keys.ocsp == ("pkcs11:token=a", "pkcs11:token=b")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"colour = 1\n{GOOD}", "colour"),
        (_with("colour = 1", "keys"), "keys.colour"),
        (_with("[crl]\nvalid_hours = 0"), "crl.valid_hours"),
        (_with("[crl]\nvalid_hours = 12"), "crl"),
        (_with("[crl]\nevery_hours = 25"), "crl.every_hours"),
        (_with("[crl]\nsettle_seconds = 56"), "crl.settle_seconds"),
        (_with("[crl]\npartitions = 10001"), "crl.partitions"),
        (_with('[crl]\non_change = "delta"'), "crl"),
        (_with("[notices]\norder = []"), "notices"),
        (_with('[notices]\norder = ["folder", "folder"]'), "notices"),
        (_with('[notices]\norder = ["email"]'), "notices"),
        (_with('[notices]\norder = ["pigeon"]'), "notices.order.0"),
        (_with(_email('host = "mail.example"\nsecurity = "none"')), "notices.email"),
        (_with(_email('host = "mail.example"\nuser = "antin"')), "notices.email"),
        (_with(_email('host = "mail example"')), "notices.email.host"),
        (
            _with(_email('host = "mail.example"\nuser = "a"\npassword = "secret"')),
            "notices.email.password",
        ),
        (_with(_email('host = "mail.example"', "a@b.vn\\r\\nBcc: c@d.vn")), "notices.email.sender"),
        (
            _with('[notices]\norder = ["sms"]\n[notices.sms]\nurl = "http://sms.example/"'),
            "notices.sms",
        ),
        (
            _with('[notices]\norder = ["sms"]\n[notices.sms]\nurl = "https://u:p@sms.example/"'),
            "notices.sms.url",
        ),
        (_with("[crl]\nretention_days = 29"), "crl.retention_days"),
        (_with('[crl]\nbucket = { name = "A B" }'), "crl.bucket.name"),
        (_with('[crl]\nbucket = { name = "crls", secret = "x" }'), "crl.bucket.secret"),
        (_with("[ocsp]\nvalid_hours = 7"), "ocsp.valid_hours"),
        (_with("[ocsp]\ncertificate_days = 366"), "ocsp.certificate_days"),
        (_with('[listen]\nportal = "8081"'), "listen.portal"),
        (_with('[listen]\nportal = "127.0.0.1:65536"'), "listen.portal"),
        (_with('[listen]\nportal = "a b:80"'), "listen.portal"),
        (_with("[hsm]\nseconds = 0.4"), "hsm.seconds"),
        (_with("[hsm]\nseconds = 61"), "hsm.seconds"),
        (_with("[hsm]\nseconds = nan"), "hsm.seconds"),
        (_with("[hsm]\nsessions = 0"), "hsm.sessions"),
        (_with("[hsm]\nsessions = 65"), "hsm.sessions"),
        (_with("[hsm]\npin = 1234"), "hsm.pin"),
        (GOOD.replace("http://", "https://"), "urls.responder"),
        (GOOD.replace("pki.example.vn", "pki.example.vn/?x"), "urls.responder"),
        (GOOD.replace("sqlite:///", "mysql://"), "database.url"),
        (GOOD.replace("antin.db", ""), "database.url"),
        (GOOD.replace("[database]", "[data]"), "database"),
        (f'issuer = "Issuing CA"\n{GOOD}', "issuer"),
        (f'issuer = "../root"\n{GOOD}', "issuer"),
    ],
)
def test_nonsense_is_refused_by_its_key(text: str, key: str) -> None:
    """An unknown key or a value out of its range is refused with the key and the file."""
    with pytest.raises(Invalid, match=rf"^The configuration here is refused at {key}: \S.*\.$"):
        config.parse(text, "here")


def test_list_that_runs_out_before_the_next_is_refused() -> None:
    """A CRL must be valid for longer than until the next one is made."""
    with pytest.raises(Invalid, match="valid for 6 h runs out before the next one, made every 12"):
        config.parse(_with("[crl]\nvalid_hours = 6"), "here")


def test_values_are_not_quoted() -> None:
    """A refusal names the key only: the value may hold a password."""
    text = GOOD.replace("sqlite:///antin.db", "postgres://antin:geheim@db/antin")
    with pytest.raises(Invalid) as refused:
        config.parse(text, "here")
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("content", [b"[database", b"\xff\xfe", b"url = \x00"])
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no TOML, or not even text, is refused with its path."""
    path = tmp_path / config.FILE
    path.write_bytes(content)
    with pytest.raises(Invalid, match=f"The configuration {path} is not "):
        config.read(tmp_path)


def test_missing_configuration_names_the_command(tmp_path: Path) -> None:
    """Where there is no configuration, the sentence says how an instance is made."""
    with pytest.raises(NotFound, match=r"Run `antin init` first\."):
        config.read(tmp_path)


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/antin.db", "postgresql+psycopg://antin@db/antin"]
)
@pytest.mark.parametrize("responder", ["http://a", "http://[::1]:8080", "http://pki.vn/status"])
def test_good_addresses_are_taken(url: str, responder: str) -> None:
    """Both databases, and addresses with port or path, are taken as they are written."""
    text = GOOD.replace("sqlite:///antin.db", url).replace("http://pki.example.vn", responder)
    found = config.parse(text, "here")
    assert (found.database.url, found.urls.responder) == (url, responder)
