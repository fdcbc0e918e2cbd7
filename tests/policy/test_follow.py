"""One certificate follows another, through the rules: renewal, new key, changed data."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ca.model import Certificate, Status, Succession
from core.errors import Refused
from core.reasons import Reason
from policy import enrol
from policy.follow import follow
from policy.records import subscribers
from tests.support.crash import Crash, CrashingDatabase
from tests.support.office import Bureau, key_request

KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def old(bureau: Bureau) -> Certificate:
    """A good certificate of KH00001 for a known key."""
    bureau.enter("KH00001")
    issued = enrol.enrol(bureau.desk, "KH00001", key_request(KEY), years=1)
    bureau.tick()
    return issued


def test_renewal(bureau: Bureau, old: Certificate) -> None:
    """Within the rulebook's days before the end the same key is certified on; both are good."""
    with pytest.raises(Refused, match=r"renewal of .* begins at"):
        follow(
            bureau.desk, old.serial, key_request(KEY), Succession.RENEWAL, years=1, verified=False
        )
    bureau.move(old.not_after - timedelta(days=30))
    request = key_request(KEY)
    made = follow(bureau.desk, old.serial, request, Succession.RENEWAL, years=1, verified=False)
    assert made.serial != old.serial
    assert bureau.now(old).standing.status is Status.GOOD
    again = follow(bureau.desk, old.serial, request, Succession.RENEWAL, years=1, verified=False)
    assert again.serial == made.serial
    assert len(bureau.all_of("KH00001")) == 2


@pytest.mark.parametrize("reason", [Reason.SUPERSEDED, Reason.KEY_COMPROMISE])
def test_rekey(bureau: Bureau, old: Certificate, reason: Reason) -> None:
    """A new key ends the older certificate on the ground that has this reason, and tells it."""
    made = follow(
        bureau.desk, old.serial, key_request(), Succession.REKEY, years=1, verified=True,
        reason=reason,
    )  # fmt: skip
    ended = bureau.now(old).standing
    assert (ended.status, ended.reason) == (Status.REVOKED, reason)
    assert bureau.now(made).standing.status is Status.GOOD
    assert bureau.events(old)[-1].clause.startswith("130/2018:29")
    assert bureau.notices()


def test_unverified_wish_replaces_nothing(bureau: Bureau, old: Certificate) -> None:
    """Without a verified wish nothing is issued and nothing is revoked."""
    with pytest.raises(Refused, match="verified"):
        follow(bureau.desk, old.serial, key_request(), Succession.REKEY, years=1, verified=False)
    assert bureau.all_of("KH00001") == [bureau.now(old)]


def test_reissue_with_changed_data(bureau: Bureau, old: Certificate) -> None:
    """Changed data go into a new certificate; without a change there is none."""
    wanted = (Succession.REISSUE, key_request(KEY))
    with pytest.raises(Refused, match="Nothing in the subject has changed"):
        follow(bureau.desk, old.serial, wanted[1], wanted[0], years=1, verified=True)
    with bureau.db.begin() as tx:
        there = subscribers.subscriber_of(tx, bureau.office.vault, "KH00001")
        changed = type(there)(**{
            **{name: getattr(there, name) for name in there.__slots__},
            "organisation": "CÔNG TY TNHH ĐỔI TÊN",
        })  # fmt: skip
        enrol.amend(tx, bureau.office, changed, ["organisation"])
    made = follow(bureau.desk, old.serial, wanted[1], wanted[0], years=1, verified=True)
    subject = x509.load_der_x509_certificate(made.der or b"").subject
    (name,) = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "CÔNG TY TNHH ĐỔI TÊN"
    assert bureau.now(old).standing.reason is Reason.AFFILIATION_CHANGED
    assert bureau.trail()[-1].act != "subscriber.amend"
    assert any(each.act == "subscriber.amend" for each in bureau.trail())


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("commit", [1, 2, 3, 4])
def test_crash(bureau: Bureau, old: Certificate, commit: int, *, persisted: bool) -> None:
    """Wherever it stops, the same command ends with one successor and the older one revoked."""
    request = key_request()
    crashing = CrashingDatabase(bureau.db, commit, persisted=persisted)
    wish = {"years": 1, "verified": True}
    with pytest.raises(Crash):
        follow(bureau.on(crashing), old.serial, request, Succession.REKEY, **wish)  # type: ignore[arg-type] # the tests' own values
    made = follow(bureau.desk, old.serial, request, Succession.REKEY, **wish)  # type: ignore[arg-type] # the same
    assert [each.serial for each in bureau.all_of("KH00001")] == [old.serial, made.serial]
    assert bureau.now(old).standing.status is Status.REVOKED
