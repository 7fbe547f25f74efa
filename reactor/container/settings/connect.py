"""ConnectSettings: all that one outgoing connection was asked to be, in one value.

`Container.connect()` makes it of its keywords, of connect.json and of the container's own attributes; the supervisor,
the connector and the attempts of the connection read it. Nothing in it changes afterwards.
"""

from __future__ import annotations

from reactor.container import settings
from reactor.container.reconnect.backoff import check_reconnect
from reactor.container.settings.addresses import read_address, split_addresses
from reactor.container.settings.keywords import check_truth
from reactor.lazily import TYPE_CHECKING
from reactor.url import Url

#: Seconds for one attempt to reach a peer, and for the peer to have opened the connection.
CONNECT_TIMEOUT, OPEN_TIMEOUT = 15.0, 30.0
#: Seconds for a peer to take some of the bytes that wait for it.
WRITE_TIMEOUT = 60.0


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Optional, Protocol

    from reactor.container.reconnect.backoff import Reconnect
    from reactor.container.settings.addresses import Address
    from reactor.container.settings.proxy import ProxyOption
    from reactor.container.settings.ssl_config import SSLConfig
    from reactor.engine.limits import Limits
    from reactor.engine.tls.domain import SSLDomain

    class ConnectDefaults(Protocol):
        """The attributes of a container that stand in for keywords of `connect` that are not given."""

        user: Optional[str]
        password: Optional[str]
        sasl_enabled: bool
        allowed_mechs: Any
        allow_insecure_mechs: Optional[bool]
        ssl: SSLConfig
        connect_timeout: Optional[float]
        open_timeout: Optional[float]
        write_timeout: Optional[float]
        close_timeout: Optional[float]
        limits: Limits
        resend: bool
        proxy: ProxyOption


