"""Shows a responder's counts to Prometheus, on an address of their own that the world does not see.

ocsp_answers_total{status,source}     certificates told about: live, cache, reserve
ocsp_responses_total{status}          responses by OCSPResponseStatus
ocsp_degraded_total{kind}             answers that had to do without something
ocsp_latency_seconds                  from our first line to our last, for each request
ocsp_data_age_seconds                 since the database was last seen
ocsp_signing                          signatures being made now
ocsp_known                            certificates remembered
ocsp_signer_not_after_seconds{issuer} when the responder's certificate ends (Unix time)
"""

import errno
import logging
from collections.abc import Callable, Iterator
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from ocsp.answer import Responder
from ocsp.meter import LATENCY_BOUNDS

_MOST_PROCESSES = 16

_log = logging.getLogger(__name__)

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class OcspCollector(Collector):
    """Reads the counts of one responder whenever Prometheus asks."""

    def __init__(self, responder: Responder) -> None:
        """Show the counts of `responder`."""
        self._responder = responder

    def collect(self) -> Iterator[Family]:
        """Yield every family of metrics as it stands now."""
        yield self._answers()
        yield self._by_one("ocsp_responses", "Responses by OCSPResponseStatus.", "status", {
            each.name.lower(): tally.count
            for each, tally in self._responder.meter.responses.items()
        })  # fmt: skip
        yield self._by_one("ocsp_degraded", "Answers that had to do without something.", "kind", {
            str(each): tally.count for each, tally in self._responder.meter.degraded.items()
        })  # fmt: skip
        yield self._latency()
        yield from self._gauges()

    def _answers(self) -> CounterMetricFamily:
        family = CounterMetricFamily(
            "ocsp_answers", "Certificates told about.", labels=("status", "source")
        )
        for (status, source), tally in self._responder.meter.told.items():
            family.add_metric((status, source), tally.count)
        return family

    def _by_one(
        self, name: str, text: str, label: str, counts: dict[str, int]
    ) -> CounterMetricFamily:
        family = CounterMetricFamily(name, text, labels=(label,))
        for value, count in counts.items():
            family.add_metric((value,), count)
        return family

    def _latency(self) -> HistogramMetricFamily:
        latency = self._responder.meter.latency
        buckets: list[tuple[str, float]] = []
        total = 0
        names = [*(str(bound) for bound in LATENCY_BOUNDS), "+Inf"]
        for name, count in zip(names, list(latency.buckets), strict=True):
            total += count
            buckets.append((name, total))
        family = HistogramMetricFamily("ocsp_latency_seconds", "Time to answer.")
        family.add_metric((), buckets, sum_value=latency.total)
        return family

    def _gauges(self) -> Iterator[GaugeMetricFamily]:
        memory = self._responder.memory
        age = None if memory is None else memory.age()
        if age is not None:
            yield GaugeMetricFamily(
                "ocsp_data_age_seconds", "Since the database was last seen.", value=age
            )
        yield GaugeMetricFamily(
            "ocsp_signing", "Signatures being made now.", value=self._responder.meter.signing
        )
        known = 0 if memory is None else len(memory)
        yield GaugeMetricFamily("ocsp_known", "Certificates remembered.", value=known)
        family = GaugeMetricFamily(
            "ocsp_signer_not_after_seconds", "When the signer ends.", labels=("issuer",)
        )
        for authority in self._responder.index.authorities():
            if authority.signers:
                last = max(each.not_after for each in authority.signers)
                family.add_metric((authority.name,), last.timestamp())
        yield family


def _first_free(host: str, port: int, registry: CollectorRegistry) -> tuple[WSGIServer, Thread]:
    for each in range(port, port + _MOST_PROCESSES):
        try:
            started = start_http_server(each, addr=host, registry=registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            _log.info("The OCSP metrics are at http://%s:%d/metrics.", host, each)
            return started
    raise OSError(
        errno.EADDRINUSE,
        f"None of the ports {port} to {port + _MOST_PROCESSES - 1} is free for the OCSP metrics.",
    )


def expose(responder: Responder, host: str, port: int) -> Callable[[], None]:
    """Serve the metrics of `responder` at http://host:port/metrics; return what ends it.

    Several processes on one host take the first free ports from `port` on. Raises OSError when
    none of them is free.
    """
    registry = CollectorRegistry()
    registry.register(OcspCollector(responder))
    server, thread = _first_free(host, port, registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
