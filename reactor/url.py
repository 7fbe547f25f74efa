"""Where a broker is: ``scheme://user:password@host:port/path``, every part of which may be missing.

Floor 0: open to every module, and it imports no floor. Nothing is looked up here: a host is a name, a port a
number. Every text of an address (`str`, `repr`, `redacted`, an exception) is without its password: texts end in
logs. A caller that needs the whole asks for `full`.
"""

from __future__ import annotations

import re

from reactor.lazily import TYPE_CHECKING, Lazily, pattern

if TYPE_CHECKING:
    from typing import Any, Optional, Union
    from urllib import parse
else:
    parse = Lazily("urllib.parse")

_HIDDEN = "***"
_AUTHORITY_ENDS = "/?#"
_SEVERAL = "it lists several addresses, and a Url is one: connect() takes them, in one text or as urls=[...]"


class Url:
    """An address, taken apart, as a mutable object.

    url: the text, another Url to copy, or None. Without a scheme, the text begins with the host
        (``"broker.example:5672/jobs"``). An IPv6 address stands in brackets: ``amqp://[::1]:5672``.
    defaults: fill in the missing parts: scheme ``amqp``, host ``0.0.0.0``, and the port of the scheme.
    kwargs: parts that go before those of `url`: scheme, username, password, host, port, path.

    scheme: ``"amqp"`` (port 5672), ``"amqps"`` (TLS, port 5671), ``"amqpws"`` (WebSocket, port 80), ``"amqpwss"``
        (WebSocket over TLS, port 443), or None.
    username, password: decoded (``%40`` in the text is ``@`` here), or None.
    host: in lower case, an IPv6 address without its brackets, or None.
    port: a `Url.Port`, which is an int, or None. 0 lets a listener choose.
    path: the part behind the slash, as it stands, or None when there is no slash: an address at the peer; with
        WebSocket the path of the HTTP request.
    rest: query and fragment with their signs (``"?x=1#f"``), which mean nothing here; mostly "".

    The zone of an IPv6 address is read as ``[fe80::1%25eth0]`` [RFC 6874] and as ``[fe80::1%eth0]``; the host is then
    ``"fe80::1%eth0"``.

    Two are equal when all their parts are. Raises ValueError for a text that is not one address, as also for one in
    which a password seems to be cut off by a slash (``amqp://bob:12/pw@host``); TypeError for an argument that is not
    known.
    """

    AMQP = "amqp"
    AMQPS = "amqps"
    AMQPWS = "amqpws"
    AMQPWSS = "amqpwss"

    class Port(int):
        """A port as a number that remembers the name by which it was given: ``Url.Port("amqps") == 5671``."""

        name: str

        def __new__(cls, value: Union[str, int]) -> Url.Port:
            if isinstance(value, Url.Port):
                value = value.name
            number = _SERVICES.get(value) if isinstance(value, str) else int(value)
            if number is None and isinstance(value, str) and value.isascii() and value.strip().isdecimal():
                number = int(value)
            if number is None or not 0 <= number <= 65535:
                raise ValueError(f"not a port number from 0 to 65535, nor one of {', '.join(_SERVICES)}: {value!r}")
            port = super().__new__(cls, number)
            port.name = value if value in _SERVICES else str(number)
            return port

        def __eq__(self, other: object) -> bool:
            return self.name == other if isinstance(other, str) else int(self) == other

        def __ne__(self, other: object) -> bool:
            return not self == other

        __hash__ = int.__hash__

        def __str__(self) -> str:
            return self.name

        __format__ = object.__format__

    scheme: Optional[str]
    username: Optional[str]
    password: Optional[str]
    path: Optional[str]
    rest: str
    _host: Optional[str]
    _port: Optional[Url.Port]

    if TYPE_CHECKING:  # the parts come as they are given, and an unknown one is refused

        def __init__(
            self,
            url: Union[str, Url, None] = None,
            defaults: bool = True,
            *,
            scheme: Optional[str] = None,
            username: Optional[str] = None,
            password: Optional[str] = None,
            host: Optional[str] = None,
            port: Union[int, str, None] = None,
            path: Optional[str] = None,
        ) -> None: ...

    else:

        def __init__(self, url: Union[str, Url, None] = None, defaults: bool = True, **kwargs: Any) -> None:
            self.scheme = self.username = self.password = self.path = None
            self._host = self._port = None
            self.rest = ""
            if isinstance(url, Url):
                self.__dict__.update(url.__dict__)
            elif isinstance(url, str):
                self._parse(url.strip())
            elif url is not None:
                raise TypeError(f"an address is a str or a Url, not {type(url).__name__}")
            for name, value in kwargs.items():
                if name not in _PARTS:
                    raise TypeError(f"{name!r} is no part of an address: it has {', '.join(_PARTS)}")
                if name == "scheme" and value is not None and value != self.scheme and "port" not in kwargs:
                    self._follow_scheme(value)
                setattr(self, name, value)
            if defaults:
                self.defaults()

    def _follow_scheme(self, scheme: str) -> None:
        """Another scheme: a port that was only the old one's default must not outlive it."""
        if isinstance(self._port, Url.Port) and self._port.name == self.scheme:
            self._port = None

    def defaults(self) -> Url:
        """Fill in the missing parts; returns this object."""
        self.scheme = self.scheme or self.AMQP
        self._host = self._host or "0.0.0.0"
        if self._port is None:
            self._port = Url.Port(self.scheme if self.scheme in _SERVICES else self.AMQP)
        return self

    # -- reading -----------------------------------------------------------------------------------------
    def _parse(self, text: str) -> None:
        if "," in text and re.search(r",\s*amqp(s|wss?)?://", text, re.IGNORECASE):
            raise ValueError(f"{_redact(text)!r} is not an address: {_SEVERAL}")
        scheme, found, rest = text.partition("://")
        if not found:
            scheme, rest = "", text[2:] if text.startswith("//") else text
        elif scheme.lower() not in _SERVICES:
            raise ValueError(f"the scheme of {_redact(text)!r} is none of {', '.join(_SERVICES)}")
        self.scheme = scheme.lower() or None

        cut = min((at for at in map(rest.find, _AUTHORITY_ENDS) if at >= 0), default=len(rest))
        authority, rest = rest[:cut], rest[cut:]
        cut = min((at for at in map(rest.find, "?#") if at >= 0), default=len(rest))
        path, self.rest = rest[:cut], rest[cut:]
        self.path = path[1:] if path else None

        user, found, place = authority.rpartition("@")
        name, found_password, password = user.partition(":")
        try:
            if found:
                self.username = _decode(name)
                self.password = _decode(password) if found_password else None
                if password == _HIDDEN:
                    raise ValueError("its password is masked: pass the Url itself, or its `full`")
            elif "@" in rest and _is_cut_off(place):
                raise ValueError(
                    "a password may be cut off in it; where it is a path that has the @, give that apart, as path="
                )
            self._parse_place(place)
        except ValueError as error:
            # From None: the other exception may quote a piece of a password.
            hint = ""
            if "@" in rest:
                hint = " (in a user's name or a password '/', '?' and '#' are written %2F, %3F and %23)"
            raise ValueError(f"{_redact(text)!r} is not an address: {error}{hint}") from None

    def _parse_place(self, place: str) -> None:
        """``host``, ``host:port`` or ``[address]:port``. The ValueErrors quote nothing of it."""
        if place.startswith("["):
            host, found, port = place[1:].partition("]")
            if not found:
                raise ValueError("the bracket is not closed")
            if port and not port.startswith(":"):
                raise ValueError("behind the bracket only a port may follow, as in [::1]:5672")
            port = port[1:]
            host, mark, zone = host.partition("%")
            host = host.lower() + mark + (zone[2:] if zone.startswith("25") and len(zone) > 2 else zone)
        else:
            if "," in place:
                raise ValueError(_SEVERAL)
            host, _, port = place.partition(":")
            if ":" in port:
                raise ValueError("an IPv6 address stands in brackets, as in [::1]:5672")
            host = host.lower()
        _check_host(host)
        self._host = host or None
        if port:
            try:
                self._port = Url.Port(port)
            except ValueError:
                raise ValueError("the port is neither a number from 0 to 65535 nor a scheme's name") from None

    # -- the parts that need care ------------------------------------------------------------------------
    @property
    def host(self) -> Optional[str]:
        """The host's name or address, without brackets. To set it to something that is neither raises ValueError."""
        return self._host

    @host.setter
    def host(self, value: Optional[str]) -> None:
        if value is not None:
            _check_host(value)
        self._host = value

    @property
    def port(self) -> Optional[Url.Port]:
        """The port; to be set to a number, a digit string, the name of a scheme, or None."""
        return self._port

    @port.setter
    def port(self, value: Union[str, int, None]) -> None:
        self._port = None if value is None else Url.Port(value)

    @property
    def uses_tls(self) -> bool:
        """Whether the scheme is with TLS: amqps or amqpwss."""
        return self.scheme in (self.AMQPS, self.AMQPWSS)

    @property
    def uses_websocket(self) -> bool:
        """Whether the scheme is with WebSocket: amqpws or amqpwss."""
        return self.scheme in (self.AMQPWS, self.AMQPWSS)

    # -- writing -----------------------------------------------------------------------------------------
    def __str__(self) -> str:
        """The address, the password hidden. For an address that is to be read again use `full`."""
        return self._text(self.password and _HIDDEN, self._port)

    @property
    def full(self) -> str:
        """The whole address with its password, for a program that hands it on: ``Url(url.full) == url``. To be kept
        away from logs."""
        return self._text(self.password, self._port)

    @property
    def redacted(self) -> str:
        """The address for a person: the password hidden, the port as a number."""
        return self._text(self.password and _HIDDEN, None if self._port is None else int(self._port))

    def __repr__(self) -> str:
        return f"Url({self._text(self.password and _HIDDEN, self._port)!r})"

    def _text(self, password: Optional[str], port: Optional[int]) -> str:
        parts = []
        if self.scheme:
            parts += [self.scheme, "://"]
        elif self._host or self.username is not None or (self.path or "").startswith("/"):
            parts.append("//")
        if self.username is not None or password:
            parts.append(parse.quote(self.username or "", safe=""))
            if password:
                parts += [":", password if password is _HIDDEN else parse.quote(password, safe="")]
            parts.append("@")
        host = (self._host or "").replace("%", "%25", 1)  # one zone, as it is read
        parts.append(f"[{host}]" if ":" in host else host)
        if port is not None:
            parts += [":", str(port)]
        if self.path is not None:
            parts += ["/", self.path]
        parts.append(self.rest)
        return "".join(parts)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):  # as in the original: the whole text
            return self.full == other
        if not isinstance(other, Url):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in (*_PARTS, "rest"))

    __hash__ = None  # type: ignore[assignment]  # it can change


