"""Personal data at rest: encrypted with AES-256-GCM, found again by keyed marks.

The data key is 32 random bytes that are kept only wrapped by a key in the token; whoever opens the
vault had it unwrapped there. Each sealed text is bound to its owner, so that it cannot be moved.
"""

import hmac
import json
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import Invalid

KEY_BYTES = 32
_NONCE_BYTES = 12
_WRAPPED_BYTES = KEY_BYTES + 16  # the key and its tag


class Vault:
    """Seals and opens personal data under one data key; nothing of the key is ever printed."""

    def __init__(self, key: bytes) -> None:
        """Use the 32-byte data key `key`; raises Invalid for any other length."""
        if len(key) != KEY_BYTES:
            raise Invalid(f"The vault's data key has {len(key)} bytes; it must have {KEY_BYTES}.")
        self._cipher = AESGCM(_derive(key, b"antin personal data"))
        self._mark_key = _derive(key, b"antin marks")
        self._wrapping = AESGCM(_derive(key, b"antin document files"))

    def seal(self, owner: str, values: Mapping[str, str]) -> bytes:
        """Encrypt `values` for `owner`; the same values never give the same bytes twice."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = json.dumps(dict(values), ensure_ascii=False, sort_keys=True).encode()
        return nonce + self._cipher.encrypt(nonce, text, owner.encode())

    def open(self, owner: str, sealed: bytes) -> dict[str, str]:
        """Decrypt what was sealed for `owner`; raises Invalid when it was changed or moved."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            plain = self._cipher.decrypt(nonce, text, owner.encode())
        except (InvalidTag, ValueError):  # ValueError: cut so short that not even a nonce is left
            raise Invalid(
                f"The personal data of {owner!r} does not open: it was changed, or sealed under "
                "another key."
            ) from None
        values: dict[str, str] = json.loads(plain)
        return values

    def seal_file(self, address: str, content: bytes) -> bytes:
        """Encrypt a file under a new key of its own, which is wrapped by the vault's."""
        key, first, second = new_key(), *(secrets.token_bytes(_NONCE_BYTES) for _ in range(2))
        wrapped = self._wrapping.encrypt(first, key, address.encode())
        return first + wrapped + second + AESGCM(key).encrypt(second, content, address.encode())

    def open_file(self, address: str, sealed: bytes) -> bytes:
        """Decrypt the file that lies at `address`; raises Invalid when it was changed or moved."""
        middle = _NONCE_BYTES + _WRAPPED_BYTES
        try:
            key = self._wrapping.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:middle], address.encode()
            )
            nonce, text = sealed[middle : middle + _NONCE_BYTES], sealed[middle + _NONCE_BYTES :]
            return AESGCM(key).decrypt(nonce, text, address.encode())
        except (InvalidTag, ValueError):
            raise Invalid(
                f"The file {address} does not open: it was changed, moved, or sealed under another "
                "key."
            ) from None

    def mark(self, text: str) -> bytes:
        """Return 32 bytes that are equal for equal texts and tell nothing else."""
        return hmac.digest(self._mark_key, text.encode(), "sha256")


def new_key() -> bytes:
    """Return a new random data key, to be wrapped by the token at once."""
    return secrets.token_bytes(KEY_BYTES)


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)
