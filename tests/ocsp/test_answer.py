"""What relying parties are told, checked with a second parser and verified like a client would."""

from datetime import datetime, timedelta

import pytest
from asn1crypto import core
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp as other

from ca import records
from ca.model import HoldSource, Standing
from core.clock import SetClock
from core.database import Database
from core.errors import Invalid
from core.reasons import Reason
from ocsp.answer import Responder
from ocsp.index import Index
from ocsp.model import (
    Answer,
    CertStatus,
    Expired,
    NeverIssued,
    Pending,
    RequestSignature,
    ResponseStatus,
    Settings,
)
from ocsp.signer import Signer
from tests.support import authority, relying
from tests.support.relying import Scene, ask, told

ALGORITHMS = ["sha1", "sha256", "sha384", "sha512"]


def _tick(scene: Scene, **length: int) -> datetime:
    assert isinstance(scene.clock, SetClock)
    scene.clock.move_to(scene.clock.now() + timedelta(**(length or {"seconds": 1})))
    return scene.clock.now()


def _answer(scene: Scene, data: bytes, **settings: object) -> Answer:
    return scene.responder(**settings).answer(data)


def _told(scene: Scene, serial: int, **settings: object) -> str:
    answer = _answer(scene, ask(scene.issuer_der, serial), **settings)
    relying.verify(answer.der, scene.issuer_der)
    (found,) = told(answer.der)
    return found


def _revoked_at(scene: Scene, serial: int) -> datetime:
    (single,) = relying.singles(_answer(scene, ask(scene.issuer_der, serial)).der)
    at: datetime = single["cert_status"].chosen["revocation_time"].native
    return at


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_good(scene: Scene, algorithm: str) -> None:
    """An issued certificate is good, by every hash a client may use, with its CertID echoed."""
    serial = scene.issue().serial
    answer = _answer(scene, ask(scene.issuer_der, serial, algorithm=algorithm))
    relying.verify(answer.der, scene.issuer_der)
    (single,) = relying.singles(answer.der)
    assert told(answer.der) == ["good"]
    assert single["cert_id"].dump() == relying.cert_id(scene.issuer_der, serial, algorithm).dump()


def test_life_of_a_certificate(scene: Scene) -> None:
    """Held is certificateHold since the hold began, restored is good, revoked keeps its reason."""
    certificate = scene.issue(on_hold=True)
    assert _told(scene, certificate.serial) == "certificate_hold"
    _tick(scene)
    scene.restore(certificate, HoldSource.NOT_ACTIVATED)
    assert _told(scene, certificate.serial) == "good"
    held_at = _tick(scene)
    scene.suspend(certificate)
    _tick(scene, hours=5)
    assert _told(scene, certificate.serial) == "certificate_hold"
    assert _revoked_at(scene, certificate.serial) == held_at
    revoked_at = _tick(scene)
    scene.revoke(certificate, Reason.AFFILIATION_CHANGED)
    _tick(scene, days=3)
    assert _told(scene, certificate.serial) == "affiliation_changed"
    assert _revoked_at(scene, certificate.serial) == revoked_at


def test_unspecified_reason_is_left_out(scene: Scene) -> None:
    """A revocation without a stated reason has no reasonCode, and no 0 either (RFC 5280 5.3.1)."""
    certificate = scene.issue()
    scene.revoke(certificate, Reason.UNSPECIFIED)
    assert _told(scene, certificate.serial) == "revoked"


def test_never_issued_is_unknown(scene: Scene) -> None:
    """A serial that we never issued is unknown, so are zero and negative ones."""
    for serial in (0x4F0A, 0, -1, -(2**159), 2**159 - 1):
        assert _told(scene, serial) == "unknown"


def test_never_issued_may_be_revoked(scene: Scene) -> None:
    """By configuration it is revoked: certificateHold since 1970, with extended-revoke."""
    data = ask(scene.issuer_der, 0x4F0A)
    response = relying.basic(_answer(scene, data, never_issued=NeverIssued.REVOKED).der)
    (single,) = response["tbs_response_data"]["responses"]
    revoked = single["cert_status"].chosen
    (extension,) = response["tbs_response_data"]["response_extensions"]
    assert revoked["revocation_time"].native.isoformat() == "1970-01-01T00:00:00+00:00"
    assert revoked["revocation_reason"].native == "certificate_hold"
    assert extension["extn_id"].dotted == "1.3.6.1.5.5.7.48.1.9"
    assert extension["critical"].native is False
    assert extension["extn_value"].native is None


