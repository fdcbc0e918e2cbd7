"""A former CA, run with openssl: index.txt, newcerts, CRL; real certificates adopted by it."""

import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from core import der

_CONFIGURATION = """
[ca]
default_ca = former
[former]
dir = {folder}
database = $dir/index.txt
new_certs_dir = $dir/newcerts
certificate = $dir/cacert.pem
private_key = $dir/cakey.pem
serial = $dir/serial
crlnumber = $dir/crlnumber
default_md = sha256
default_days = 365
default_crl_days = 30
policy = anything
copy_extensions = copy
unique_subject = no
crl_extensions = crl_ext
[anything]
commonName = supplied
[crl_ext]
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
[dn]
[v3_ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""


class Former:
    """The former CA in `folder`; its CRL numbers begin at 0x1233."""

    def __init__(self, folder: Path) -> None:
        """Make its key and certificate."""
        self.folder = folder
        (folder / "newcerts").mkdir(parents=True)
        (folder / "index.txt").touch()
        (folder / "serial").write_text("0A00\n")
        (folder / "crlnumber").write_text("1233\n")
        self._conf = folder.parent / f"{folder.name}.cnf"
        self._conf.write_text(_CONFIGURATION.format(folder=folder))
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650"),
            *("-subj", "/C=VN/O=Former/CN=Former CA", "-extensions", "v3_ca"),
            *("-keyout", folder / "cakey.pem", "-out", folder / "cacert.pem"),
        )
        self._request = folder.parent / f"{folder.name}.csr"

    def issue(self, count: int, *, bits: int = 1024) -> list[str]:
        """Issue certificates with keys of so many bits; return their serials in hex."""
        before = set(self._serials())
        key = self.folder.parent / "subscriber.key"
        for number in range(count):
            self._openssl(
                *("req", "-new", "-newkey", f"rsa:{bits}", "-nodes", "-keyout", key),
                *("-subj", f"/CN=Customer {len(before) + number}", "-out", self._request),
            )
            self._openssl("ca", "-batch", "-notext", "-in", self._request)
        return sorted(set(self._serials()) - before)

    def revoke(self, serial: str, reason: str) -> None:
        """Revoke a certificate, or put it on hold."""
        self._openssl(
            "ca", "-revoke", self.folder / "newcerts" / f"{serial}.pem", "-crl_reason", reason
        )

    def crl(self) -> Path:
        """Sign a CRL; return its file."""
        path = self.folder / "crl.pem"
        self._openssl("ca", "-gencrl", "-out", path)
        return path

    @property
    def key(self) -> rsa.RSAPrivateKey:
        """The CA's key."""
        key = load_pem_private_key((self.folder / "cakey.pem").read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    @property
    def certificate(self) -> x509.Certificate:
        """The CA's certificate."""
        return x509.load_pem_x509_certificate((self.folder / "cacert.pem").read_bytes())

    def adopt(self, pem: bytes) -> bytes:
        """Return a certificate as it is, but for its issuer and signature, in PEM."""
        tbs = x509.load_pem_x509_certificate(pem).tbs_certificate_bytes
        parts = [part for _, part in der.children(tbs)]
        parts[2] = _SHA256_RSA
        parts[3] = self.certificate.subject.public_bytes()
        made = der.sequence(*parts)
        signature = self.key.sign(made, padding.PKCS1v15(), hashes.SHA256())
        whole = der.sequence(made, _SHA256_RSA, der.bit_string(signature))
        return x509.load_der_x509_certificate(whole).public_bytes(Encoding.PEM)

    def _serials(self) -> list[str]:
        return [path.stem for path in (self.folder / "newcerts").glob("*.pem")]

    def _openssl(self, command: str, *words: object) -> None:
        done = subprocess.run(
            ["openssl", command, "-config", str(self._conf), *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


_SHA256_RSA = der.sequence(der.oid("1.2.840.113549.1.1.11"), b"\x05\x00")


def entries(printed: str) -> dict[str, str]:
    """Serial and the rest of each entry, as openssl prints them."""
    _, *found = printed.split("Serial Number: ")
    return {
        entry.split("\n")[0]: " ".join(entry.split("Signature Algorithm")[0].split()[1:])
        for entry in found
    }


def text(path: Path, form: str) -> str:
    """A CRL as openssl prints it."""
    return subprocess.run(
        ["openssl", "crl", "-inform", form, "-noout", "-text", "-in", path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
