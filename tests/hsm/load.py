"""Threads that sign without a pause, verify each signature, and count what happens."""

import threading
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from core.errors import SigningUnavailable

_SHA256 = hashes.SHA256()
_PKCS1 = padding.PKCS1v15()


def sign(key, data=b"message"):
    """Sign and verify once."""
    if isinstance(key, rsa.RSAPrivateKey):
        key.public_key().verify(key.sign(data, _PKCS1, _SHA256), data, _PKCS1, _SHA256)
    else:
        key.public_key().verify(key.sign(data, ec.ECDSA(_SHA256)), data, ec.ECDSA(_SHA256))


def sign_many(key, messages):
    """Sign many messages together, and verify each in its place."""
    rsa_key = isinstance(key, rsa.RSAPrivateKey)
    how = (_PKCS1, _SHA256) if rsa_key else (ec.ECDSA(_SHA256),)
    made = list(key.sign_all(messages, *how))
    for message, signature in zip(messages, made, strict=True):
        key.public_key().verify(signature, message, *how)


def signs_again(key, within=10.0):
    """Sign until it works; return the seconds that it took."""
    start = time.monotonic()
    while True:
        try:
            sign(key)
            return time.monotonic() - start
        except SigningUnavailable:
            assert time.monotonic() - start < within, "the token did not recover"
            time.sleep(0.02)


class Load:
    """A load on one key, for the length of a `with` block."""

    def __init__(self, key, threads=4):
        self.key, self.signed, self.failed, self.wrong = key, 0, 0, []
        self.longest = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]

    def __enter__(self):
        """Begin to sign."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        """Stop signing."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self):
        while not self._stop.is_set():
            start = time.monotonic()
            try:
                sign(self.key)
                self.signed += 1
            except SigningUnavailable:
                self.failed += 1
                time.sleep(0.005)
            except Exception as error:  # noqa: BLE001 - anything else is what we look for
                self.wrong.append(error)
            self.longest = max(self.longest, time.monotonic() - start)

    def wait_for(self, more, within=15.0):
        """Wait for so many more signatures."""
        goal, end = self.signed + more, time.monotonic() + within
        while self.signed < goal:
            assert time.monotonic() < end, f"{self.signed} signed, {self.failed} failed"
            time.sleep(0.01)
