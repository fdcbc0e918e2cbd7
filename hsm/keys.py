"""Private keys that `cryptography` signs with, and that never leave their token.

They are subclasses of its key classes, so that its certificate, CRL and OCSP builders take them.
A release of `cryptography` may add abstract methods: the contract tests make one of each.
"""

from collections.abc import Iterator, Sequence
from typing import Never, NoReturn, Protocol, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from cryptography.utils import Buffer

from core.errors import Refused
from hsm import mechanisms
from hsm.mechanisms import Message, PublicKey, Scheme


class Holder(Protocol):
    """Who has the key: makes raw signatures, or raises SigningUnavailable when no token can."""

    def sign(self, scheme: Scheme, what: Message) -> bytes:
        """Return the raw signature of one message."""

    def sign_some(self, scheme: Scheme, messages: Sequence[Message]) -> list[bytes]:
        """Return the raw signatures of the first of these messages, of one or more."""


class _OnToken:
    """What the three kinds of key share: they are not copied, not read out, not pickled."""

    name: str
    holder: Holder

    def _sign_all(self, scheme: Scheme, messages: Sequence[Message]) -> Iterator[bytes]:
        done = 0
        while left := messages[done:]:
            made = self.holder.sign_some(scheme, left)
            yield from made
            done += len(made)

    def _refuse_export(self) -> NoReturn:
        raise Refused(
            f"The private key {self.name} does not leave its token.", code="key_not_exportable"
        )

    def private_numbers(self) -> Never:
        """Refuse: the key does not leave its token."""
        self._refuse_export()

    def private_bytes(self, *_: object, **__: object) -> Never:
        """Refuse: the key does not leave its token."""
        self._refuse_export()

    def private_bytes_raw(self) -> Never:
        """Refuse: the key does not leave its token."""
        self._refuse_export()

    def __reduce__(self) -> Never:
        """Refuse to be pickled: the key does not leave its token."""
        self._refuse_export()

    def __copy__(self) -> Self:
        """Return the same key: there is one on the token."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return the same key: there is one on the token."""
        return self

    def __repr__(self) -> str:
        """Name the key by its role."""
        return f"<{type(self).__name__} {self.name}>"


class RsaKey(_OnToken, rsa.RSAPrivateKey):
    """An RSA key on a token; it signs and does nothing else."""

    def __init__(self, name: str, public: rsa.RSAPublicKey, holder: Holder) -> None:
        """Name the key for errors, keep its public half, sign through `holder`."""
        self.name, self._public, self.holder = name, public, holder

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the public half."""
        return self._public

    @property
    def key_size(self) -> int:
        """The modulus's length in bits."""
        return self._public.key_size

    def sign(
        self,
        data: Buffer,
        padding: AsymmetricPadding,
        algorithm: Prehashed | hashes.HashAlgorithm | NoDigestInfo,
    ) -> bytes:
        """Return the signature; raises Refused for a scheme that is not in the table."""
        scheme = mechanisms.rsa_scheme(padding, algorithm, self.key_size)
        return self.holder.sign(scheme, mechanisms.message(bytes(data), algorithm))

    def sign_all(
        self, data: Sequence[bytes], padding: AsymmetricPadding, algorithm: hashes.HashAlgorithm
    ) -> Iterator[bytes]:
        """Yield the signature of each message; raises as `sign` does."""
        scheme = mechanisms.rsa_scheme(padding, algorithm, self.key_size)
        return self._sign_all(scheme, [mechanisms.message(each, algorithm) for each in data])

    def decrypt(self, *_: object, **__: object) -> Never:
        """Refuse: the key signs only."""
        raise Refused(f"The private key {self.name} signs only.", code="key_signs_only")


class EcKey(_OnToken, ec.EllipticCurvePrivateKey):
    """A P-256 or P-384 key on a token; it signs and does nothing else."""

    def __init__(self, name: str, public: ec.EllipticCurvePublicKey, holder: Holder) -> None:
        """Name the key for errors, keep its public half, sign through `holder`."""
        self.name, self._public, self.holder = name, public, holder

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """The curve's order in bits."""
        return self._public.curve.key_size

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the DER signature; raises Refused for a scheme that is not in the table."""
        scheme = mechanisms.ecdsa_scheme(signature_algorithm)
        what = mechanisms.message(bytes(data), signature_algorithm.algorithm)
        return mechanisms.ecdsa_der(self.holder.sign(scheme, what))

    def sign_all(self, data: Sequence[bytes], signature_algorithm: ec.ECDSA) -> Iterator[bytes]:
        """Yield the DER signature of each message; raises as `sign` does."""
        scheme = mechanisms.ecdsa_scheme(signature_algorithm)
        messages = [mechanisms.message(each, signature_algorithm.algorithm) for each in data]
        return map(mechanisms.ecdsa_der, self._sign_all(scheme, messages))

    def exchange(self, *_: object, **__: object) -> Never:
        """Refuse: the key signs only."""
        raise Refused(f"The private key {self.name} signs only.", code="key_signs_only")


class Ed25519Key(_OnToken, ed25519.Ed25519PrivateKey):
    """An Ed25519 key on a token; it signs and does nothing else."""

    def __init__(self, name: str, public: ed25519.Ed25519PublicKey, holder: Holder) -> None:
        """Name the key for errors, keep its public half, sign through `holder`."""
        self.name, self._public, self.holder = name, public, holder

    def public_key(self) -> ed25519.Ed25519PublicKey:
        """Return the public half."""
        return self._public

    def sign(self, data: Buffer) -> bytes:
        """Return the signature of the whole message (RFC 8032 5.1.6)."""
        return self.holder.sign(mechanisms.ED25519, Message(bytes(data), hashed=False))

    def sign_all(self, data: Sequence[bytes]) -> Iterator[bytes]:
        """Yield the signature of each message; raises as `sign` does."""
        messages = [Message(each, hashed=False) for each in data]
        return self._sign_all(mechanisms.ED25519, messages)


PrivateKey = RsaKey | EcKey | Ed25519Key


def private_key(name: str, public: PublicKey, holder: Holder) -> PrivateKey:
    """Return the key object that belongs to `public`, signing through `holder`."""
    if isinstance(public, rsa.RSAPublicKey):
        return RsaKey(name, public, holder)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return EcKey(name, public, holder)
    return Ed25519Key(name, public, holder)
