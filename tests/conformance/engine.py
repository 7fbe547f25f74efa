"""What a row may ask of an engine: bytes in, bytes out, a few actions, and what the application gets to know.

Our engine and python-qpid-proton's have the same public names, so that one adapter does for both; `Ours` (ours.py)
and `Original` (original.py) say where they differ. Sessions, links and deliveries are handed out as they are, to be
handed back: a row that looks into them looks at a name which both have.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Optional

#: A message whose body is the string "x".
MESSAGE = b"\x00\x53\x77\xa1\x01x"

#: What is set on the transport when a connection is opened.
_TRANSPORT = ("max_frame_size", "channel_max", "idle_timeout")


class Codec:
    """Values and messages. `types` has the names of the types: ubyte, symbol, Described, Message ..."""

    types: SimpleNamespace

    def encode(self, value: Any) -> bytes:
        """The encoding of a value."""
        raise NotImplementedError

    def decode(self, data: bytes) -> Any:
        """The one value that `data` holds. Any exception when it holds none, or something behind it."""
        raise NotImplementedError

    def message(self, data: bytes) -> Any:
        """The message that `data` holds. Any exception when it holds none."""
        raise NotImplementedError

    def again(self, data: bytes) -> bytes:
        """The encoding of the value that `data` holds."""
        return self.encode(self.decode(data))

    def refuses(self, data: bytes) -> None:
        """It must not be taken for a value."""
        try:
            value = self.decode(data)
        except Exception:
            return
        raise AssertionError(f"{data.hex()} is taken for {value!r}")


class Engine:
    """One end of a connection that is under test."""

    library: SimpleNamespace
    name = ""
    codec: type[Codec]

    def __init__(self, server: bool) -> None:
        names = self.library
        self.collector = names.Collector()
        self.connection = names.Connection()
        self.connection.container = "engine"
        self.connection.collect(self.collector)
        self.transport = names.Transport(names.Transport.SERVER if server else names.Transport.CLIENT)
        self._bound = False

    # -- bytes -------------------------------------------------------------------------------------------

    def bind(self) -> None:
        """What is set on the transport is set before."""
        if not self._bound:
            self._bound = True
            self.transport.bind(self.connection)

    def receive(self, data: bytes) -> None:
        """Bytes have come. After the end of the input they are dropped, as a socket's would be."""
        self.bind()
        while data:
            room = self.transport.capacity()
            if room <= 0:
                return
            self.transport.push(data[:room])
            data = data[room:]

    def hang_up(self) -> None:
        """The peer's bytes have ended."""
        self.bind()
        self.transport.close_tail()

    def take(self) -> bytes:
        """The bytes that are to be sent."""
        self.bind()
        taken = b""
        while (size := self.transport.pending()) > 0:
            taken += bytes(self.transport.peek(size))
            self.transport.pop(size)
        return taken

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be sent: the driver closes the outgoing stream."""
        return bool(self.transport.pending() < 0)

    @property
    def has_stopped(self) -> bool:
        """Whether nothing more is read."""
        return bool(self.transport.capacity() < 0)

    def tick(self, now: float) -> float:
        """Tell the time in seconds; returns when to do so next, 0 for never."""
        self.bind()
        return self.transport.tick(now) or 0.0

    # -- security layers ---------------------------------------------------------------------------------

    def sasl(
        self,
        mechanisms: str,
        user: str = "",
        password: str = "",
        host: str = "",
        insecure: bool = False,
        required: bool = False,
    ) -> Any:
        """Put SASL in, with these mechanisms; returns the layer. host: the server that a client wants; required: of
        the peer of a server."""
        if user:
            self.connection.user, self.connection.password = user, password
        layer = self.transport.sasl()
        layer.allowed_mechs(mechanisms)
        layer.allow_insecure_mechs = insecure
        if required:
            self.transport.require_auth(True)
        return layer

    def tls(self, host: str = "localhost", trusted: str = "", certificate: str = "", key: str = "") -> None:
        """Put TLS in: a client that trusts an authority, or a server with a certificate."""
        kinds = self.library.SSLDomain
        domain = kinds(kinds.MODE_SERVER if certificate else kinds.MODE_CLIENT)
        if certificate:
            domain.set_credentials(certificate, key, None)
        else:
            domain.set_trusted_ca_db(trusted)
            domain.set_peer_authentication(kinds.VERIFY_PEER_NAME)
        self.domain = domain  # it must outlive what is made of it
        layer = self.library.SSL(self.transport, domain)
        if host and not certificate:
            layer.peer_hostname = host

    # -- actions -----------------------------------------------------------------------------------------

    def open(self, **options: Any) -> None:
        """Open the connection. Options: those of the connection, and those of the transport."""
        for key, value in options.items():
            setattr(self.transport if key in _TRANSPORT else self.connection, key, value)
        self.connection.open()

    def close(self, condition: Optional[str] = None, description: Optional[str] = None) -> None:
        """Close the connection, because of a condition or without one."""
        self._end(self.connection, condition, description)

    def begin(self, session: Any = None, incoming_capacity: int = 0) -> Any:
        """Begin a session, a new one by default. incoming_capacity: bytes that it takes before they are read."""
        session = self.connection.session() if session is None else session
        if incoming_capacity:
            session.incoming_capacity = incoming_capacity
        session.open()
        return session

    def end(self, session: Any, condition: Optional[str] = None) -> None:
        """End a session."""
        self._end(session, condition)

    def sender(self, session: Any, name: str, **options: Any) -> Any:
        """A new sending link, attached."""
        return self.attach(session.sender(name), **options)

    def receiver(self, session: Any, name: str, **options: Any) -> Any:
        """A new receiving link, attached."""
        return self.attach(session.receiver(name), **options)

    def attach(self, link: Any, **options: Any) -> Any:
        """Attach a link. Options: `source` and `target`, an address or a dict of a terminus' attributes or None for
        no terminus at all; all others are attributes of the link."""
        options = {"source": "q", "target": "q", **options}
        for end in ("source", "target"):
            terminus, wish = getattr(link, end), options.pop(end)
            if wish is None:
                terminus.type = self.library.Terminus.UNSPECIFIED
                continue
            for key, value in ({"address": wish} if isinstance(wish, str) else wish).items():
                self._set_on_terminus(terminus, key, value)
        for key, value in options.items():
            setattr(link, key, value)
        link.open()
        return link

    def _set_on_terminus(self, terminus: Any, key: str, value: Any) -> None:
        if key in ("filter", "properties"):
            getattr(terminus, key).put_dict(value)
        elif key in ("outcomes", "capabilities"):
            getattr(terminus, key).put_object(value)
        else:
            setattr(terminus, key, value)

    def detach(self, link: Any) -> None:
        """Detach a link without closing it."""
        link.detach()

    def close_link(self, link: Any, condition: Optional[str] = None) -> None:
        """Detach a link for good."""
        self._end(link, condition)

    def _end(self, endpoint: Any, condition: Optional[str], description: Optional[str] = None) -> None:
        if condition is not None:
            endpoint.condition = self.library.Condition(condition, description)
        endpoint.close()

    def send(self, link: Any, payload: bytes = MESSAGE, tag: str = "", settled: bool = False) -> Any:
        """Send an encoded message; returns its delivery."""
        delivery = link.delivery(tag or link.delivery_tag())
        link.stream(payload)
        if settled:
            delivery.settle()
        link.advance()
        return delivery

    def begin_delivery(self, link: Any, payload: bytes, tag: str = "t") -> Any:
        """Send the beginning of a message; `more` and `complete` go on with it."""
        delivery = link.delivery(tag)
        link.stream(payload)
        return delivery

    def more(self, link: Any, payload: bytes) -> None:
        """Go on with the message that was begun."""
        link.stream(payload)

    def complete(self, link: Any) -> None:
        """The message that was begun is complete."""
        link.advance()

    def abort(self, delivery: Any) -> None:
        """Give up a message that was begun."""
        delivery.abort()

    def offered(self, link: Any, number: int) -> None:
        """So many messages could be sent, were there credit."""
        link.offered(number)

    def credit(self, link: Any, number: int) -> None:
        """Grant so much credit more."""
        link.flow(number)

    def drain(self, link: Any, number: int = 0) -> None:
        """Grant so much credit more, and ask for it to be used up at once."""
        link.drain(number)

    def drained(self, link: Any) -> None:
        """The sender has nothing more to send."""
        link.drained()

    def update(self, delivery: Any, state: Optional[str] = None, settle: bool = False, **content: Any) -> None:
        """Say a state ("ACCEPTED") of a delivery, with its content (the attributes of its disposition)."""
        if state is not None:
            for key, value in content.items():
                setattr(delivery.local, key, value)
            delivery.update(getattr(self.library.Delivery, state))
        if settle:
            delivery.settle()

    # -- what the application gets to know ---------------------------------------------------------------

    def events(self) -> list[tuple[str, Any]]:
        """What has happened since this was last asked: ("link_remote_open", the link) ..."""
        found = []
        while (event := self.collector.peek()) is not None:
            name = event.type.method[len("on_") :]
            found.append((name, event.context))
            self.collector.pop()
        return found

    def state(self, delivery: Any) -> str:
        """The peer's state of a delivery: "ACCEPTED" ..., "" while there is none."""
        kinds = self.library.Delivery
        for name in ("RECEIVED", "ACCEPTED", "REJECTED", "RELEASED", "MODIFIED"):
            if delivery.remote_state == getattr(kinds, name):
                return name
        return ""

    def condition(self, endpoint: Any) -> Optional[str]:
        """The condition for which the peer ended an endpoint, or None."""
        condition = endpoint.remote_condition
        return None if condition is None else str(condition.name)
