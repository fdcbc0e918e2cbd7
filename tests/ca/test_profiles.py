"""Profiles: what is refused on load, each with its own sentence, and what a profile computes."""

from datetime import UTC, datetime

import pytest

from ca import profiles
from core.errors import Invalid, NotFound
from tests.support.authority import PROFILES

LEAF = """
[p]
kind = "subscriber"
most_years = 5
key_usage = ["digital_signature"]
"""
CA = '[p]\nkind = "ca"\nmost_years = 5\nkey_usage = ["key_cert_sign", "crl_sign"]\n'
OCSP = (
    '[p]\nkind = "ocsp"\nmost_years = 1\nkey_usage = ["digital_signature"]\n'
    'extended_key_usage = ["1.3.6.1.5.5.7.3.9"]\n'
)


@pytest.mark.parametrize("text", [LEAF, CA, OCSP])
def test_the_least_profiles_load(text: str) -> None:
    """A profile needs no more than its kind, its years and its usage."""
    assert profiles.load(text).names() == ["p"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[p", "The profiles are not TOML"),
        ("p = 1", "hold 'p' outside of a table"),
        (LEAF + 'name = "q"', "name is the table's own name"),
        (LEAF + "colour = 1", "colour: Extra inputs"),
        (LEAF.replace("subscriber", "person"), "kind: Input should be"),
        (LEAF.replace("most_years = 5", "most_years = 0"), "most_years: Input should be greater"),
        (LEAF.replace("most_years = 5", "most_years = 31"), "most_years: Input should be less"),
        (LEAF.replace("most_years = 5", ""), "most_years: Field required"),
        (LEAF.replace("digital_signature", "signing"), r"key_usage names \['signing'\]"),
        (LEAF.replace('["digital_signature"]', "[]"), r"key_usage names \[\]"),
        (LEAF.replace("digital_signature", "crl_sign"), "only a CA may sign certificates or CRLs"),
        (LEAF + "path_length = 1", "only a CA may sign certificates or CRLs or have"),
        (CA.replace(', "crl_sign"', ""), "a CA needs key_cert_sign and crl_sign"),
        (CA + "path_length = 6", "path_length: Input should be less"),
        (CA + "suspendable = true", "only subscribers' certificates are suspendable"),
        (OCSP.split("extended", maxsplit=1)[0], "OCSPSigning belongs to the ocsp kind"),
        (LEAF + 'extended_key_usage = ["1.3.6.1.5.5.7.3.9"]', "OCSPSigning belongs to the ocsp"),
        (OCSP + "freshest_crl = true", "a responder's certificate points at no CRL"),
        (OCSP + 'crl = "partition"', "a responder's certificate points at no CRL"),
        (LEAF + 'extended_key_usage = ["3.1"]', "extended_key_usage.0: String should match"),
        (LEAF + 'policies = ["1.02"]', "policies.0: String should match"),
        (LEAF + 'policies = ["1.2.3", "1.2.3"]', "policies names something twice"),
        (LEAF + 'keys = ["rsa", "rsa"]', "keys names something twice"),
        (LEAF + "keys = []", "keys is empty"),
        (LEAF + 'keys = ["rsa-1024"]', "keys.0: Input should be"),
        (
            LEAF.replace("digital_signature", "key_encipherment") + 'keys = ["P-256"]',
            "key_usage names nothing that a P-256 key can do",
        ),
        (LEAF + 'signature = "sha1"', "signature: Input should be"),
        (LEAF + 'cps_uri = "https://pki.example.vn/cps"', "cps_uri qualifies a policy"),
        (LEAF + 'policies = ["1.2.3"]\ncps_uri = "ftp://pki"', "cps_uri: String should match"),
        (LEAF + 'crl_url = "https://pki.example.vn/{issuer}.crl"', "crl_url: String should match"),
        (LEAF + 'crl_url = "http://pki.example.vn/a.crl"', r"crl_url has no \{issuer\}"),
        (LEAF + 'issuer_url = "http://pki.example.vn/a.cer"', r"issuer_url has no \{issuer\}"),
        (
            LEAF + 'crl_url = "http://pki.example.vn/{issuer}.crl"\ncrl = "partition"',
            "crl_url is of a full CRL",
        ),
        (LEAF + "caps = [{ since = 2025-04-10, years = 0 }]", "caps.0.years: Input should be"),
        (LEAF + "caps = [{ since = 2025-04-10 }]", "caps.0.years: Field required"),
    ],
)
def test_refused_on_load(text: str, sentence: str) -> None:
    """A profile that contradicts itself or RFC 5280 is refused with what is wrong with it."""
    with pytest.raises(Invalid, match=sentence):
        profiles.load(text)


def test_unknown_profile() -> None:
    """Asking for a profile that is not there names those that are."""
    with pytest.raises(NotFound, match=r"no certificate profile named 'gold'; there are .*staff"):
        PROFILES["gold"]


def test_caps_begin_on_their_civil_day() -> None:
    """Three years instead of five hold from 2025-04-10 00:00 in Vietnam on."""
    profile = PROFILES["organisation"]
    assert profile.years_at(datetime(2025, 4, 9, 16, 59, 59, tzinfo=UTC)) == 5
    assert profile.years_at(datetime(2025, 4, 9, 17, 0, tzinfo=UTC)) == 3


def test_the_last_second() -> None:
    """Both ends of a validity count, and a year from 29 February ends on the 28th."""
    profile = PROFILES["ocsp_responder"]
    start = datetime(2024, 2, 29, 8, 0, tzinfo=UTC)
    assert profile.last_end(start) == datetime(2025, 2, 28, 7, 59, 59, tzinfo=UTC)


def test_namesakes_are_replaced() -> None:
    """Profiles of an instance take the place of the shipped ones of the same name."""
    own = profiles.load(LEAF.replace("[p]", "[staff]"))
    joined = PROFILES | own
    assert joined["staff"] == own["staff"]
    assert joined.names() == PROFILES.names()