def test_extended_revoke_only_where_meant(scene: Scene) -> None:
    """A response about issued certificates carries no extension at all, not an empty list."""
    serial = scene.issue().serial
    answer = _answer(scene, ask(scene.issuer_der, serial), never_issued=NeverIssued.REVOKED)
    data = relying.basic(answer.der)["tbs_response_data"]
    assert data["response_extensions"].native is None


def test_pending_is_not_issued_yet(scene: Scene) -> None:
    """A recorded but perhaps unsigned serial is unknown, or by configuration as recorded."""
    with scene.db.begin() as tx:
        order = authority.order("KH9", scene.clock.now())
        values = {
            "issuer_id": scene.issuer.issuer.id,
            "serial": 0x77,
            "subscriber": "KH9",
            "profile": "organisation",
            "tbs": b"",
            "spki_sha256": bytes(32),
            "not_before": order.not_before,
            "not_after": order.not_after,
            "decision": "d9",
            "created_at": scene.clock.now(),
        }
        records.add_pending(tx, [values], [Standing()])
    assert _told(scene, 0x77) == "unknown"
    assert _told(scene, 0x77, pending=Pending.AS_RECORDED) == "good"


def test_several_certificates_at_once(scene: Scene) -> None:
    """Each of several CertIDs is answered, in order, in one signed response."""
    first, second = scene.issue(), scene.issue()
    scene.suspend(second)
    answer = _answer(scene, ask(scene.issuer_der, second.serial, first.serial, 5))
    relying.verify(answer.der, scene.issuer_der)
    assert told(answer.der) == ["certificate_hold", "good", "unknown"]
    assert answer.statuses == (CertStatus.REVOKED, CertStatus.GOOD, CertStatus.UNKNOWN)


def test_too_many_certificates(scene: Scene) -> None:
    """More CertIDs than allowed are refused as unauthorized."""
    data = ask(scene.issuer_der, *range(1, 7))
    assert len(told(_answer(scene, data, most_cert_ids=6).der)) == 6
    refused = _answer(scene, data, most_cert_ids=5)
    assert relying.status_of(refused.der) == "unauthorized"


def test_too_large(scene: Scene) -> None:
    """A request above the limit on octets is not read."""
    data = ask(scene.issuer_der, *range(1, 50))
    assert _answer(scene, data, most_bytes=1000).status is ResponseStatus.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer_name_hash": b"\x00" * 20},
        {"issuer_key_hash": b"\x00" * 20},
        {"issuer_key_hash": b"\x00" * 19},
        {"issuer_name_hash": b""},
        {"hash_algorithm": {"algorithm": "md5", "parameters": core.Null()}},
        {"hash_algorithm": {"algorithm": "sha256", "parameters": core.Null()}},
    ],
)
def test_foreign_issuer(scene: Scene, changes: dict[str, object]) -> None:
    """For an issuer that is not ours we are unauthorized, whatever the serial."""
    serial = scene.issue().serial
    data = relying.request(relying.cert_id(scene.issuer_der, serial, changes=changes))
    assert _answer(scene, data).status is ResponseStatus.UNAUTHORIZED


def test_issuer_without_delegate(scene: Scene) -> None:
    """For an issuer of ours whose delegate we do not hold we are unauthorized."""
    with scene.db.read() as tx:
        root = records.issuer_named(tx, "root")
    assert _answer(scene, ask(root.der, 1)).status is ResponseStatus.UNAUTHORIZED


def test_mixed_issuers(scene: Scene) -> None:
    """A request that mixes issuers is refused: no delegate can sign for both."""
    with scene.db.read() as tx:
        root = records.issuer_named(tx, "root")
    serial = scene.issue().serial
    data = relying.request(
        relying.cert_id(scene.issuer_der, serial), relying.cert_id(root.der, serial)
    )
    assert _answer(scene, data).status is ResponseStatus.UNAUTHORIZED


