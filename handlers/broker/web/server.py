"""The HTTP server of the web page: its threads, its bounds, and its end.

The broker enters, in its own thread: `start` listens, `stop` ends all. One thread accepts; each connection has a
thread of its own, for one request; there are MOST_CONNECTIONS of them at most. requests.py decides about a
request.
"""

from __future__ import annotations

import logging
import secrets
import socket
import socketserver
import sys
import threading
import time
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any, Optional, Union

from handlers.broker.web.address import parse_address
from handlers.broker.web.bridge import Bridge
from handlers.broker.web.interface import WatchedBroker
from handlers.broker.web.login import Login
from handlers.broker.web.page import Page
from handlers.broker.web.requests import MOST_STREAMS, Request, Services
from handlers.broker.web.sampling import Sampler
from handlers.broker.web.survey import Survey
from reactor.system import HERE

log = logging.getLogger("handlers.broker")

MOST_CONNECTIONS = 64
"""Connections at once; one more is closed."""

FAREWELL = 5.0
"""Seconds that the threads have to end, together."""


class WebServer:
    """The web page of `broker`. web: where to listen, see `parse_address`. url: where it is, once it listens.

    ValueError for an address that others could reach, and where clients log in by certificates alone.
    """

    def __init__(self, broker: WatchedBroker, web: Union[str, bool]) -> None:
        self.address = parse_address(web)
        doors = broker.doors
        if doors.users is None and doors.ssl_domain is not None and doors.ssl_domain.verifies:
            raise ValueError("clients log in by certificates, which the web page does not ask for: give users, too")
        self.url = ""
        self._broker = broker
        self._services: Optional[Services] = None
        self._server: Optional[_Server] = None
        self._thread: Optional[threading.Thread] = None

    def start(self, container: Any) -> None:
        """Listen, and serve from then on. OSError if that cannot be."""
        bridge = Bridge(container)
        survey = Survey(self._broker, bridge)
        services = Services(
            broker=self._broker,
            bridge=bridge,
            survey=survey,
            sampler=Sampler(survey),
            login=Login(self._broker, bridge),
            page=Page(),
            token=secrets.token_hex(16),
            stopped=threading.Event(),
            streams=threading.BoundedSemaphore(MOST_STREAMS),
        )
        host, port = self.address
        try:
            server = _Server((host, port), services)
        except OSError as error:
            raise OSError(error.errno, f"the web page cannot listen on {host}:{port}: {error.strerror}") from None
        thread = threading.Thread(target=server.accept, name="amqp-broker-web", daemon=True)
        try:
            thread.start()
        except BaseException:  # RuntimeError: the system has no more threads
            server.server_close()
            raise
        self._services, self._server, self._thread = services, server, thread
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{server.server_port}/"
        log.info("the web page is at %s", self.url)

    def stop(self) -> None:
        """Listen no more, and end all threads. From any thread but those; harmless when repeated."""
        server, self._server = self._server, None
        if server is None or self._services is None or self._thread is None:
            return
        self._services.bridge.close()  # threads that wait for the broker go on
        self._services.stopped.set()
        server.wake()
        self._thread.join(FAREWELL)
        server.server_close()
        server.end_requests()


class _Server(ThreadingHTTPServer):
    """Listens, and has a thread for each connection, which `end_requests` ends."""

    # Elsewhere it would let another program take the port over [SO_REUSEADDR of Windows].
    allow_reuse_address = HERE.reuses_ports
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], services: Services) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.services = services
        self._lock = threading.Lock()
        self._open: dict[Any, threading.Thread] = {}
        super().__init__(address, Request)

    def server_bind(self) -> None:
        """Without the look-up of a name for the address, which can take its time."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def accept(self) -> None:
        """Serve until `wake` comes after the stop. In a thread of its own."""
        while not self.services.stopped.is_set():
            self.handle_request()

    def wake(self) -> None:
        """End the wait for a connection, by one."""
        with suppress(OSError):  # it does not wait
            socket.create_connection((self.server_name, self.server_port), timeout=1.0).close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A connection has come: a thread for it, if there are not too many."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="amqp-broker-web-request"
        )
        thread.daemon = True
        with self._lock:
            crowded = len(self._open) >= MOST_CONNECTIONS or self.services.stopped.is_set()
            if not crowded:
                self._open[request] = thread
        if crowded:
            self.shutdown_request(request)
        else:
            thread.start()

    def shutdown_request(self, request: Any) -> None:
        """The connection ends."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def end_requests(self) -> None:
        """End all connections, and wait for their threads."""
        with self._lock:
            still_open = dict(self._open)
        for request in still_open:
            with suppress(OSError):  # it has ended
                request.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + FAREWELL
        for thread in still_open.values():
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                log.error("a thread of the web page has not ended within %.0f s", FAREWELL)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A request has failed: mostly because the browser has gone."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            log.debug("web page: the connection from %r ended: %s", client_address, error)
        else:
            log.error("internal error of the web page", exc_info=error)
