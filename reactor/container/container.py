"""Container: what an application holds. It makes connections and listeners; links are made in links.py.

How it runs them is in turns.py, how it keeps connections in system_handler.py. The clock, the network and the random
source come as arguments, so that the same container runs in the real world and in a simulated one. It knows the
engine from outside, and no handler class: handlers are any objects.
"""

from __future__ import annotations

import random as random_module
import weakref
from collections.abc import Iterable
from typing import Any, Optional, Union

from reactor.container.acceptor import Acceptor
from reactor.container.links import Linking
from reactor.container.reconnect.attempts import Attempts, split_addresses
from reactor.container.reconnect.backoff import Reconnect, check_reconnect
from reactor.container.reconnect.connector import Address, Connector, read_address
from reactor.container.reconnect.supervisor import ConnectionSupervisor
from reactor.container.settings.config import find_config
from reactor.container.settings.keywords import (
    check_frame_size,
    check_heartbeat,
    check_limits,
    check_mechanisms,
    check_offer,
    check_seconds,
    check_texts,
    check_truth,
    refuse_unknown,
)
from reactor.container.settings.ssl_config import SSLConfig
from reactor.engine.handler import check_handler
from reactor.engine.limits import USUAL, Limits
from reactor.engine.public import Connection
from reactor.engine.sasl.credentials import Credentials
from reactor.engine.sasl.exchange import Authenticator, TokenOwner
from reactor.engine.tls.domain import SSLDomain
from reactor.loop.interface import Clock, Network
from reactor.url import Url

#: Seconds for one attempt to reach a peer, and for the peer to have opened the connection.
CONNECT_TIMEOUT, OPEN_TIMEOUT = 15.0, 30.0
#: Seconds for a peer to take something of what is to be sent.
WRITE_TIMEOUT = 60.0


