"""SoftHSM, the software stand-in for a real HSM: a token in a folder, and how to point at it.

SoftHSM keeps keys in files and has no protected hardware: it is for trials, tests and small
embedded installations, never for a root that others rely on (it has nothing of FIPS 140-3
level 3). Its configuration is named by the process's environment, SOFTHSM2_CONF.
"""

import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from core import durable
from core.errors import Conflict, Invalid, NotFound
from hsm import modules
from hsm.cryptoki import SO
from hsm.pin import Pin
from hsm.uri import KeyUri

_VARIABLE = "SOFTHSM2_CONF"
_CONFIGURATION = "softhsm2.conf"
_PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
)
_PIN_BYTES = 24
_MOST_LABEL_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftToken:
    """A SoftHSM token: what a configuration needs to name keys on it."""

    folder: Path
    module_path: Path
    label: str
    pin_file: Path
    so_pin_file: Path
    configuration: Path

    def uri(self, name: str) -> str:
        """Return the URI of the key labelled `name` on this token."""
        return str(
            KeyUri(
                module_path=self.module_path,
                token=self.label,
                label=name,
                pin_source=f"file:{self.pin_file}",
            )
        )


def module_path() -> Path:
    """Return where SoftHSM's module is installed; raises NotFound when it is not."""
    for place in _PLACES:
        if Path(place).exists():
            return Path(place)
    raise NotFound("SoftHSM is not installed; run apt-get install softhsm2.")


def create_token(folder: Path, label: str, *, module: Path | None = None) -> SoftToken:
    """Make a SoftHSM instance with one token in `folder` and activate it in this process.

    The user's PIN and the security officer's are drawn at random into the files `pin` and
    `so-pin` (0600). A second token in the same folder shares its configuration and gets files
    of its own, `pin.LABEL` and `so-pin.LABEL`. `module` is SoftHSM's library where it is not
    the installed one. Raises Conflict when the label is taken.
    """
    if not label or len(label.encode()) > _MOST_LABEL_BYTES or "/" in label:
        raise Invalid(
            f"The token label {label[:40]!r} must have 1 to {_MOST_LABEL_BYTES} bytes and no '/'."
        )
    folder = folder.absolute()
    _lay_out(folder)
    token = replace(_describe(folder, label), module_path=module or module_path())
    activate(folder, module=module)
    _initialize(token)
    return token


def open_token(folder: Path, label: str) -> SoftToken:
    """Return the token that `create_token` made in `folder`, after activating the folder."""
    activate(folder)
    token = _describe(folder.absolute(), label)
    if not token.pin_file.exists():
        raise NotFound(f"The folder {folder} holds no PIN for a token {label!r}.")
    return token


def activate(folder: Path, *, module: Path | None = None) -> None:
    """Point this process (and those it starts) at the SoftHSM instance in `folder`.

    Repeating it changes nothing. Raises Conflict while keys of another folder are in use,
    because SoftHSM reads its configuration when it is initialised.
    """
    configuration = str(folder.absolute() / _CONFIGURATION)
    if not Path(configuration).exists():
        raise NotFound(f"There is no SoftHSM instance in {folder}: {configuration} is missing.")
    if os.environ.get(_VARIABLE) == configuration:
        return
    loaded = modules.loaded_already(module or module_path())
    if loaded is not None and not loaded.rest():
        raise Conflict(
            f"SoftHSM is in use in this process with {os.environ.get(_VARIABLE)}; it cannot be "
            f"pointed at {configuration}. Close the keyrings first, or start a new process."
        )
    os.environ[_VARIABLE] = configuration


def _lay_out(folder: Path) -> None:
    tokens = folder / "tokens"
    for path in (folder, tokens):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = (
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    if not (folder / _CONFIGURATION).exists():
        durable.write(folder / _CONFIGURATION, configuration.encode(), mode=0o600)


def _describe(folder: Path, label: str) -> SoftToken:
    first = folder / "label"
    if not first.exists():
        durable.write(first, label.encode(), mode=0o600)
    suffix = "" if first.read_text() == label else f".{label}"
    return SoftToken(
        folder=folder,
        module_path=module_path(),
        label=label,
        pin_file=folder / f"pin{suffix}",
        so_pin_file=folder / f"so-pin{suffix}",
        configuration=folder / _CONFIGURATION,
    )


def _initialize(token: SoftToken) -> None:
    """Initialise SoftHSM's free slot; the PINs are durable before the token has them."""
    loaded = modules.load(token.module_path)
    with loaded.exclusively() as module:
        found = [module.token(slot) for slot in module.slots()]
        if any(one.label == token.label for one in found):
            raise Conflict(f"There is a token {token.label!r} in {token.folder} already.")
        for path in (token.pin_file, token.so_pin_file):
            durable.write(path, secrets.token_hex(_PIN_BYTES // 2).encode(), mode=0o600)
        free = next(one.slot for one in found if not one.label)
        with Pin(token.so_pin_file.read_bytes()) as so_pin:
            module.init_token(free, so_pin.buffer, token.label)
            # SoftHSM moves the new token to a slot of another number.
            slot = next(s for s in module.slots() if module.token(s).label == token.label)
            session = module.open_session(slot, writable=True)
            try:
                module.login(session, SO, so_pin.buffer)
                with Pin(token.pin_file.read_bytes()) as pin:
                    module.init_pin(session, pin.buffer)
                module.logout(session)
            finally:
                module.close_session(session)
