"""Proxies: the HTTP proxy of a connection, as `connect` is given it, or as the environment names it.

`ConnectSettings` enters, and connect.json. It knows urls and the variables of the environment, and no connection.

The variables are looked at only where the application asks for them (``proxy=True``), as `websockets` has it in the
word and aiohttp in the rule: a program that talks to its broker directly must not begin to go by way of a proxy because
the shell that started it is set up for web pages. All connections go through a tunnel, as https does; so HTTPS_PROXY is
their variable, and after it ALL_PROXY. HTTP_PROXY is of proxies that are asked without a tunnel, and is not looked at.
NO_PROXY is read as curl does it (https://curl.se/docs/manpage.html#--noproxy), and this machine is never reached by
way of a proxy that the environment names, as in Go (https://pkg.go.dev/golang.org/x/net/http/httpproxy).
"""

from __future__ import annotations

import os

from reactor import engine
from reactor.hosts import is_loopback
from reactor.lazily import TYPE_CHECKING, Lazily
from reactor.url import Url

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Mapping
    from typing import Optional, Union
else:
    ipaddress = Lazily("ipaddress")

if TYPE_CHECKING:
    #: As `connect` takes it: the proxy, True for that of the environment, None or False for none.
    ProxyOption = Union[None, bool, str]

VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
EXCEPTIONS = ("no_proxy", "NO_PROXY")

#: The port of a proxy without one, as in Go and in Python's urllib: that of HTTP.
PORT = 80


class Proxy:
    """An HTTP proxy. user, password: None where it wants none."""

    __slots__ = ("host", "port", "user", "password")

    def __init__(self, host: str, port: int, user: Optional[str] = None, password: Optional[str] = None) -> None:
        self.host = host
        self.port = port
        self.user = user
        self.password = password

    def __repr__(self) -> str:
        return "<Proxy %s>" % self.name

    @property
    def name(self) -> str:
        """For people: without the password."""
        host = "[%s]" % self.host if ":" in self.host else self.host
        return "http://%s%s:%d" % ("" if self.user is None else self.user + ":***@", host, self.port)

    def tunnel(self, host: str, port: int) -> engine.Tunnel:
        """What the proxy is asked for on the way to a peer."""
        return engine.Tunnel(self.name, host, port, self.user, self.password)


def read_proxy(where: str, text: str) -> Proxy:
    """The proxy that a text names. where: the place of the text, for the error. ValueError, without the password, for a
    text that names none."""
    scheme, found, rest = text.strip().partition("://")
    if not found:
        scheme, rest = "http", text.strip()
    scheme = scheme.lower()
    if scheme != "http":
        known = "SOCKS" if scheme.startswith("socks") else "TLS to the proxy" if scheme == "https" else "that"
        raise ValueError("%s: a proxy is as 'http://user:password@proxy:3128'; %s is not known here" % (where, known))
    try:
        url = Url(rest, defaults=False)
    except ValueError as error:
        raise ValueError("%s: %s" % (where, error)) from None
    if not url.host or url.path or url.rest:
        raise ValueError("%s: a proxy is as 'http://user:password@proxy:3128', with a host and no path" % where)
    if ":" in (url.username or ""):
        raise ValueError("%s: the user's name has a colon, which a proxy takes for its end [RFC 7617]" % where)
    return Proxy(url.host, PORT if url.port is None else int(url.port), url.username, url.password)


class Proxies:
    """Which proxy a connection takes, by the place that it goes to.

    always: takes all that goes to none of `exceptions`; None: no proxy. exceptions: of NO_PROXY.
    spares_this_machine: whether this machine is reached without.
    """

    __slots__ = ("always", "spares_this_machine", "_exceptions")

    def __init__(
        self, always: Optional[Proxy] = None, exceptions: str = "", spares_this_machine: bool = False
    ) -> None:
        self.always = always
        self.spares_this_machine = spares_this_machine
        self._exceptions = [one for one in exceptions.replace(",", " ").lower().split() if one]

    def choose(self, host: str, port: int) -> Optional[Proxy]:
        """The proxy on the way to a host; None: it is reached without."""
        if self.always is None or (self.spares_this_machine and is_loopback(host)):
            return None
        name = host.lower().rstrip(".")
        return None if any(_covers(one, name, port) for one in self._exceptions) else self.always


def _covers(exception: str, name: str, port: int) -> bool:
    """Whether an item of NO_PROXY is about a host: ``*``, a name with all those below it, an address, a network as
    10.0.0.0/8; each, but the last, with a port or without."""
    if exception == "*":
        return True
    if "/" in exception:
        try:
            return ipaddress.ip_address(name.partition("%")[0]) in ipaddress.ip_network(exception, strict=False)
        except ValueError:
            return False  # one of them is no address
    if exception.startswith("["):
        exception, _, only = exception[1:].partition("]")
        only = only.lstrip(":")
    elif exception.count(":") == 1:
        exception, _, only = exception.partition(":")
    else:
        only = ""
    if only and only != str(port):
        return False
    exception = exception.lstrip("*").strip(".")
    return bool(exception) and (name == exception or name.endswith("." + exception))


def choose_proxies(option: ProxyOption, where: str = "proxy", environ: Optional[Mapping[str, str]] = None) -> Proxies:
    """The proxies of a connection. where: the place of the option, for the error.
    environ: of the process. ValueError for one that is none."""
    if option is None or option is False:
        return Proxies()
    if option is not True:
        return Proxies(read_proxy(where, option))
    environ = os.environ if environ is None else environ
    for name in VARIABLES:
        text = environ.get(name, "")
        if text.strip():
            exceptions = next((environ[other] for other in EXCEPTIONS if environ.get(other)), "")
            return Proxies(read_proxy("the variable %s" % name, text), exceptions, spares_this_machine=True)
    return Proxies()