class Container(Linking):
    """Connections, listeners, timers and the loop that runs them.

    handlers: see what happens to everything that has no handler of its own, in this order.
    container_id: the name by which peers know this container; a random UUID by default.
    clock, network, random: the world: a `reactor.loop.interface.Clock`, a Network, and a `random.Random`. The
        real ones by default; simulations give their own. What has to be unguessable is drawn from it, too: a
        seeded one is for tests.

    raise_errors: whether `run()` raises what `ended_by` says when a connection could not be kept (False).

    `ended_by` says why `run()` has returned: None when nothing was left to do, or after `stop()`; else an exception:
    the one that left it, or a ConnectionException, SessionException or LinkException when a connection of `connect`
    was given up for an error: by the peer, when attempts are used up, or by the default of an `on_..._error`. An
    application that connects anew after that has dealt with it: None again.

    The attributes `user`, `password`, `allowed_mechs`, `allow_insecure_mechs` and `sasl_enabled` are what
    `connect` takes where it is not told otherwise; `ssl.client` and `ssl.server` are the SSLDomain of connections
    with TLS in the one and the other direction. `connect_timeout` (15 seconds), `open_timeout` (30), `write_timeout`
    (60) and `limits` (`Limits()`) are defaults of `connect` and `listen` as well, and `attach_timeout`,
    `send_timeout` and `close_timeout` of links and connections; None, the default of these, is for no limit.
    `timeout` bounds, in seconds, how long one `process()` waits; None (default) for as long as nothing happens.

    `rescue` is for servers, which go on whatever one peer brings about: called with an exception that would leave
    `run()`, and with the event that the handler was called for (None where it was none: what happened while bytes were
    read or written, whose connection has been closed with amqp:internal-error). It ends what the event is about, and
    returns whether the container goes on; else the exception leaves `run()`. None (default): each one does.

    All of it belongs to one thread, the one that runs it; a call from another one raises RuntimeError. Other threads
    may use `call_soon_threadsafe`, `stop` and `wakeup`, and trigger an EventInjector.
    """

    def __init__(
        self,
        *handlers: Any,
        container_id: Optional[str] = None,
        clock: Optional[Clock] = None,
        network: Optional[Network] = None,
        random: Optional[random_module.Random] = None,
        raise_errors: bool = False,
        **unknown: Any,
    ) -> None:
        refuse_unknown("Container()", Container.__init__, unknown)
        check_truth(raise_errors=raise_errors)
        self.random = random_module.SystemRandom() if random is None else random
        self.container_id = self._uuid() if container_id is None else container_id
        self._named = weakref.WeakValueDictionary()
        self._suffixes = {}
        self.user: Optional[str] = None
        self.password: Optional[str] = None
        self.sasl_enabled = True
        self.allowed_mechs: Any = None
        self.allow_insecure_mechs: Optional[bool] = None
        self.ssl = SSLConfig()
        self.connect_timeout: Optional[float] = CONNECT_TIMEOUT
        self.open_timeout: Optional[float] = OPEN_TIMEOUT
        self.write_timeout: Optional[float] = WRITE_TIMEOUT
        self.limits = USUAL
        self.attach_timeout: Optional[float] = None
        self.send_timeout: Optional[float] = None
        self.close_timeout: Optional[float] = None
        super().__init__(handlers, clock, network)
        self.raise_errors = bool(raise_errors)

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
        connect_timeout: Optional[float] = None,
        open_timeout: Optional[float] = None,
        write_timeout: Optional[float] = None,
        close_timeout: Optional[float] = None,
        limits: Optional[Limits] = None,
        **unknown: Any,
    ) -> Connection:
        """Begin to connect to a peer, and return the Connection at once: it is opened as soon as the
        container runs.

        url: where to, as ``"amqp://user:password@host:port"`` or a Url; ``amqps`` is with TLS. Or several, with
            commas in between; urls: several in a list, tried in turn until the connection is opened. address: one
            or several, as an older name for these.
            Without any of them connect.json says where to, and as whom (config.py); what this call is told goes
            before that.
        handler: sees the events of this connection, of its sessions and links; None leaves them to the
        container's.
        reconnect: None, the default, and True: a connection that cannot be had is tried again, and one that is
            lost is made again, after the delays of a Backoff; or a Backoff, a list of seconds, or an object with
            `next()` and `reset()`. Sessions and links are opened again as they were. False: every address is
            tried once, and a connection that is lost stays lost.
        heartbeat: seconds within which the peer is to be heard of; None for no limit.
        ssl_domain: what TLS is to be like; None for `container.ssl.client`. It is for addresses with ``amqps``,
            and makes one of an address without a scheme; with ``amqp`` there is no TLS all the same.
        sni: the name by which TLS asks for the server and verifies it; None for `virtual_host`, or the host.
        sasl_enabled: whether to authenticate at all (True).
        allowed_mechs: SASL mechanisms that may be used, in one string or a list; None for all.
        allow_insecure_mechs: whether a password may be sent in clear text to another machine. None, the
            default, allows it to this machine only.
        user, password: go before those in the url.
        virtual_host: what the peer is asked for by name; the host of the url by default, nothing with "".
        offered_capabilities, desired_capabilities: names, a list of them, or None.
        properties: told to the peer about this connection, a dict; or None.
        max_frame_size: bytes of the largest frame that the peer may send (at least 512), 0 for any; None leaves it to
            `limits`.
        container_id: another name than the container's for this connection.
        connect_timeout: seconds for each attempt to reach the peer; None for the container's own. open_timeout:
            seconds for each attempt until the peer has opened the connection, all included. write_timeout: seconds for
            the peer to take something of what is to be sent; then the connection is lost. close_timeout: seconds for
            the peer to answer the close of the connection; then `on_connection_error`. None as before.
        limits: how much is taken of the peer, at most; None for the container's own.

        Raises TypeError for a keyword that it does not know, suggesting the nearest, and for a value of the wrong
        kind, naming the keyword; ValueError for an address or a number that is none, or for a connect.json that is
        none; SSLException for the SSLDomain of a server; DataException, naming the field, for a value that cannot
        be sent.
        """
        refuse_unknown("connect()", Container.connect, unknown)
        self.owner.check()
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
        delays = check_reconnect(reconnect)
        check_heartbeat(heartbeat)
        check_frame_size(max_frame_size)
        check_seconds(connect_timeout=connect_timeout, open_timeout=open_timeout, close_timeout=close_timeout)
        check_seconds(write_timeout=write_timeout)
        check_limits(limits)
        check_mechanisms(allowed_mechs)
        check_texts(user=user, password=password, sni=sni)
        sasl_enabled = self.sasl_enabled if sasl_enabled is None else sasl_enabled
        insecure = self.allow_insecure_mechs if allow_insecure_mechs is None else allow_insecure_mechs
        check_truth(sasl_enabled=sasl_enabled, allow_insecure_mechs=insecure)
        connection = self.connection(handler)
        connection.container = container_id or self.container_id
        connection.hostname = virtual_host or None
        connection.offered_capabilities = offered_capabilities
        connection.desired_capabilities = desired_capabilities
        connection.properties = properties
        connector = Connector(self, connection)
        connector.heartbeat = heartbeat
        connector.max_frame_size = max_frame_size
        connector.limits = limits or self.limits
        connector.write_timeout = self.write_timeout if write_timeout is None else write_timeout
        connector.virtual_host = virtual_host
        connector.ssl_domain = ssl_domain
        connector.sni = sni
        connector.sasl_enabled = sasl_enabled
        connector.allowed_mechs = allowed_mechs or self.allowed_mechs
        connector.allow_insecure_mechs = insecure
        connector.user = user or self.user
        connector.password = password or self.password
        supervisor = ConnectionSupervisor(connector, Attempts(addresses, delays, self.random))
        supervisor.connect_timeout = self.connect_timeout if connect_timeout is None else connect_timeout
        supervisor.close_timeout = self.close_timeout if close_timeout is None else close_timeout
        supervisor.open_timeout = self.open_timeout if open_timeout is None else open_timeout
        connection.open()
        self.keep(supervisor)
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
        open_timeout: Optional[float] = None,
        write_timeout: Optional[float] = None,
        limits: Optional[Limits] = None,
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
        allowed_mechs: which mechanisms to offer; None for all that make sense. With it, or any of the three above, a
            client that leaves SASL out is refused, unless it names ANONYMOUS. Over TLS, too; only where nothing but
            EXTERNAL can be meant a certificate that was verified is enough by itself.
        open_timeout: seconds for a peer to open its connection, TLS and SASL included; then it is let go.
            write_timeout, limits: as in `connect`. None for the container's own.

        Raises ValueError for a number that is none, and for an empty `allowed_mechs`; OSError, naming the address,
        when it is in use or not to be had; SSLException for TLS without a certificate, or for the SSLDomain of a
        client.
        """
        self.owner.check()
        check_handler(handler)
        check_offer(allowed_mechs)
        check_seconds(open_timeout=open_timeout, write_timeout=write_timeout)
        check_limits(limits)
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
        acceptor.open_timeout = self.open_timeout if open_timeout is None else open_timeout
        acceptor.write_timeout = self.write_timeout if write_timeout is None else write_timeout
        acceptor.limits = limits or self.limits
        return acceptor

    def connection(self, handler: Any = None) -> Connection:
        """A new Connection whose events this container dispatches: to `handler`, or to its own handlers.

        It has no transport; `connect` and `listen` are what applications want.
        """
        self.owner.check()
        connection = Connection()
        connection.container = self.container_id
        connection.handler = handler
        connection.collect(self.collector)
        connection.guard = self.owner.check
        return connection

    def __repr__(self) -> str:
        return "<Container %s>" % self.container_id


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
    pieces = [piece for one in given for piece in (split_addresses(one) if isinstance(one, str) else (one,))]
    addresses = [read_address(one) for one in pieces]
    if not addresses:
        raise ValueError("connect() needs to know where to: give a url, or urls")
    return addresses

