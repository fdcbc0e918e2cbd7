"""Keys that tell when they are used: for tokens that are slow, away, or not asked at all."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa


class RsaKey(rsa.RSAPrivateKey):
    """An RSA key in memory that calls `before` each time it is about to sign."""

    def __init__(self, key: object, before: Callable[[], None]) -> None:
        """Sign with `key`."""
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key, self._before = key, before

    @property
    def key_size(self) -> int:
        """The length of the modulus in bits."""
        return self._key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        """The public half."""
        return self._key.public_key()

    def sign(self, *what: Any) -> bytes:
        """Tell, then sign."""
        self._before()
        return self._key.sign(*what)

    def _no(self, *_: object, **__: object) -> Any:
        raise NotImplementedError

    decrypt = private_numbers = private_bytes = __copy__ = __deepcopy__ = _no


class ManyRsaKey(RsaKey):
    """The same key, of the kind that signs many messages together."""

    def sign_all(self, data: Sequence[bytes], *how: Any) -> Iterator[bytes]:
        """Sign each as it is asked for."""
        return (self.sign(each, *how) for each in data)
