"""An HTTP proxy as a program of the loop: it runs on real sockets, and in worlds, alike."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from handlers import MessagingHandler
from reactor import Container
from reactor.loop.driver import Driver, ListenerDriver

#: A proxy with this answer opens the tunnel; any other is sent, and the connection closed.
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class End:
    """One side of a tunnel, as a Driver sees it: bytes that come in go out at the other side."""

    buffered = 0
    is_over = False

    def __init__(self) -> None:
        self.output = bytearray()
        self.closed = False
        self.other: Optional[End] = None
        self.driver: Any = None
        self.last = False  # nothing follows the output
        self.heard = True

    def receive(self, data: bytes) -> bool:
        assert self.other is not None
        self.other.send(data)
        return False

    def send(self, data: bytes) -> None:
        self.output += data
        if self.driver is not None:
            self.driver.flush()

    def finish(self) -> None:
        self.last = True
        if self.driver is not None:
            self.driver.flush()

    def close_tail(self) -> None:
        if self.heard:
            self.heard = False
            if self.other is not None:
                self.other.finish()

    def capacity(self) -> int:
        return 65536 if self.heard else -1

    def pending(self) -> int:
        return len(self.output) or (-1 if self.last else 0)

    def pop(self, size: int) -> bool:
        del self.output[:size]
        return self.last

    def close_head(self) -> None:
        self.last = True
        if self.other is not None and self.other.driver is not None and self.other.heard:
            self.other.driver.close()

    def tick(self, now: float) -> float:
        return 0.0

    def fail(self, name: str, description: str) -> None:
        self.output.clear()
        self.last = True
        self.close_tail()


class Client(End):
    """The side of the client: the head of its request comes first."""

    def __init__(self, proxy: HttpProxy) -> None:
        super().__init__()
        self.proxy = proxy
        self.head = b""

    def receive(self, data: bytes) -> bool:
        if self.other is not None:
            return super().receive(data)
        self.head += data
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if end:
            self.proxy.asked(self, head.decode("latin-1").split("\r\n"), rest)
        return False


class HttpProxy(MessagingHandler):
    """Opens tunnels. host, port: where it listens. answer: instead of the tunnel; None for silence.
    user: "name:password" that it wants.

    requests: the targets that it was asked for. credentials: the Proxy-Authorization of each.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, answer: Optional[bytes] = OPENED, user: str = ""
    ) -> None:
        super().__init__()
        self.host, self.port = host, port
        self.answer = answer
        self.user = user
        self.requests: list[str] = []
        self.credentials: list[str] = []
        self.places: dict[str, tuple[str, int]] = {}  # names that only this proxy knows

    def on_start(self, event: Any) -> None:
        self.loop = event.container.loop
        self.listener = ListenerDriver(self.loop, self.loop.network.listen(self.host, self.port), self.admit)
        self.port = self.listener.listener.port
        self.started()

    def started(self) -> None:
        """It listens."""

    def admit(self, wire: Any) -> None:
        client = Client(self)
        client.driver = Driver(self.loop, client, wire)

    def asked(self, client: Client, lines: list[str], rest: bytes) -> None:
        """A client has asked for a tunnel."""
        target = lines[0].split(" ")[1]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.requests.append(target)
        self.credentials.append(fields.get("proxy-authorization", ""))
        wanted = "Basic " + base64.b64encode(self.user.encode()).decode() if self.user else ""
        answer = self.answer
        if wanted and self.credentials[-1] != wanted:
            answer = b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n'
        if answer is None:
            return
        client.send(answer)
        if answer is not OPENED:
            client.finish()
            return
        host, _, port = target.rpartition(":")
        place = self.places.get(host) or (host.strip("[]"), int(port))
        peer = End()
        client.other, peer.other = peer, client
        peer.output += rest
        peer.driver = Driver(self.loop, peer, self.loop.network.connect(*place))


@contextmanager
def proxy_on_a_socket(user: str = "") -> Iterator[HttpProxy]:
    """A proxy on a port of its own."""
    ready = threading.Event()

    class Ready(HttpProxy):
        def started(self) -> None:
            ready.set()

    proxy = Ready(user=user)
    container = Container(proxy)
    thread = threading.Thread(target=container.run)
    thread.start()
    try:
        assert ready.wait(60)
        yield proxy
    finally:
        container.stop()
        thread.join()
