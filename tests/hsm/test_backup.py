"""Keys travel between tokens wrapped, and only those that were made to travel."""

import dataclasses
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from core.errors import Conflict, Invalid, NotFound, Refused
from hsm import backup
from hsm.codes import Attribute
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind
from hsm.wrapping import share_wrapping_key
from tests.hsm import vendors

SHA256 = hashes.SHA256()


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """A keyring with two tokens of one SoftHSM: roles on the first, and their copies."""
    first, second = two_tokens(tmp_path, monkeypatch)
    uris = {
        name + place: [token.uri(name)]
        for name in ("rsa", "p256", "ed25519", "fixed", "wrap")
        for place, token in (("", first), ("-copy", second))
    }
    keyring = Keyring(uris)
    yield keyring
    keyring.close()


def two_tokens(folder, monkeypatch):
    """Return two tokens that one SoftHSM holds."""
    first = vendors.softhsm_token(folder, "first")
    monkeypatch.setenv("SOFTHSM2_CONF", first.environment["SOFTHSM2_CONF"])
    return first, vendors.softhsm_token(folder, "second", module=first.place.module_path)


def imported(keyring, role):
    """Return a keyring that takes the role's key although it was not made on its token."""
    place = keyring.places(role)[0]
    where = dataclasses.replace(place.pool.place, label=place.name.label, imported=True)
    return Keyring({role: [str(where)]})


@pytest.mark.parametrize(
    ("role", "kind"),
    [("rsa", KeyKind.RSA_2048), ("p256", KeyKind.P_256)],
)
def test_round_trip(pair, role, kind):
    """A wrappable key signs on the second token as on the first, and cannot go further."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    public = pair.generate(role, kind, wrappable=True)
    text = backup.export(pair, role, "wrap").to_json()
    backup.restore(pair, f"{role}-copy", "wrap-copy", backup.from_json(text))
    copy = imported(pair, f"{role}-copy")
    key = copy.key(f"{role}-copy", expected=public)
    if role == "rsa":
        public.verify(key.sign(b"x", padding.PKCS1v15(), SHA256), b"x", padding.PKCS1v15(), SHA256)
    else:
        public.verify(key.sign(b"x", ec.ECDSA(SHA256)), b"x", ec.ECDSA(SHA256))
    copy.close()
    with pytest.raises(Refused, match="generated as wrappable"):
        backup.export(pair, f"{role}-copy", "wrap-copy")
    with pytest.raises(Conflict):
        backup.restore(pair, f"{role}-copy", "wrap-copy", backup.from_json(text))


def test_copy_must_be_named(pair):
    """A restored key is refused unless the configuration names it as imported."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate("p256", KeyKind.P_256, wrappable=True)
    backup.restore(pair, "p256-copy", "wrap-copy", backup.export(pair, "p256", "wrap"))
    with pytest.raises(Refused, match="CKA_NEVER_EXTRACTABLE is false") as refusal:
        pair.key("p256-copy")
    assert refusal.value.code == "key_attributes"
    with pytest.raises(Refused, match="CKA_EXTRACTABLE is true"):
        pair.key("p256")


def test_fixed_key(pair):
    """A key that was not made to travel does not."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate("fixed", KeyKind.P_256)
    with pytest.raises(Refused, match="CKR_KEY_UNEXTRACTABLE"):
        backup.export(pair, "fixed", "wrap")


def test_kind_that_is_not_wrapped(pair):
    """SoftHSM wraps no Ed25519 keys: the refusal says what it answered."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate("ed25519", KeyKind.ED25519, wrappable=True)
    with pytest.raises(Refused, match="CKR_KEY_NOT_WRAPPABLE"):
        backup.export(pair, "ed25519", "wrap")


def test_no_wrapping_key(pair):
    """Without a shared wrapping key there is no backup, and the sentence says what to do."""
    pair.generate("p256", KeyKind.P_256, wrappable=True)
    with pytest.raises(NotFound, match="Make and share one first"):
        backup.export(pair, "p256", "wrap")


def test_changed_backup(pair):
    """A backup that was changed, or is of another key, leaves nothing behind on the token."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate("p256", KeyKind.P_256, wrappable=True)
    other = pair.generate("fixed", KeyKind.P_256)
    good = backup.export(pair, "p256", "wrap")
    for changed in (
        dataclasses.replace(good, wrapped=good.wrapped[:-1] + bytes([good.wrapped[-1] ^ 1])),
        dataclasses.replace(good, public=backup._spki(other)),
    ):
        with pytest.raises(Refused):
            backup.restore(pair, "p256-copy", "wrap-copy", changed)
        with pytest.raises(NotFound):
            pair.key("p256-copy")
    backup.restore(pair, "p256-copy", "wrap-copy", good)


def test_nothing_of_the_transport_stays(pair):
    """The transport key is gone, and the wrapping key cannot leave again."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    with pytest.raises(Conflict):
        share_wrapping_key(pair, "wrap", "rsa-copy")
    for role in ("wrap", "wrap-copy"):
        place = pair.places(role)[0]
        labels = place.pool.run(_labels, 1e12, lambda: "list")
        assert labels == {b"wrap"}


def _labels(session):
    module, handle = session.module, session.handle
    return {module.attribute(handle, obj, Attribute.LABEL) for obj in module.find(handle, {})}


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"format": "other"}', '{"format": 1, "key": "x"}']
)
def test_no_backup_file(text):
    """A file that is no backup is refused with a sentence."""
    with pytest.raises(Invalid, match="no key backup"):
        backup.from_json(text)


def test_file_holds_no_secret(pair):
    """The file names the key and its public half, and is JSON that anybody can read."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate("p256", KeyKind.P_256, wrappable=True)
    values = json.loads(backup.export(pair, "p256", "wrap").to_json())
    assert set(values) == {"format", "key", "public_key", "mechanism", "iv", "wrapped_key"}
