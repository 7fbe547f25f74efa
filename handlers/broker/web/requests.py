"""The requests of the web page: which are answered, and how.

Each is handled in a thread of its own, and touches nothing of the broker but by the bridge. A request has to name this
machine as its host (address.py); one from a page of another site is refused, by the headers of the browser
(Sec-Fetch-Site, Origin); and an action needs the token that only the page has, so that no other page can make one.
"""

from __future__ import annotations

import hmac
import io
import json
import logging
import socket
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import SplitResult, urlsplit

from handlers.broker.management.interface import Failed
from handlers.broker.management.peeking import plain
from handlers.broker.web.address import is_own_host
from handlers.broker.web.bridge import Bridge, Unanswered
from handlers.broker.web.interface import WatchedBroker
from handlers.broker.web.login import CHALLENGE, Denied, Login
from handlers.broker.web.metrics import exposition
from handlers.broker.web.page import Page
from handlers.broker.web.sampling import Sampler
from handlers.broker.web.survey import Survey
from handlers.broker.web.watching import BadRequest, Watch, number, parameters, parse_choice
from reactor import __version__
from reactor.telemetry import CONTENT_TYPE

log = logging.getLogger("handlers.broker")

MOST_INPUT = 32 * 1024
"""Bytes of a request, all together."""

MOST_BODY = 8 * 1024

TIME_TO_ASK = 10.0
"""Seconds for a request to come whole."""

TIME_TO_READ = 10.0
"""Seconds for a browser to read some of an answer."""

MOST_STREAMS = 16
"""Streams of events at once."""

HEARTBEAT = 15.0
"""Seconds without an event after which a stream shows that it lives: that is how a browser's end is noticed."""

PEEKED = 20
"""Messages of one answer."""

CLIP = 4096
"""Bytes of a body that are shown."""

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Services(NamedTuple):
    """The parts that the requests of one server share. token: of its page. stopped: it ends. streams: for one more."""

    broker: WatchedBroker
    bridge: Bridge
    survey: Survey
    sampler: Sampler
    login: Login
    page: Page
    token: str
    stopped: threading.Event
    streams: threading.BoundedSemaphore


class Refusal(Exception):
    """The request is not answered but with this status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Input(io.RawIOBase):
    """The bytes of a request: so many at most, until a certain time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = MOST_INPUT
        self._end = time.monotonic() + TIME_TO_ASK

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            raise OSError(f"a request of more than {MOST_INPUT} bytes")
        self._connection.settimeout(max(0.001, self._end - time.monotonic()))
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


