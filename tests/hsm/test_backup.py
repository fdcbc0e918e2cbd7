"""Keys travel between tokens wrapped, and only those that were made to travel."""

import dataclasses
import json
from contextlib import closing

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from core.errors import Conflict, Invalid, NotFound, Refused, SigningUnavailable
from hsm import backup, mechanisms
from hsm.check import check
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
        for name in ("rsa", "p256", "ed25519", "fixed", "vault", "wrap")
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


def where(keyring, role, **changes):
    """Return the URI of the role's key, with changes."""
    place = keyring.places(role)[0]
    return dataclasses.replace(place.pool.place, label=place.name.label, **changes)


def imported(keyring, role):
    """Return a keyring that takes the role's key although it was not made on its token."""
    return Keyring({role: [str(where(keyring, role, imported=True))]})


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


def test_secret_round_trip(pair):
    """A wrappable AES key opens on the second token what the first sealed, and goes no further."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate_secret("vault", wrappable=True)
    original = imported(pair, "vault")
    sealed = original.secret("vault").wrap(b"k" * 32, b"dossier 1")
    original.close()
    text = backup.export(pair, "vault", "wrap").to_json()
    backup.restore(pair, "vault-copy", "wrap-copy", backup.from_json(text))
    copy = imported(pair, "vault-copy")
    assert copy.secret("vault-copy").unwrap(sealed, b"dossier 1") == b"k" * 32
    copy.close()
    with pytest.raises(Refused, match="CKA_EXTRACTABLE is true"):
        pair.secret("vault").wrap(b"k" * 32)
    with pytest.raises(Refused, match="CKA_NEVER_EXTRACTABLE is false"):
        pair.secret("vault-copy").unwrap(sealed, b"dossier 1")
    with pytest.raises(Refused, match="generated as wrappable"):
        backup.export(pair, "vault-copy", "wrap-copy")
    with pytest.raises(Conflict):
        backup.restore(pair, "vault-copy", "wrap-copy", backup.from_json(text))


def test_changed_secret(pair):
    """An AES key that does not open the probe of its backup is removed again."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate_secret("vault", wrappable=True)
    pair.generate_secret("fixed", wrappable=True)
    good, other = (backup.export(pair, role, "wrap") for role in ("vault", "fixed"))
    for changed in (
        dataclasses.replace(good, wrapped=good.wrapped[:-1] + bytes([good.wrapped[-1] ^ 1])),
        dataclasses.replace(good, probe=other.probe),
        dataclasses.replace(good, probe=b""),
    ):
        with pytest.raises(Refused):
            backup.restore(pair, "vault-copy", "wrap-copy", changed)
        with pytest.raises(NotFound):
            pair.secret("vault-copy").wrap(b"k" * 32)
    backup.restore(pair, "vault-copy", "wrap-copy", good)


def test_fixed_secret(pair):
    """An AES key that was not made to travel does not, and the sentence says where to go on."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate_secret("vault")
    with pytest.raises(Refused, match=r"CKR_KEY_UNEXTRACTABLE.*docs/hsm\.md"):
        backup.export(pair, "vault", "wrap")


def test_no_key_wraps_and_decrypts(pair):
    """The vault's key wraps no key, the wrapping key opens none: none comes out in the clear."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate_secret("vault", wrappable=True)
    pair.generate("p256", KeyKind.P_256, wrappable=True)
    with pytest.raises(Refused, match="CKR_KEY_FUNCTION_NOT_PERMITTED"):
        backup.export(pair, "p256", "vault")
    for role in ("wrap", "wrap-copy"):
        with pytest.raises(SigningUnavailable, match="CKR_KEY_FUNCTION_NOT_PERMITTED"):
            imported(pair, role).secret(role).wrap(b"k" * 32)


def test_two_keys_of_one_name(pair):
    """A private and an AES key of one name are told apart by their ids, and never by guessing."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate("vault", KeyKind.P_256, wrappable=True)
    pair.generate_secret("vault", wrappable=True)
    with pytest.raises(Conflict, match="add id="):
        backup.export(pair, "vault", "wrap")


def test_check_compares_secrets(pair):
    """An AES key on a second token that is another one is found by the check."""
    share_wrapping_key(pair, "wrap", "wrap-copy")
    pair.generate_secret("vault", wrappable=True)
    backup.restore(pair, "vault-copy", "wrap-copy", backup.export(pair, "vault", "wrap"))
    pair.generate_secret("fixed-copy")
    uris = [str(where(pair, role, imported=True)) for role in ("vault", "vault-copy", "fixed-copy")]
    with closing(Keyring({"vault": uris})) as keyring:
        problems = [each.problems for each in check(keyring)]
    assert problems[:2] == [(), ()]
    assert problems[2] == ("it is another key than the one that the role's first URI names",)


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
        dataclasses.replace(good, public=mechanisms.spki(other)),
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
    "text", ["", "{}", "[]", "null", "7", '{"format": "other"}', '{"format": 1, "key": "x"}']
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
