"""Container: what an application holds. It makes connections, links and listeners.

How it runs them is in runner.py. The clock, the network and the random source come as arguments, so that
the same container runs in the real world and in a simulated one. It knows the engine from outside, and no
handler class: handlers are any objects.
"""

from __future__ import annotations

import random as random_module
import uuid
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional, TypeVar, Union

from reactor.container.acceptor import Acceptor
from reactor.container.backoff import Reconnect, read_delays
from reactor.container.config import find_config
from reactor.container.connector import Address, Connector, read_address
from reactor.container.keywords import (
    check_frame_size,
    check_heartbeat,
    check_mechanisms,
    check_texts,
    refuse_unknown,
)
from reactor.container.options import AutoAccept, MaxUnsettled, Prefetch, apply_options
from reactor.container.runner import Runner
from reactor.container.ssl_config import SSLConfig
from reactor.engine.connection import Connection
from reactor.engine.credentials import Credentials
from reactor.engine.endpoint import Endpoint
from reactor.engine.exchange import Authenticator, TokenOwner
from reactor.engine.receiver import Receiver
from reactor.engine.sender import Sender
from reactor.engine.session import Session
from reactor.engine.tls_domain import SSLDomain
from reactor.engine.transport import Transport
from reactor.errors import CONNECTION_FORCED
from reactor.loop.interface import Clock, Network
from reactor.url import Url

Context = Union[Connection, Session, Url, str]
AnyLink = TypeVar("AnyLink", Sender, Receiver)


