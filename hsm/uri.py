"""PKCS#11 URIs (RFC 7512): where a key is, and where its PIN comes from; never the PIN itself.

    pkcs11:token=Antin%20CA;object=issuing?module-path=/usr/lib/softhsm/libsofthsm2.so
        &pin-source=file:/etc/antin/pin

Pure: nothing is loaded or read here.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from core.errors import Invalid

PIN_SCHEMES = ("file", "env", "credential", "prompt")
_PATH = ("token", "object", "id", "serial", "manufacturer", "model", "slot-id")
_QUERY = ("module-path", "pin-source", "x-init-reserved", "x-imported")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ALLOWED = re.compile(r"[A-Za-z0-9\-._~:\[\]@!$'()*+,=&/?|%]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUri:
    """One key's place: module, token, object; absent parts are None.

    `pin_source` is `file:PATH`, `env:NAME`, `credential:NAME` (systemd) or `prompt:`.
    `imported` says that the key may have been made outside of its token (docs/hsm.md, Keys).
    `init_reserved` is a text for C_Initialize that NSS softoken wants (configdir and flags).
    """

    module_path: Path
    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None
    label: str | None = None
    id: bytes | None = None
    pin_source: str | None = None
    init_reserved: str | None = None
    imported: bool = False

    def __str__(self) -> str:
        """Return the URI's text (RFC 7512 2.3); parsing it gives an equal value."""
        named = (
            ("token", self.token),
            ("serial", self.serial),
            ("manufacturer", self.manufacturer),
            ("model", self.model),
            ("slot-id", None if self.slot_id is None else str(self.slot_id)),
            ("object", self.label),
        )
        path = [f"{name}={quote(value, safe='')}" for name, value in named if value is not None]
        if self.id is not None:
            path.append("id=" + "".join(f"%{byte:02X}" for byte in self.id))
        query = [f"module-path={quote_from_bytes(bytes(self.module_path), safe='/')}"]
        if self.pin_source is not None:
            query.append(f"pin-source={quote(self.pin_source, safe=':/')}")
        if self.init_reserved is not None:
            query.append(f"x-init-reserved={quote(self.init_reserved, safe='')}")
        if self.imported:
            query.append("x-imported=true")
        return f"pkcs11:{';'.join(path)}?{'&'.join(query)}"


def parse(text: str) -> KeyUri:
    """Return the place that `text` names.

    Raises Invalid for anything that RFC 7512 or we do not allow: another scheme, an unknown or
    repeated attribute, a wrong escape, no module-path, and a PIN in the URI (pin-value).
    """
    # Said first, and without the text: the URI holds a secret.
    if re.search(r"(^|[?&;:])pin-value=", text, re.IGNORECASE):
        raise Invalid(
            "The key's URI holds a pin-value; a PIN does not belong into configuration. Give a "
            "pin-source (file:PATH, env:NAME, credential:NAME or prompt:) and change the PIN."
        )
    if not text.startswith("pkcs11:"):
        raise Invalid(
            f"The key's URI {_shown(text)} does not begin with 'pkcs11:'; write it as RFC 7512 "
            "does: pkcs11:token=CA;object=issuing?module-path=/usr/lib/softhsm/libsofthsm2.so."
        )
    path, _, query = text.removeprefix("pkcs11:").partition("?")
    attributes = _attributes(path, ";", _PATH, text) | _attributes(query, "&", _QUERY, text)
    if "module-path" not in attributes:
        raise Invalid(f"The key's URI {_shown(text)} names no module; add ?module-path=FILE.")
    return KeyUri(
        module_path=_module(attributes["module-path"], text),
        token=_string(attributes.get("token")),
        serial=_string(attributes.get("serial")),
        manufacturer=_string(attributes.get("manufacturer")),
        model=_string(attributes.get("model")),
        slot_id=_number(attributes.get("slot-id"), text),
        label=_string(attributes.get("object")),
        id=attributes.get("id"),
        pin_source=_pin_source(attributes.get("pin-source")),
        init_reserved=_string(attributes.get("x-init-reserved")),
        imported=_imported(attributes.get("x-imported")),
    )


def _attributes(part: str, mark: str, known: tuple[str, ...], text: str) -> dict[str, bytes]:
    """Return one part's attributes, unescaped."""
    found: dict[str, bytes] = {}
    for item in part.split(mark) if part else ():
        name, equals, value = item.partition("=")
        if not equals or name not in known:
            raise Invalid(
                f"The key's URI {_shown(text)} has the unknown part {item[:40]!r}; known there are "
                f"{', '.join(known)}, each followed by '=' and a value."
            )
        if name in found:
            raise Invalid(f"The key's URI {_shown(text)} names {name} twice; once is enough.")
        if _ESCAPE.search(value) or not _ALLOWED.fullmatch(value):
            raise Invalid(
                f"The value of {name} in the key's URI {_shown(text)} has a character that must be "
                "written as % and two hex digits (RFC 7512 2.3)."
            )
        found[name] = unquote_to_bytes(value)
    return found


def _module(raw: bytes, text: str) -> Path:
    path = Path(_string(raw) or "")
    if not path.is_absolute():
        raise Invalid(
            f"The module-path of the key's URI {_shown(text)} is not absolute; begin it with '/', "
            "so that the working folder cannot decide which code holds the keys."
        )
    return path


def _string(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        value = raw.decode()
    except UnicodeDecodeError:
        raise Invalid(
            f"The bytes {raw[:20].hex()} in a key's URI are not UTF-8; only id may hold any bytes."
        ) from None
    if "\x00" in value:
        raise Invalid("A key's URI holds a NUL byte in a text; remove it.")
    return value


def _number(raw: bytes | None, text: str) -> int | None:
    if raw is None:
        return None
    if not raw.isdigit():
        raise Invalid(f"The slot-id of the key's URI {_shown(text)} is no decimal number.")
    return int(raw)


def _imported(raw: bytes | None) -> bool:
    if raw in (None, b"false"):
        return False
    if raw != b"true":
        raise Invalid("The x-imported of a key's URI is neither true nor false; write one of them.")
    return True


def _pin_source(raw: bytes | None) -> str | None:
    source = _string(raw)
    if source is None:
        return None
    if source.startswith("/"):
        source = f"file:{source}"
    scheme, colon, rest = source.partition(":")
    if not colon or scheme not in PIN_SCHEMES or (not rest and scheme != "prompt"):
        raise Invalid(
            # The value stays out of the sentence: it may be a PIN that was put there by mistake.
            "A key's URI has an unknown pin-source; use file:PATH, env:NAME, credential:NAME or "
            "prompt:."
        )
    return source


def _shown(text: str) -> str:
    """Return the beginning of `text` for an error, made harmless."""
    return repr(text if len(text) <= 100 else text[:100] + "...")  # noqa: PLR2004 - a line's worth
