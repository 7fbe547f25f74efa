"""Providers of tokens, and what they return: any object with `get_token` does, those of azure-identity as they are.

A token lets its holder in. So nothing here shows one: not a repr, not the text of an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, Union

from reactor.lazily import Lazily, pattern
from reactor.shown import shown

if TYPE_CHECKING:
    import base64
    import json
    from urllib import parse

    from reactor.loop.loop import Loop
else:
    base64 = Lazily("base64")
    json = Lazily("json")
    parse = Lazily("urllib.parse")


#: The types of tokens that Azure Service Bus knows [1, "Claims-based authorization"; 2, TOKEN_TYPE_JWT].
#: [1] https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-protocol-guide
#: [2] azure-sdk-for-python, sdk/servicebus/azure-servicebus/azure/servicebus/_common/constants.py
JWT, SAS = "jwt", "servicebus.windows.net:sastoken"

_SAS_SCHEME = "SharedAccessSignature "
_PRINTABLE = pattern(r"[\x20-\x7e]+")

#: Seconds that a token has to be good for when it comes: one that ends while it is under way is of no use.
SHORTEST = 1.0
#: The end of the year 9999: what is later is no time in seconds, and timers and timestamps may not hold it.
LATEST = 253402300800.0


class AccessToken(Protocol):
    """A token, as azure-identity and others return it.

    token: its text. expires_on: its end, in seconds since 1970-01-01 UTC.
    """

    @property
    def token(self) -> str: ...
    @property
    def expires_on(self) -> float: ...


class TokenProvider(Protocol):
    """A source of tokens: `get_token` is called each time that a new one is needed.

    It may block, and is called away from the container's thread; or be a coroutine, which is run there. One that makes
    its tokens itself may have `token_at(today, *scopes)` as well, which gets the date and is called at once.
    """

    def get_token(self, *scopes: str) -> Any:
        """A new token for these scopes: an AccessToken, or a str with the end of its time in it (a JWT with `exp`, a
        shared access signature with `se`)."""


#: A provider, or a function that is called as its `get_token` is.
Source = Union[TokenProvider, Callable[..., Any]]


class TokenError(ValueError):
    """A provider has returned no token that could be used. The text does not show it."""


class Token:
    """A token with the end of its time.

    token: its text. expires_on: seconds since 1970-01-01 UTC. kind: the type by which a peer knows it; None (default)
    for "servicebus.windows.net:sastoken" where it is a shared access signature, "jwt" for every other text.
    """

    __slots__ = ("token", "expires_on", "kind")

    def __init__(self, token: str, expires_on: float, kind: Optional[str] = None) -> None:
        self.token = token
        self.expires_on = expires_on
        self.kind = kind or (SAS if token.startswith(_SAS_SCHEME) else JWT)

    def __repr__(self) -> str:
        return "<Token %s, %d characters not shown, until %.0f>" % (self.kind, len(self.token), self.expires_on)

    def hide(self, text: str) -> str:
        """`text` without the token: a peer may quote it in the reason of its refusal."""
        return text.replace(self.token, "(token not shown)")


def check_source(call: str, source: Any) -> None:
    """TypeError unless it is a provider, or a function."""
    if isinstance(source, (str, bytes)):
        raise TypeError("%s: a token that stands in the program ends one day: give a provider, not a text" % call)
    if isinstance(source, type) or not (callable(getattr(source, "get_token", None)) or callable(source)):
        text = "%s: a provider has get_token(*scopes), or is a function; %s has none"
        raise TypeError(text % (call, getattr(source, "__name__", type(source).__name__)))


def check_timeout(call: str, timeout: Any) -> None:
    """ValueError unless it is a time to wait."""
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ValueError("%s: timeout is a number of seconds above 0, not %r" % (call, timeout))


def source_name(source: Any) -> str:
    """A provider for a person: its class, because a repr may show more."""
    return str(getattr(source, "__qualname__", type(source).__qualname__))


def read_scopes(scopes: Union[None, str, Iterable[str]]) -> tuple[str, ...]:
    """The scopes as arguments of `get_token`."""
    return (scopes,) if isinstance(scopes, str) else tuple(scopes or ())


#: Called with the answer of a provider, or the exception that it raised.
Answered = Callable[[Any, Optional[BaseException]], None]


class Desk(Protocol):
    """A container, for calls of providers."""

    @property
    def loop(self) -> Loop: ...
    def call_aside(self, function: Callable[[], Any], done: Answered) -> None:
        """Call `function` away from the container's thread, and `done` in it, with its result and exception."""
        ...


def ask(source: Any, scopes: tuple[str, ...], desk: Desk, done: Answered) -> None:
    """Call a provider; `done(answer, None)` or `done(None, exception)` follows."""
    token_at = getattr(source, "token_at", None)
    if token_at is None:
        get_token = getattr(source, "get_token", source)
        desk.call_aside(lambda: get_token(*scopes), done)
        return
    try:
        answer = token_at(desk.loop.clock.today(), *scopes)
    except Exception as error:  # whatever a provider raises is a failure to have a token
        done(None, error)
    else:
        done(answer, None)


def read_token(answer: Any, today: float, kind: Optional[str] = None, endless: bool = False) -> Token:
    """The answer of a provider as a Token. TokenError when it is none, or its time is over. endless: whether the end of
    a text's time may be unknown."""
    text, end = answer, None
    if not isinstance(answer, str):
        text, end = getattr(answer, "token", None), getattr(answer, "expires_on", None)
        kind = kind or getattr(answer, "kind", None)
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    if not isinstance(text, str):
        have = "an object with token and expires_on, or a str"
        raise TokenError("it returned %s, and a token is %s" % (type(answer).__name__, have))
    if not _PRINTABLE.fullmatch(text):
        raise TokenError("it returned a token that is %s" % ("empty" if not text else "not printable ASCII"))
    if end is None:
        end = _end_of(text, endless)
    if isinstance(end, bool) or not isinstance(end, (int, float)) or end != end:
        raise TokenError("it returned a token whose expires_on is %s, not a number" % type(end).__name__)
    try:
        end = float(end)
    except OverflowError:  # an int of hundreds of digits
        end = math.inf if end > 0 else -math.inf
    if end > LATEST and not endless:
        raise TokenError("it returned a token whose expires_on is %.3g: seconds since 1970 are wanted" % end)
    if end < today + SHORTEST:
        text = "it returned a token that ended %.0f s ago; is the clock of this machine right?"
        raise TokenError(text % max(0.0, today - end))
    return Token(text, end, kind)


def failure_of(error: BaseException) -> str:
    """A provider's failure in one line. A TokenError is about the answer, any other exception the provider's own."""
    if isinstance(error, TokenError):
        return str(error)
    return "it raised %s" % shown("%s: %s" % (type(error).__name__, error), 300)


def _end_of(text: str, endless: bool) -> float:
    """The end of a token's time as the token itself has it."""
    try:
        if text.startswith(_SAS_SCHEME):
            return float(parse.parse_qs(text[len(_SAS_SCHEME) :])["se"][0])
        payload = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
        if endless:
            return math.inf  # and otherwise not from the error, which would quote the token
    raise TokenError("it returned a text without an end to its time: return Token(text, expires_on)")