class Container(Runner):
    """Connections, listeners, timers and the loop that runs them.

    handlers: see what happens to everything that has no handler of its own, in this order.
    container_id: the name by which peers know this container; a random UUID by default.
    clock, network, random: the world: a `reactor.loop.interface.Clock`, a Network, and a `random.Random`. The
        real ones by default; simulations give their own. What has to be unguessable is drawn from it, too: a
        seeded one is for tests.

    The attributes `user`, `password`, `allowed_mechs`, `allow_insecure_mechs` and `sasl_enabled` are what
    `connect` takes where it is not told otherwise; `ssl.client` and `ssl.server` are the SSLDomain of connections
    with TLS in the one and the other direction. `timeout` bounds, in seconds, how long one `process()`
    waits; None (default) for as long as nothing happens.

    All of it belongs to one thread. Others may call `stop` and `wakeup`, and trigger an EventInjector.
    """

    def __init__(
        self,
        *handlers: Any,
        container_id: Optional[str] = None,
        clock: Optional[Clock] = None,
        network: Optional[Network] = None,
        random: Optional[random_module.Random] = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown("Container()", Container.__init__, unknown)
        self.random = random_module.SystemRandom() if random is None else random
        self.container_id = self._uuid() if container_id is None else container_id
        self.user: Optional[str] = None
        self.password: Optional[str] = None
        self.sasl_enabled = True
        self.allowed_mechs: Any = None
        self.allow_insecure_mechs: Optional[bool] = None
        self.ssl = SSLConfig()
        super().__init__(handlers, clock, network, _Housekeeper(self))
        self._connectors: dict[Connection, Connector] = {}

    # -- connections -------------------------------------------------------------------------------------

    def connect(
        self,
        url: Optional[Address] = None,
        urls: Optional[Iterable[Address]] = None,
        address: Union[None, Address, Iterable[Address]] = None,
        handler: Any = None,
        reconnect: Reconnect = None,
        heartbeat: Optional[float] = None,
        ssl_domain: Optional[SSLDomain] = None,
        *,
        sasl_enabled: Optional[bool] = None,
        allowed_mechs: Union[None, str, list[str]] = None,
        allow_insecure_mechs: Optional[bool] = None,
        user: Optional[str] = None,
        password: Optional[str] = None,
        virtual_host: Optional[str] = None,
        offered_capabilities: Any = None,
        desired_capabilities: Any = None,
        properties: Optional[dict[Any, Any]] = None,
        sni: Optional[str] = None,
        max_frame_size: Optional[int] = None,
        container_id: Optional[str] = None,
        **unknown: Any,
    ) -> Connection:
        """Begin to connect to a peer, and return the Connection at once: it is opened as soon as the
        container runs.

        url: where to, as ``"amqp://user:password@host:port"`` or a Url; ``amqps`` is with TLS. urls: several,
            tried in turn until the connection is opened. address: one or several, as an older name for these.
            Without any of them connect.json says where to, and as whom (config.py); what this call is told goes
            before that.
        handler: sees the events of this connection, of its sessions and links; None leaves them to the
        container's.
        reconnect: False or None, the default: a connection that is lost stays lost. True: it is made again, after
            the delays of a Backoff; or a Backoff, a list of seconds, or an object with `next()` and `reset()`.
            Sessions and links are then opened again; sends without an outcome are in doubt.
        heartbeat: seconds within which the peer is to be heard of; None for no limit.
        ssl_domain: what TLS is to be like; None for `container.ssl.client`. It is for addresses with ``amqps``,
            and makes one of an address without a scheme; with ``amqp`` there is no TLS all the same.
        sni: the name by which TLS asks for the server and verifies it; None for `virtual_host`, or the host.
        sasl_enabled: whether to authenticate at all (True).
        allowed_mechs: SASL mechanisms that may be used, in one string or a list; None for all.
        allow_insecure_mechs: whether a password may be sent in clear text to another machine. None, the
            default, allows it to this machine only.
        user, password: go before those in the url.
        virtual_host: what the peer is asked for by name; the host of the url by default.
        offered_capabilities, desired_capabilities: names, a list of them, or None.
        properties: told to the peer about this connection, a dict; or None.
        max_frame_size: bytes of the largest frame that the peer may send (at least 512); None for 65,536.
        container_id: another name than the container's for this connection.

        Raises TypeError for a keyword that it does not know, suggesting the nearest; ValueError for an
        address or a number that is none, or for a connect.json that is none; SSLException for the SSLDomain of a
        server; DataException, naming the field, for a value that cannot be sent.
        """
        refuse_unknown("connect()", Container.connect, unknown)
        if url is None and urls is None and address is None:
            file = find_config()
            url, ssl_domain = file.url, ssl_domain or file.ssl_domain
            user, password = user or file.user, password or file.password
            allowed_mechs = allowed_mechs or file.allowed_mechs
            sasl_enabled = file.sasl_enabled if sasl_enabled is None else sasl_enabled
            allow_insecure_mechs = file.allow_insecure_mechs if allow_insecure_mechs is None else allow_insecure_mechs
        addresses = _addresses(url, urls, address)
        for one in addresses:
            if ssl_domain is not None and one.scheme is None:
                one.scheme = Url.AMQPS
        ssl_domain = self.ssl.of_client(ssl_domain)
        read_delays(reconnect)  # for its error, at the call that caused it
        check_heartbeat(heartbeat)
        check_frame_size(max_frame_size)
        check_mechanisms(allowed_mechs)
        check_texts(user=user, password=password, sni=sni)
        connection = self.connection(handler)
        connection.container = container_id or self.container_id
        connection.hostname = virtual_host
        connection.offered_capabilities = offered_capabilities
        connection.desired_capabilities = desired_capabilities
        connection.properties = properties
        connector = Connector(self, connection, addresses, reconnect)
        connector.heartbeat = heartbeat
        connector.max_frame_size = max_frame_size
        connector.virtual_host = virtual_host
        connector.ssl_domain = ssl_domain
        connector.sni = sni
        connector.sasl_enabled = self.sasl_enabled if sasl_enabled is None else sasl_enabled
        connector.allowed_mechs = allowed_mechs or self.allowed_mechs
        connector.allow_insecure_mechs = allow_insecure_mechs
        if allow_insecure_mechs is None:
            connector.allow_insecure_mechs = self.allow_insecure_mechs
        connector.user = user or self.user
        connector.password = password or self.password
        connection.open()
        self._connectors[connection] = connector
        return connection

    def listen(
        self,
        url: Address,
        ssl_domain: Optional[SSLDomain] = None,
        handler: Any = None,
        authenticator: Optional[Authenticator] = None,
        allowed_mechs: Any = None,
        *,
        credentials: Optional[Credentials] = None,
        token_owner: Optional[TokenOwner] = None,
    ) -> Acceptor:
        """Listen for peers, and return the Acceptor, whose `close()` ends that.

        url: where, as ``"amqp://127.0.0.1:5672"``; without a host, on all addresses of this machine; port 0
            lets the system choose (`acceptor.port`). ``amqps`` is with TLS.
        ssl_domain: what TLS is to be like, whatever the scheme; None for `container.ssl.server` with ``amqps``,
            and for no TLS with ``amqp``.
        handler: sees the events of connections that come in here; None leaves them to the container's.
        authenticator: called as (mechanism, user, password), says whether to let that user in by a password
            that comes in clear. credentials: called as (mechanism, user), gives that user's password, or better
            a ScramSecret; None for a user that there is not. Without either, no mechanism with a password is
            offered; without `credentials`, only PLAIN is.
        token_owner: called as (mechanism, token), gives the name of the user whose token it is, or None; without
            it no mechanism with a token is offered.
        allowed_mechs: which mechanisms to offer; None for all that make sense.

        Raises OSError, naming the address, when it is in use or not to be had; SSLException for TLS without a
        certificate, or for the SSLDomain of a client.
        """
        check_mechanisms(allowed_mechs)
        place = read_address(url)
        if place.scheme == Url.AMQPS or ssl_domain is not None:
            ssl_domain = self.ssl.of_server(ssl_domain)
            place.scheme = place.scheme or Url.AMQPS
        port = int(place.port if place.port is not None else Url.Port(place.scheme or Url.AMQP))
        acceptor = Acceptor(self, self.loop.network.listen(place.host, port))
        acceptor.set_ssl_domain(ssl_domain)
        acceptor.handler = handler
        acceptor.authenticator = authenticator
        acceptor.credentials = credentials
        acceptor.token_owner = token_owner
        acceptor.allowed_mechs = allowed_mechs
        return acceptor

    def connection(self, handler: Any = None) -> Connection:
        """A new Connection whose events this container dispatches: to `handler`, or to its own handlers.

        It has no transport; `connect` and `listen` are what applications want.
        """
        connection = Connection()
        connection.container = self.container_id
        connection.handler = handler
        connection.collect(self.collector)
        return connection

    # -- sessions and links ------------------------------------------------------------------------------

    def create_session(self, context: Context) -> Session:
        """A new session, opened, of a connection or of a new connection to a url."""
        session = self._connection_of(context).session()
        session.open()
        return session

    def create_sender(
        self,
        context: Context,
        target: Optional[str] = None,
        source: Optional[str] = None,
        name: Optional[str] = None,
        handler: Any = None,
        tags: Union[None, Callable[[], Any], Iterator[Any]] = None,
        options: Any = None,
        **unknown: Any,
    ) -> Sender:
        """Open a link to send over, and return the Sender: it can be used when `on_sendable` says so.

        context: a Connection, a Session, or a url to connect to, whose path is the target.
        target: the address to send to; None for a sender whose messages carry their address
        (`Message.address`).
        source: an address of this side, told to the peer.
        name: the link's name, by which both sides know it; made from the container's id and the addresses
        by default.
        handler: sees the events of this link; None leaves them to its session, connection or container.
        tags: called for each message for its delivery tag, or an iterator of tags; None counts from 1.
        options: a LinkOption or a list of them.
        """
        refuse_unknown("create_sender()", Container.create_sender, unknown)
        session, path = self._session_of(context)
        target = path if target is None else target
        name = name or self._link_name(session, target, source, True)
        sender = session.sender(name)
        if tags is not None:
            sender.tag_generator = tags if callable(tags) else iter(tags).__next__
        return self._open_link(sender, source, target, handler, options)

    def create_receiver(
        self,
        context: Context,
        source: Optional[str] = None,
        target: Optional[str] = None,
        name: Optional[str] = None,
        dynamic: bool = False,
        handler: Any = None,
        options: Any = None,
        auto_accept: Optional[bool] = None,
        prefetch: Optional[int] = None,
        max_unsettled: Optional[int] = None,
        **unknown: Any,
    ) -> Receiver:
        """Open a link to receive from, and return the Receiver.

        context: a Connection, a Session, or a url to connect to, whose path is the source.
        source: the address to receive from. dynamic: have the peer make one:
            `receiver.remote_source.address`, once the link is opened.
        target, name, handler, options: as in `create_sender`.
        auto_accept: whether messages are accepted when `on_message` returns; None leaves it to the handler.
        prefetch: how many messages may be on their way ahead of `on_message`, 0 for what `receiver.flow(n)`
            grants; None leaves it to the handler.
        max_unsettled: bounds the messages on their way together with those not settled here; None for no
        bound.
        """
        refuse_unknown("create_receiver()", Container.create_receiver, unknown)
        session, path = self._session_of(context)
        source = path if source is None else source
        name = name or self._link_name(session, source, target, False)
        receiver = session.receiver(name)
        receiver.source.dynamic = bool(dynamic)
        said: Any = ((AutoAccept, auto_accept), (Prefetch, prefetch), (MaxUnsettled, max_unsettled))
        keywords = [option(value) for option, value in said if value is not None]
        return self._open_link(receiver, None if dynamic else source, target, handler, options, keywords)

    def _open_link(
        self, link: AnyLink, source: Optional[str], target: Optional[str], handler: Any, *options: Any
    ) -> AnyLink:
        """Open a link, or leave no trace of it when something that it was given is refused."""
        link.handler = handler
        try:
            link.source.address = source
            link.target.address = target
            for some in options:
                apply_options(link, some)
            link.open()
        except BaseException:
            link.free()
            raise
        return link

    def _connection_of(self, context: Context) -> Connection:
        if isinstance(context, Connection):
            return context
        if isinstance(context, (str, Url)):
            return self.connect(context)
        if isinstance(context, Session):
            return context.connection
        raise TypeError("links are made on a Connection, a Session or a url, not on %r" % (context,))

    def _session_of(self, context: Context) -> tuple[Session, Optional[str]]:
        """The session to make a link on, and the address in the url if `context` was one."""
        if isinstance(context, Session):
            return context, None
        connection = self._connection_of(context)
        session: Optional[Session] = connection.__dict__.get("default_session")
        if session is None or not session.state & Endpoint.LOCAL_ACTIVE:
            session = connection.__dict__["default_session"] = self.create_session(connection)
        path = Url(context, defaults=False).path if isinstance(context, (str, Url)) else None
        return session, path

    def _link_name(self, session: Session, first: Optional[str], second: Optional[str], sends: bool) -> str:
        """A name that no other link of the connection has in this direction [2.6.1]."""
        addresses = [address for address in (first, second) if address and isinstance(address, str)]
        name = stem = "-".join([self.container_id] + (addresses or [self._uuid()]))
        taken = {link.name for link in session.connection.links(0) if link.is_sender == sends}
        count = 1
        while name in taken:
            count += 1
            name = "%s-%d" % (stem, count)
        return name

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    # -- what becomes of connections ---------------------------------------------------------------------

    def begin(self, connection: Connection) -> None:
        """The application has opened the connection: if it is to be connected, now is the time."""
        connector = self._connectors.get(connection)
        if connector is not None and connection.transport is None:
            connector.attempt()

    def opened(self, connection: Connection) -> None:
        """The peer has opened the connection."""
        connector = self._connectors.get(connection)
        if connector is not None:
            connector.opened()

    def ended(self, transport: Transport, connection: Optional[Connection]) -> None:
        super().ended(transport, connection)
        connector = None if connection is None else self._connectors.get(connection)
        if connector is not None:
            connector.ended()
            if not connector.connection.state & Endpoint.LOCAL_ACTIVE:
                self.forget(connector.connection)

    def forget(self, connection: Connection) -> None:
        """The connection is closed: nothing more is done for it."""
        self._connectors.pop(connection, None)

    def reconnects(self, connection: Connection) -> bool:
        """Whether `connection` is made again when it is lost."""
        connector = self._connectors.get(connection)
        return connector is not None and connector.reconnects

    def forced(self, connection: Connection) -> None:
        """The peer sends the connection away: if it is to be made again, there is nothing to wait for."""
        driver = None if connection.transport is None else self._drivers.get(connection.transport)
        if driver is not None and self.reconnects(connection):
            driver.close()

    def close_all(self) -> None:
        super().close_all()
        self._connectors.clear()

    def __repr__(self) -> str:
        return "<Container %s>" % self.container_id


class _Housekeeper:
    """The container's own part in what happens, after the handlers."""

    def __init__(self, container: Container) -> None:
        self._container = weakref.proxy(container)

    def on_connection_local_open(self, event: Any) -> None:
        self._container.begin(event.connection)

    def on_connection_remote_open(self, event: Any) -> None:
        self._container.opened(event.connection)

    def on_connection_remote_close(self, event: Any) -> None:
        condition = event.connection.remote_condition
        if condition is not None and condition.name == CONNECTION_FORCED:
            self._container.forced(event.connection)

    def on_transport_closed(self, event: Any) -> None:
        self._container.ended(event.context, event.connection)


def _addresses(url: Optional[Address], urls: Optional[Iterable[Address]], address: Any) -> list[Url]:
    """Where to connect to, in order."""
    if url is not None:
        given: Iterable[Address] = [url]
    elif urls is not None:
        given = [urls] if isinstance(urls, (str, Url)) else urls
    elif address is not None:
        given = [address] if isinstance(address, (str, Url)) else address
    else:
        given = ()
    addresses = [read_address(one) for one in given]
    if not addresses:
        raise ValueError("connect() needs to know where to: give a url, or urls")
    return addresses