class ConnectSettings:
    """The keywords of `Container.connect()`:

    url: the peer, as ``"amqp://user:password@host:port"`` or a Url; ``amqps`` is with TLS, ``amqpws`` with WebSocket,
        ``amqpwss`` with both, as in ``"amqpwss://host:port/path"``. Or several peers, with commas in between. urls:
        several in a list, tried in turn until the connection is opened. address: one or several, as an older name for
        these.
        Without any of them connect.json names the peer and the user (config.py); a keyword of the call goes before
        the file.
    handler: gets the events of this connection, of its sessions and links; None leaves them to the container's.
    reconnect: None, the default, and True: an attempt that fails is repeated, and a connection that is lost is made
        again, after the delays of a Backoff; or a Backoff, a list of seconds, or an object with `next()` and
        `reset()`. Sessions and links are opened again as they were. False: every address is tried once, and a
        connection that is lost stays lost.
    heartbeat: seconds of silence after which the peer is taken for dead; None for no limit.
    ssl_domain: the settings of TLS; None for `container.ssl.client`. It is for addresses with ``amqps`` and
        ``amqpwss``, and makes one of an address without a scheme; with ``amqp`` there is no TLS all the same.
    sni: the name by which TLS asks for the server and verifies it; None for `virtual_host`, or the host.
    sasl_enabled: whether to authenticate at all (True).
    allowed_mechs: SASL mechanisms that may be used, in one string or a list; None for all.
    allow_insecure_mechs: whether a password may be sent in clear text to another machine. None, the default, allows
        it to this machine only.
    user, password: go before those in the url.
    virtual_host: the name that the open asks the peer for; the host of the url by default, none with "".
    offered_capabilities, desired_capabilities: names, a list of them, or None.
    properties: of this connection, for the peer to read, a dict; or None.
    max_frame_size: bytes of the largest frame that the peer may send (at least 512), 0 for any; None leaves it to
        `limits`.
    container_id: another name than the container's for this connection.
    connect_timeout: seconds for each attempt to reach the peer, from the look-up of its name on; None for the
        container's own, as below. open_timeout: seconds for each attempt until the peer has opened the connection,
        all included. write_timeout: seconds for the peer to take some of the bytes that wait for it; then the
        connection is lost. close_timeout: seconds for the peer to answer the close of the connection; then
        `on_connection_error`.
    limits: the most that is taken of the peer; None for the container's own.
    proxy: the HTTP proxy by way of which the peer is reached, as ``"http://user:password@proxy:3128"``: it looks up the
        name of the peer, and opens a tunnel (CONNECT) for all schemes. True: the one that the environment names in
        HTTPS_PROXY, else in ALL_PROXY, unless the peer is in NO_PROXY or on this machine. False: none. None: the
        container's own, which is none by default. `connect_timeout` includes the proxy's answer.
    resend: the `resend` of senders on this connection that have none of their own: whether messages without an outcome
        are sent again when the connection is back (row J2); None for the container's own.
    tokens: Claims or Bearer of reactor.tokens, with a provider, such as ``Claims(SharedAccessKey(name, key))``; None
        (default) for no tokens.
    """

    __slots__ = (
        "addresses",  # the peers, in order
        "allow_insecure_mechs",
        "allowed_mechs",
        "close_timeout",
        "connect_timeout",
        "container_id",
        "delays",  # of attempts, as `check_reconnect` gives them; None for a connection that is not made again
        "desired_capabilities",
        "handler",
        "heartbeat",
        "limits",
        "max_frame_size",
        "offered_capabilities",
        "open_timeout",
        "password",
        "properties",
        "proxies",  # which proxy is taken on the way to a peer; None: none is
        "resend",
        "redirected",  # whether a peer has given the address, and not the application
        "sasl_enabled",
        "sni",
        "tokens",
        "ssl_domain",
        "user",
        "virtual_host",
        "write_timeout",
    )

    def __init__(self, given: Mapping[str, Any], defaults: ConnectDefaults) -> None:
        """given: the arguments of `connect`, each checked by itself."""
        if given["url"] is None and given["urls"] is None and given["address"] is None:
            given = _completed(given, settings.find_config())
        self.addresses = _addresses(given["url"], given["urls"], given["address"])
        ssl_domain: Optional[SSLDomain] = given["ssl_domain"]
        for one in self.addresses:
            if ssl_domain is not None and one.scheme is None:
                one.scheme = Url.AMQPS
        self.ssl_domain = defaults.ssl.of_client(ssl_domain)
        self.delays: Reconnect = check_reconnect(given["reconnect"])
        self.redirected = False
        self.handler: Any = given["handler"]
        self.container_id: Optional[str] = given["container_id"]
        self.offered_capabilities: Any = given["offered_capabilities"]
        self.desired_capabilities: Any = given["desired_capabilities"]
        self.properties: Optional[dict[Any, Any]] = given["properties"]
        self.virtual_host: Optional[str] = given["virtual_host"]
        self.sni: Optional[str] = given["sni"]
        self.tokens: Any = given["tokens"]
        self.user: Optional[str] = given["user"] or defaults.user
        self.password: Optional[str] = given["password"] or defaults.password
        self.allowed_mechs: Any = given["allowed_mechs"] or defaults.allowed_mechs
        self.sasl_enabled: bool = _either(given["sasl_enabled"], defaults.sasl_enabled)
        self.allow_insecure_mechs: Optional[bool] = _either(
            given["allow_insecure_mechs"], defaults.allow_insecure_mechs
        )
        for name in ("sasl_enabled", "allow_insecure_mechs"):  # an attribute of the container is checked here first
            check_truth(name, getattr(self, name))
        self.heartbeat: Optional[float] = given["heartbeat"]
        self.max_frame_size: Optional[int] = given["max_frame_size"]
        self.limits: Limits = given["limits"] or defaults.limits
        self.connect_timeout: Optional[float] = _either(given["connect_timeout"], defaults.connect_timeout)
        self.open_timeout: Optional[float] = _either(given["open_timeout"], defaults.open_timeout)
        proxy: ProxyOption = _either(given["proxy"], defaults.proxy)
        self.proxies = None if proxy is None or proxy is False else settings.choose_proxies(proxy)
        self.resend: bool = _either(given["resend"], defaults.resend)
        self.write_timeout: Optional[float] = _either(given["write_timeout"], defaults.write_timeout)
        self.close_timeout: Optional[float] = _either(given["close_timeout"], defaults.close_timeout)

    def redirected_to(self, url: Url, hostname: Optional[str]) -> ConnectSettings:
        """The settings of a connection like this one to another peer, which a peer has named.

        hostname: the name to ask for there, unless the application has named one.
        """
        other = ConnectSettings.__new__(ConnectSettings)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other.addresses = [url]
        other.redirected = True
        if other.virtual_host is None:
            other.virtual_host = hostname
        return other


def _either(given: Any, default: Any) -> Any:
    return default if given is None else given


def _completed(given: Mapping[str, Any], file: settings.ConnectConfig) -> dict[str, Any]:
    """The arguments, with those of the file where there is none."""
    said = {name: value for name, value in given.items() if value or value is False}
    filed: dict[str, Any] = dict(url=file.url, user=file.user, password=file.password, ssl_domain=file.ssl_domain)
    filed.update(sasl_enabled=file.sasl_enabled, allowed_mechs=file.allowed_mechs, proxy=file.proxy)
    return {**given, **filed, "allow_insecure_mechs": file.allow_insecure_mechs, **said}


def _addresses(url: Optional[Address], urls: Optional[Iterable[Address]], address: Any) -> list[Url]:
    """The peers, in order."""
    given = urls if urls is not None else address
    if url is not None or isinstance(given, (str, Url)):
        given = [url if url is not None else given]
    pieces = [piece for one in given for piece in (split_addresses(one) if isinstance(one, str) else (one,))]
    addresses = [read_address(one) for one in pieces]
    if not addresses:
        raise ValueError("connect() needs to know where to: give a url, or urls")
    return addresses
