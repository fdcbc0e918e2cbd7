"""The programs that judge a published CRL; none shares code with the builder."""

import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import asn1crypto.crl
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.crl.stage import Stage, reason
from tests.support import ahead


def agree(stage: Stage, name: str = "issuing.crl", issuer: str = "issuing") -> dict[int, str]:
    """Let five programs examine one CRL; return what all of them read: serials and reasons."""
    path = stage.path(name)
    certificate = dict(zip(("root", "issuing"), stage.chain(), strict=True))[issuer]
    read = x509.load_der_x509_crl(path.read_bytes())
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    assert read.is_signature_valid(key)  # type: ignore[arg-type] # a CA's key
    listed = {each.serial_number: reason(each) for each in read}
    openssl_verifies(path, certificate)
    assert lint(path) == []
    assert asn1crypto_reads(path) == listed
    assert gnutls_reads(path, certificate, read.last_update_utc) == set(listed)
    return listed


def openssl_verifies(path: Path, issuer: Path) -> None:
    """Let openssl verify the signature."""
    said = run("openssl", "crl", "-inform", "DER", "-in", path, "-CAfile", issuer, "-noout")
    assert "verify OK" in said.stderr, said.stderr


def lint(path: Path) -> list[str]:
    """What pkilint has against a CRL, at the level of a warning or worse."""
    program = Path(sys.executable).with_name("lint_crl")
    said = run(program, "lint", "-t", "CRL", "-p", "PKIX", "-s", "WARNING", path)
    return [line for line in (said.stdout + said.stderr).splitlines() if line.strip()]


def asn1crypto_reads(path: Path) -> dict[int, str]:
    """The serials and reasons that asn1crypto reads, strictly."""
    parsed = asn1crypto.crl.CertificateList.load(path.read_bytes(), strict=True)
    tbs = parsed["tbs_cert_list"]
    assert tbs["version"].contents == b"\x01"
    assert tbs["signature"].dump() == parsed["signature_algorithm"].dump()
    found = {}
    for each in tbs["revoked_certificates"]:
        value = each.crl_reason_value
        name = "unspecified" if value is None else value.native
        found[each["user_certificate"].native] = _CAMEL.get(name, name)
    return found


def gnutls_reads(path: Path, issuer: Path, at: datetime) -> set[int]:
    """The serials that GnuTLS reads from a CRL, which it verifies as it would have at that time."""
    der = issuer.with_suffix(".der")
    der.write_bytes(x509.load_pem_x509_certificate(issuer.read_bytes()).public_bytes(Encoding.DER))
    then = ("faketime", f"@{int(at.timestamp())}", "certtool", "--verify-crl", "--inder")
    said = run(*then, "--load-ca-certificate", der, "--infile", path, env=ahead.without())
    assert "Verification output: Verified." in said.stdout, said.stdout + said.stderr
    serials = re.findall(r"Serial Number \(hex\): ([0-9a-f]+)", said.stdout)
    return {int(serial, 16) for serial in serials}


def run(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said."""
    return subprocess.run(
        [str(each) for each in arguments], capture_output=True, text=True, check=False, env=env
    )


_CAMEL = {
    "key_compromise": "keyCompromise",
    "ca_compromise": "cACompromise",
    "affiliation_changed": "affiliationChanged",
    "cessation_of_operation": "cessationOfOperation",
    "certificate_hold": "certificateHold",
    "remove_from_crl": "removeFromCRL",
    "privilege_withdrawn": "privilegeWithdrawn",
    "aa_compromise": "aACompromise",
}
