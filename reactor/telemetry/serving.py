"""Serving: the numbers over HTTP, for Prometheus to come and read.

A program that wants it imports this module. One thread answers, one request at a time; it listens on loopback unless a
host is given, and has no log-in: numbers and addresses are all that it shows.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

from reactor.loop.loggers import logger
from reactor.telemetry.exposition import CONTENT_TYPE
from reactor.telemetry.meter import Telemetry

log = logger(__name__)

#: Seconds for a client to say its request, and to take the answer.
PATIENCE = 5.0


class Server:
    """Answers ``GET /metrics``. port: where it listens. url: for a browser, and for Prometheus.

    A context manager, too: it ends with the block.
    """

    def __init__(self, telemetry: Telemetry, port: int, host: str) -> None:
        handler = type("Handler", (_Handler,), {"telemetry": telemetry})
        self._server = HTTPServer((host, port), handler)
        self.port: int = self._server.server_address[1]
        self.url = "http://%s:%d/metrics" % (host or "localhost", self.port)
        self._thread = Thread(target=self._server.serve_forever, name="amqp-reactor metrics", daemon=True)
        try:
            self._thread.start()
        except BaseException:  # RuntimeError: the system has no more threads
            self._server.server_close()
            raise

    def close(self) -> None:
        """Answer no more. Harmless when repeated."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    telemetry: Telemetry
    timeout = PATIENCE

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404, "the numbers are at /metrics")
            return
        content = self.telemetry.prometheus().encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        log.debug("metrics: %r: %r", self.client_address, format % arguments)


def serve(telemetry: Telemetry, port: int = 9464, host: str = "127.0.0.1") -> Server:
    """Serve the numbers at ``/metrics``, from now on, in a thread of its own.

    port: 9464 by default, as OpenTelemetry's exporter for Prometheus; 0 lets the system choose. host: this machine
    alone by default; "" for all addresses. Raises OSError when it is in use.
    """
    return Server(telemetry, port, host)
