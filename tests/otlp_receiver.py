"""An OTLP collector over HTTP that keeps what it is sent, or hangs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Collector(ThreadingHTTPServer):
    """Keeps spans and metrics; with `hangs` it answers nothing."""

    daemon_threads = True

    def __init__(self, hangs: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.hangs, self.is_over = hangs, threading.Event()
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, name: str) -> list[Any]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]


def attributes(of: Any) -> dict[str, Any]:
    """Return the attributes of a span, plainly."""
    found = {}
    for one in of.attributes:
        kind = one.value.WhichOneof("value")
        found[one.key] = getattr(one.value, kind)
    return found


class _Request(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
        if self.server.hangs:
            self.server.is_over.wait()
            return
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

            told = traces.ExportTraceServiceRequest.FromString(body)
            for resource in told.resource_spans:
                for scope in resource.scope_spans:
                    self.server.spans += scope.spans
        elif self.path == "/v1/metrics":
            from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics

            said = metrics.ExportMetricsServiceRequest.FromString(body)
            for group in said.resource_metrics:
                for measured in group.scope_metrics:
                    self.server.metrics |= {one.name: one for one in measured.metrics}
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_PATCH = do_POST

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def collecting(hangs: bool = False) -> Iterator[Collector]:
    """Serve a collector."""
    with Collector(hangs) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        yield collector
        collector.is_over.set()
        collector.shutdown()
