"""S3-compatible storage: the same promises as a folder, kept on a server that speaks S3."""

import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from core.errors import Conflict, Unavailable
from crl.bucket import Bucket, connect
from crl.model import Settings
from crl.reading import outline
from crl.schedule import retain
from crl.targets import Parcel
from tests.crl.stage import Stage


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3-speaking server of these tests' own."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """An empty bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    urllib.request.urlopen(
        urllib.request.Request(f"{server}/moto-api/reset", method="POST")
    ).close()
    urllib.request.urlopen(urllib.request.Request(f"{server}/crls", method="PUT")).close()
    return connect("crls", region="us-east-1", endpoint=server)


@pytest.fixture
def cloud(stage: Stage, store: S3Store) -> Stage:
    """A CA that publishes into a folder and a bucket."""
    stage.targets.append(Bucket(store))
    return stage


def _object(store: S3Store, path: str) -> bytes:
    return bytes(obstore.get(store, path).bytes())


def _parcel(stage: Stage, number: int) -> Parcel:
    content = stage.path(f"issuing/history/{number}.crl").read_bytes()
    return Parcel(
        current="issuing.crl",
        history=f"issuing/history/{number}.crl",
        heading=outline(content).heading,
        content=content,
    )


def test_published(cloud: Stage, store: S3Store) -> None:
    """Folder and bucket show the same newest CRL and keep the same history."""
    cloud.publish()
    cloud.pass_time()
    cloud.suspend(cloud.issue())
    cloud.publish()
    assert _object(store, "issuing.crl") == cloud.path().read_bytes()
    for number in (1, 2):
        path = f"issuing/history/{number}.crl"
        assert _object(store, path) == cloud.path(path).read_bytes()
    attributes = obstore.get(store, "issuing.crl").attributes
    assert attributes["Content-Type"] == "application/pkix-crl"
    assert attributes["crl-number"] == "2"


def test_forward_only(cloud: Stage, store: S3Store) -> None:
    """An older CRL never takes the place of a newer one, nor a foreign one that of ours."""
    cloud.publish()
    cloud.pass_time()
    cloud.publish()
    bucket = Bucket(store)
    with pytest.raises(Conflict, match="step back"):
        bucket.show(_parcel(cloud, 1))
    foreign = _parcel(cloud, 2)
    heading = replace(foreign.heading, key_id=b"other", number=3)
    with pytest.raises(Conflict, match="another issuer"):
        bucket.show(replace(foreign, heading=heading))
    assert _object(store, "issuing.crl") == cloud.path().read_bytes()


def test_object_without_metadata(cloud: Stage, store: S3Store) -> None:
    """An object that was copied there by hand is read to find out what it is."""
    cloud.publish()
    cloud.pass_time()
    cloud.publish()
    obstore.put(store, "issuing.crl", _parcel(cloud, 2).content)
    with pytest.raises(Conflict, match="step back"):
        Bucket(store).show(_parcel(cloud, 1))
    obstore.put(store, "issuing.crl", b"<html>")
    Bucket(store).show(_parcel(cloud, 1))
    assert _object(store, "issuing.crl") == _parcel(cloud, 1).content


def test_same_number_other_bytes(cloud: Stage, store: S3Store) -> None:
    """Two databases that publish into one bucket are found out."""
    cloud.publish()
    bucket, parcel = Bucket(store), _parcel(cloud, 1)
    bucket.keep(parcel)
    with pytest.raises(Conflict, match="two databases"):
        bucket.keep(replace(parcel, content=b"other"))


def test_crossing_publishers(cloud: Stage, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two publishers that replace the object in one moment, the later one is refused."""
    for _ in range(3):
        cloud.publish()
        cloud.pass_time()
    obstore.delete(store, "issuing.crl")
    bucket = Bucket(store)
    bucket.show(_parcel(cloud, 1))
    right = Bucket._put

    def overtaken(self: Bucket, path: str, parcel: Parcel, **mode: object) -> None:
        monkeypatch.setattr(Bucket, "_put", right)
        Bucket(store).show(_parcel(cloud, 3))
        right(self, path, parcel, **mode)  # type: ignore[arg-type] # passed on

    monkeypatch.setattr(Bucket, "_put", overtaken)
    with pytest.raises(Conflict, match="was replaced while number 2"):
        bucket.show(_parcel(cloud, 2))
    assert _object(store, "issuing.crl") == _parcel(cloud, 3).content


def test_away(stage: Stage, store: S3Store) -> None:
    """Storage that cannot be reached is named, and is served when it is back."""
    del store
    away = connect("crls", region="us-east-1", endpoint="http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="cannot be reached in the bucket"):
        stage.publish(targets=[*stage.targets, Bucket(away)])
    assert stage.path().exists()


def test_delivered_later(stage: Stage, store: S3Store) -> None:
    """A bucket that was away gets every CRL that it lacks, in order, and shows the newest."""
    away = Bucket(connect("crls", region="us-east-1", endpoint="http://127.0.0.1:9"))
    with pytest.raises(Unavailable):
        stage.publish(targets=[*stage.targets, away])
    stage.pass_time()
    stage.publish(targets=[*stage.targets, Bucket(store)])
    assert _object(store, "issuing/history/1.crl") == _parcel(stage, 1).content
    assert _object(store, "issuing.crl") == _parcel(stage, 2).content


def test_retention(cloud: Stage, store: S3Store) -> None:
    """Old CRLs leave the bucket's history too; reading what is gone gives nothing."""
    for _ in range(3):
        cloud.publish()
        cloud.pass_time()
    retain(
        cloud.db, cloud.clock.now(), issuer="issuing",
        settings=Settings(retention=cloud.settings.settle), targets=cloud.targets,
    )  # fmt: skip
    assert Bucket(store).read("issuing/history/1.crl") is None
    assert Bucket(store).read("issuing/history/3.crl") is not None
