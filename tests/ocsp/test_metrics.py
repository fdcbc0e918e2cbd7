"""What Prometheus sees of a responder."""

import socket
import urllib.request
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from ocsp import metrics
from ocsp.answer import Responder
from ocsp.follow import Follower
from ocsp.memory import Memory
from ocsp.meter import Latency
from ocsp.metrics import OcspCollector
from tests.support.relying import Scene, ask


def _registry(responder: Responder) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(OcspCollector(responder))
    return registry


def test_counts(scene: Scene) -> None:
    """Answers are counted by status and source, responses by status."""
    responder = scene.responder()
    responder.memory = Memory(10)
    responder._lookup._memory = responder.memory
    Follower(responder).look()
    registry = _registry(responder)
    data = ask(scene.issuer_der, scene.issue().serial)
    for each in (data, data, ask(scene.issuer_der, 1, 2), b"no request"):
        responder.answer(each)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("ocsp_answers_total", status="good", source="live") == 1
    assert value("ocsp_answers_total", status="good", source="cache") == 1
    assert value("ocsp_answers_total", status="unknown", source="live") == 2
    assert value("ocsp_responses_total", status="successful") == 3
    assert value("ocsp_responses_total", status="malformed_request") == 1
    assert value("ocsp_known") == 1
    assert value("ocsp_signing") == 0
    assert (value("ocsp_data_age_seconds") or 0.0) < 60
    ends = scene.signer().not_after.timestamp()
    assert value("ocsp_signer_not_after_seconds", issuer="issuing") == ends


def test_latency_histogram() -> None:
    """Each answer falls into the first bucket that holds it."""
    latency = Latency()
    for seconds in (0.00005, 0.0001, 0.0002, 99.0):
        latency.observe(seconds)
    assert (latency.buckets[0], latency.buckets[1], latency.buckets[-1]) == (2, 1, 1)
    assert latency.total == pytest.approx(99.00035)


def test_exposed_on_their_own_address(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """The metrics are served as text; a second process of the host takes the next free port.

    Where they are is read from the log: other tests may take a port in between.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with caplog.at_level("INFO", logger="ocsp.metrics"):
        stops = [metrics.expose(scene.responder(), "127.0.0.1", port) for _ in range(2)]
    addresses = [each.getMessage().split()[-1].rstrip(".") for each in caplog.records]
    ports = [urlsplit(each).port or 0 for each in addresses]
    assert port <= ports[0] < ports[1] < port + 16
    for address in addresses:
        with urllib.request.urlopen(address, timeout=10) as reply:
            names = {each.name for each in text_string_to_metric_families(reply.read().decode())}
        assert {"ocsp_answers", "ocsp_latency_seconds", "ocsp_degraded"} <= names
    for stop in stops:
        stop()