def test_same_certificate_by_two_hashes(scene: Scene) -> None:
    """One certificate asked by two hashes is answered twice, each CertID as asked."""
    serial = scene.issue().serial
    both = [relying.cert_id(scene.issuer_der, serial, each) for each in ("sha1", "sha256")]
    answer = _answer(scene, relying.request(*both))
    assert [each["cert_id"].dump() for each in relying.singles(answer.der)] == [
        each.dump() for each in both
    ]


def test_nonce_is_echoed(scene: Scene) -> None:
    """A nonce comes back equal, not critical, in the response's extensions, and is not cached."""
    serial = scene.issue().serial
    answer = _answer(scene, ask(scene.issuer_der, serial, nonce=b"n" * 32))
    (extension,) = relying.basic(answer.der)["tbs_response_data"]["response_extensions"]
    assert extension["extn_id"].native == "nonce"
    assert extension["extn_value"].contents == b"\x04\x20" + b"n" * 32
    assert extension["critical"].native is False
    assert answer.max_age is None


def test_no_nonce_when_not_asked(scene: Scene) -> None:
    """Without a nonce in the request there is none in the response."""
    answer = _answer(scene, ask(scene.issuer_der, scene.issue().serial))
    assert relying.basic(answer.der)["tbs_response_data"]["response_extensions"].native is None


def test_times(scene: Scene) -> None:
    """ThisUpdate and producedAt are now to the second, nextUpdate is one validity later."""
    _tick(scene, milliseconds=700)
    now = scene.clock.now().replace(microsecond=0)
    answer = _answer(scene, ask(scene.issuer_der, 1), validity=timedelta(hours=8))
    data = relying.basic(answer.der)["tbs_response_data"]
    (single,) = data["responses"]
    assert data["produced_at"].native == single["this_update"].native == now
    assert single["next_update"].native == now + timedelta(hours=8)
    assert (answer.this_update, answer.next_update) == (now, now + timedelta(hours=8))


def test_never_valid_beyond_the_delegate(scene: Scene) -> None:
    """NextUpdate never lies after the delegate's notAfter, nor does the HTTP cache time."""
    end = scene.delegate.not_after
    _tick(scene, seconds=int((end - scene.clock.now()).total_seconds()) - 60)
    answer = _answer(scene, ask(scene.issuer_der, 1, 2), unknown_max_age=timedelta(minutes=5))
    assert answer.next_update == end
    assert answer.max_age == 60


def test_expired_delegate(scene: Scene) -> None:
    """With an expired delegate the answer is tryLater, never an unverifiable signature."""
    _tick(scene, days=91)
    assert _answer(scene, ask(scene.issuer_der, 1)).status is ResponseStatus.TRY_LATER


def test_rollover(scene: Scene) -> None:
    """While two delegates are valid the newer one signs; the older one until then."""
    key = ec.generate_private_key(ec.SECP256R1())
    _tick(scene, days=30)
    newer = relying.delegate(scene.db, scene.clock, scene.issuer, key)
    signers = [scene.signer(), Signer.load(key, newer.der or b"")]
    with scene.db.read() as tx:
        index = Index(records.issuers(tx), signers)
    responder = Responder(scene.db, scene.clock, index, Settings())
    data = ask(scene.issuer_der, 1)
    assert relying.verify(responder.answer(data).der, scene.issuer_der).serial_number == (
        newer.serial
    )
    (authority_,) = [each for each in index.authorities() if each.signers]
    earlier = authority_.signer(scene.clock.now() - timedelta(days=1))
    assert earlier is signers[0]


def test_responder_id(scene: Scene) -> None:
    """The responder names itself by its key, or by its name if so configured."""
    data = ask(scene.issuer_der, 1)
    by_key = relying.basic(_answer(scene, data).der)["tbs_response_data"]["responder_id"]
    by_name = relying.basic(_answer(scene, data, by_name=True).der)["tbs_response_data"][
        "responder_id"
    ]
    assert by_key.name == "by_key"
    assert by_key.dump() == scene.signer().by_key
    assert by_name.name == "by_name"
    assert by_name.dump() == scene.signer().by_name