class Request(BaseHTTPRequestHandler):
    """One request, over a connection of its own."""

    server: Any
    protocol_version = "HTTP/1.1"
    server_version = f"amqp-broker/{__version__}"
    sys_version = ""
    error_message_format = "%(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Input(self.connection))
        self.services: Services = self.server.services
        self.begun = False  # to answer

    def do_GET(self) -> None:
        """The page, and all that it shows."""
        self._respond(PAGES)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """The actions."""
        self._respond(ACTIONS)

    # -- which are answered

    def _respond(self, routes: dict[str, Callable[[Request, str], None]]) -> None:
        self.close_connection = True
        try:
            parts = _parts(self.path)
            self._check_origin(parts.path)
            route = routes.get(parts.path)
            if route is None:
                other = "POST" if parts.path in ACTIONS else "GET"
                known = parts.path in PAGES or parts.path in ACTIONS
                raise Refusal(405, f"{parts.path} takes {other}") if known else Refusal(404, f"no {parts.path!r} here")
            self.services.login.check(self.headers.get("Authorization"))
            route(self, parts.query)
        except Refusal as refusal:
            self._refuse(refusal.status, str(refusal))
        except Denied as denied:
            self._refuse(denied.status, str(denied))
        except Failed as failure:
            self._refuse(failure.status, failure.text)
        except BadRequest as error:
            self._refuse(400, str(error))
        except Unanswered as error:
            self._refuse(503, str(error))
        except Exception as error:
            if self.begun or isinstance(error, OSError):  # mostly: the browser has gone
                raise
            log.error("internal error of the web page, at %r", self.requestline, exc_info=error)
            self._refuse(500, "internal error of the web page; the log of the broker has more")

    def _check_origin(self, path: str) -> None:
        """Refuse other hosts, and pages of other sites."""
        host = self.headers.get_all("Host", [])
        if len(host) != 1 or not is_own_host(host[0]):
            raise Refusal(403, "a request names this machine as its host: localhost, 127.0.0.1 or [::1]")
        site, mode = self.headers.get("Sec-Fetch-Site"), self.headers.get("Sec-Fetch-Mode")
        if site not in (None, "same-origin", "none") and not (path == "/" and mode == "navigate"):
            raise Refusal(403, "a page of another site asks for this")
        origin = self.headers.get("Origin")
        if origin is not None and _parts(origin).netloc != host[0]:
            raise Refusal(403, "a page of another site asks for this")

    def _refuse(self, status: int, text: str) -> None:
        log.info("web page: %d for %r from %r: %s", status, self.requestline, self.client_address, text)
        self._answer("text/plain; charset=utf-8", [f"{text}\n".encode("utf-8", "replace")], status)

    # -- answers

    def _answer(self, kind: str, pieces: Iterable[bytes], status: int = 200, policy: str = "") -> None:
        """An answer of a known length."""
        body = b"".join(pieces)
        headers = {"Content-Length": str(len(body))}
        if policy:
            headers["Content-Security-Policy"] = policy
        if status == 401:
            headers["WWW-Authenticate"] = CHALLENGE
        self._begin(kind, status, headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, kind: str, status: int, headers: dict[str, str]) -> None:
        self.begun = True
        self.connection.settimeout(TIME_TO_READ)
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Connection": "close", **HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _json(self, value: Any) -> None:
        self._answer("application/json", [_dumped(value)])

    def show_page(self, query: str) -> None:
        """`/`"""
        page = self.services.page
        self._answer("text/html; charset=utf-8", [page.render(self.services.token)], policy=page.policy)

    def show_metrics(self, query: str) -> None:
        """`/metrics`"""
        picture = self.services.survey.take()
        pieces = exposition(__version__, picture, self.services.broker.metrics_nodes)
        self._answer(CONTENT_TYPE, (piece.encode("utf-8", "replace") for piece in pieces))

    def show_messages(self, query: str) -> None:
        """`/messages?node=NAME&offset=0`: some messages of a queue, from its head on."""
        values = parameters(query)
        offset = number("offset", values.get("offset", "0"))
        actions = self.services.broker.actions
        rows = self.services.bridge.ask(actions.peek, values.get("node", ""), offset, PEEKED, CLIP)
        self._json({"offset": offset, "messages": plain(rows)})

    def show_events(self, query: str) -> None:
        """`/events?...`: a stream of server-sent events; the parameters are those of watching.Choice."""
        services = self.services
        choice = parse_choice(query)
        if self.command == "HEAD":
            self._begin("text/event-stream", 200, {})
            return
        if not services.streams.acquire(blocking=False):
            raise Refusal(503, f"{MOST_STREAMS} pages are open, and no more are served")
        try:
            self._stream(Watch(services.broker, services.bridge.ask, choice))
        finally:
            services.streams.release()

    def _stream(self, watch: Watch) -> None:
        services = self.services
        sample = services.sampler.sample()  # a broker that does not answer is an error yet
        self._begin("text/event-stream", 200, {})
        quiet_since = time.monotonic()
        while True:
            events = [f"event: {name}\ndata: {_dumped(data).decode()}\n\n" for name, data in watch.changes(sample)]
            now = time.monotonic()
            if not events and now - quiet_since >= HEARTBEAT:
                events = [": nothing has changed\n\n"]
            if events:
                self.wfile.write("".join(events).encode())
                quiet_since = now
            if services.stopped.wait(services.sampler.pause):
                return
            try:
                sample = services.sampler.sample()
            except Unanswered:
                return  # the browser comes again, and gets the reason

    # -- actions

    def purge(self, query: str) -> None:
        """`/purge` {"node": NAME}"""
        body = self._body()
        actions = self.services.broker.actions
        self._json(self.services.bridge.begin(lambda done: actions.purge(_text(body, "node"), done)))

    def release(self, query: str) -> None:
        """`/release` {"node": NAME, "consumer": SERIAL}: the messages that a consumer holds wait again."""
        body = self._body()
        serial = body.get("consumer")
        if not isinstance(serial, int):
            raise BadRequest("consumer is a number")
        self._json(self.services.bridge.ask(self.services.broker.actions.release, _text(body, "node"), serial))

    def _body(self) -> dict[str, Any]:
        """The object that was posted, by the page itself."""
        token = self.headers.get("X-Broker-Token", "")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.services.token.encode()):
            raise Refusal(403, "an action needs the token of the page: load it again")
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isdigit() and length.isascii()):
            raise Refusal(411, "the length of the body is missing")
        if len(length) > 9 or int(length) > MOST_BODY:
            raise Refusal(413, f"a body has {MOST_BODY} bytes at most")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"the body is no JSON: {error}") from None
        if not isinstance(body, dict):
            raise BadRequest("the body is no JSON object")
        return body

    def log_message(self, format: str, *arguments: Any) -> None:
        """One line for each request, at the level of debugging."""
        log.debug("web page: %r: %r", self.client_address, format % arguments)


def _parts(url: str) -> SplitResult:
    """The parts of an address. BadRequest for one that has none, such as `http://[`."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise BadRequest(f"no address: {error}") from None


def _dumped(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def _text(body: dict[str, Any], name: str) -> str:
    value: Optional[Any] = body.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name} is a text")
    return value


PAGES: dict[str, Callable[[Request, str], None]] = {
    "/": Request.show_page,
    "/events": Request.show_events,
    "/messages": Request.show_messages,
    "/metrics": Request.show_metrics,
}

ACTIONS: dict[str, Callable[[Request, str], None]] = {"/purge": Request.purge, "/release": Request.release}