_SERVICES = {Url.AMQP: 5672, Url.AMQPS: 5671, Url.AMQPWS: 80, Url.AMQPWSS: 443}
_SCHEME = pattern(r"[a-zA-Z][a-zA-Z0-9+.-]*")
_NAMES = {*_SERVICES, *map(str, _SERVICES.values())}
_IPV6 = pattern(r"(?=[^%]*:[^%]*:)[0-9a-fA-F:.]+(%.+)?")
_NOT_IN_HOSTS = frozenset("/?#@,\\")
_PARTS = ("scheme", "username", "password", "host", "port", "path")


def _check_host(host: str) -> None:
    """ValueError, which does not quote it, for a host that is neither a name nor an address."""
    if not host.isprintable() or " " in host:  # no other space is printable
        raise ValueError("the host has a space or a control character in it")
    if "[" in host or "]" in host:
        raise ValueError("only an IPv6 address stands in brackets, and in one pair of them, as in [::1]:5672")
    if not _NOT_IN_HOSTS.isdisjoint(host):
        raise ValueError("the host has a character that no host has")
    if (":" in host or "%" in host) and not _IPV6.fullmatch(host):
        raise ValueError("the host has a character of IPv6 addresses, and is none")


def _is_cut_off(place: str) -> bool:
    """Whether ``user:password`` may have been read as host and port. No password begins with the port itself."""
    host, found, port = place.partition(":")
    return bool(found) and not host.startswith("[") and port not in _NAMES


def _decode(text: str) -> str:
    """Undo the percent signs of a user's name or password."""
    try:
        return text if "%" not in text else parse.unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("the percent signs of the user's name or password do not make UTF-8") from None


def _redact(text: str) -> str:
    """`text`, which may not be an address at all, without anything that might be meant as a password.

    Everything up to the last @ goes: a slash that was not written as %2F ends the host's part for a
    parser, but not for the eye that reads the log.
    """
    scheme, found, rest = text.partition("://")
    if not found or not _SCHEME.fullmatch(scheme):  # those are then not the slashes that follow a scheme
        scheme, found, rest = "", "", text
    _, at, place = rest.rpartition("@")
    return scheme + found + (_HIDDEN + "@" if at else "") + place