def test_expired_certificates(scene: Scene) -> None:
    """An expired certificate keeps its last status, or by configuration is not spoken of."""
    serial = scene.issue().serial
    _tick(scene, days=80)
    key = ec.generate_private_key(ec.SECP256R1())
    _tick(scene, days=300)
    scene.delegate = relying.delegate(scene.db, scene.clock, scene.issuer, key)
    scene.responder_key = key
    assert _told(scene, serial) == "good"
    refused = _answer(scene, ask(scene.issuer_der, serial), expired=Expired.UNAUTHORIZED)
    assert refused.status is ResponseStatus.UNAUTHORIZED


def test_archive_cutoff(scene: Scene) -> None:
    """The archive cutoff says since when expired certificates are answered: since the CA began."""
    answer = _answer(scene, ask(scene.issuer_der, scene.issue().serial), archive_cutoff=True)
    (single,) = relying.singles(answer.der)
    (extension,) = single["single_extensions"]
    assert extension["extn_id"].native == "archive_cutoff"
    assert extension["extn_value"].parsed.native == scene.issuer.issuer.not_before
    assert extension["critical"].native is False


def test_signature_required(scene: Scene) -> None:
    """Where signatures are required, an unsigned request is told so."""
    answer = _answer(scene, ask(scene.issuer_der, 1), request_signature=RequestSignature.REQUIRED)
    assert answer.status is ResponseStatus.SIG_REQUIRED


@pytest.mark.parametrize(
    ("responder_key", "digest"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), "sha256"),
        (ec.generate_private_key(ec.SECP384R1()), "sha384"),
        (ec.generate_private_key(ec.SECP521R1()), "sha512"),
    ],
    ids=["rsa", "p384", "p521"],
)
def test_other_responder_keys(
    sqlite_db: Database,
    clock: SetClock,
    responder_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    digest: str,
) -> None:
    """A delegate may have an RSA key or another curve; its hash is never weaker than SHA-256."""
    scene = relying.scene(sqlite_db, clock, responder_key=responder_key)
    answer = _answer(scene, ask(scene.issuer_der, 1))
    relying.verify(answer.der, scene.issuer_der)
    assert relying.basic(answer.der)["signature_algorithm"].hash_algo == digest


def test_cryptography_reads_it(scene: Scene) -> None:
    """The `cryptography` library reads the same facts from a response."""
    certificate = scene.issue()
    at = _tick(scene)
    scene.suspend(certificate)
    read = other.load_der_ocsp_response(
        _answer(scene, ask(scene.issuer_der, certificate.serial)).der
    )
    assert read.certificate_status is other.OCSPCertStatus.REVOKED
    assert read.revocation_time_utc == at
    assert read.revocation_reason == Reason.CERTIFICATE_HOLD.flag
    assert read.serial_number == certificate.serial
    assert len(read.certificates) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"validity": timedelta(hours=7)},
        {"validity": timedelta(days=11)},
        {"max_age": timedelta(days=1)},
        {"unknown_max_age": timedelta(hours=1)},
        {"archive_cutoff": True, "expired": Expired.UNAUTHORIZED},
    ],
)
def test_dishonest_settings(settings: dict[str, object]) -> None:
    """Settings that break a standard's limit are refused with a sentence."""
    with pytest.raises(Invalid, match=r"\.$"):
        Settings(**settings)  # type: ignore[arg-type]


def test_both_databases(db: Database, clock: SetClock) -> None:
    """Good, held, revoked and unknown are the same on SQLite and PostgreSQL."""
    scene = relying.scene(db, clock)
    good, held, revoked = scene.issue(), scene.issue(on_hold=True), scene.issue()
    scene.revoke(revoked, Reason.KEY_COMPROMISE)
    answer = _answer(scene, ask(scene.issuer_der, good.serial, held.serial, revoked.serial, 9))
    assert told(answer.der) == ["good", "certificate_hold", "key_compromise", "unknown"]
