"""Keywords: one check for all calls of the package that take many of them.

A keyword that is misspelt and silently ignored (``alowed_mechs="PLAIN"``) is a fault found in production; so is a
value of the wrong kind that is found out by the peer. Both are refused at the call, before anything is changed: a
name with the nearest one that the call has, a value with the name of its keyword. A keyword has one meaning in all
calls, so one table holds the checks. Every room of the package may enter; it knows no container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reactor.engine.limits import Limits
from reactor.engine.modes import AcknowledgeMode
from reactor.lazily import TYPE_CHECKING, Lazily

if TYPE_CHECKING:
    import difflib
    from typing import Any, Callable, TypeVar, Union
else:
    difflib = Lazily("difflib")

if TYPE_CHECKING:
    Call = TypeVar("Call", bound=Callable[..., Any])

#: An open has 32 bits for the milliseconds of half a heartbeat, and 32 for the size of a frame [2.7.1].
LONGEST_HEARTBEAT = 2 * 0xFFFFFFFF / 1000
LARGEST_FRAME = 0xFFFFFFFF


def check_keywords(call: str, function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Check the arguments of a call: TypeError or ValueError, naming the keyword, for the first that is wrong.

    call: the call as the application wrote it, such as ``"connect()"``.
    function: the function that was called. Where it collects unknown keywords, their name is ``unknown``.
    given: all arguments by name.
    """
    for name in given.get("unknown", ()):
        code = function.__code__
        known = sorted(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])  # without self
        near = difflib.get_close_matches(name, known, 1, 0.6)
        hint = "did you mean %r?" % near[0] if near else "it knows %s" % ", ".join(known)
        raise TypeError("%s got an unexpected keyword argument %r; %s" % (call, name, hint))
    for name in filter(CHECKS.__contains__, given):
        value = given[name]
        if value is not None:
            CHECKS[name](name, value)


if TYPE_CHECKING:
    #: SASL mechanisms as an application may give them: in one string with spaces, several, or None for all.
    Mechanisms = Union[None, str, Sequence[str]]


def explained_by(settings: type) -> Callable[[Call], Call]:
    """Append the docstring of `settings`, which describes the keywords of a call, to that of the call: `help()` of the
    call shows both, and where they are described."""

    def explain(function: Call) -> Call:
        if function.__doc__ and settings.__doc__:  # Python started with -OO has none
            parts = [_unindented(function.__doc__), _unindented(settings.__doc__)]
            parts.insert(1, "The keywords, as `%s.%s` describes them:" % (settings.__module__, settings.__qualname__))
            function.__doc__ = "\n\n".join(parts) + "\n"
        return function

    return explain


def _unindented(doc: str) -> str:
    first, *lines = doc.strip().splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join([first, *(line[margin:] for line in lines)])


# -- checks: each takes the keyword and a value that is not None ----------------------------------------------


def check_seconds(name: str, value: Any) -> None:
    """ValueError unless it is a time to wait."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError("%s is a number of seconds, or None, not %r" % (name, value))


def check_delay(name: str, value: Any) -> None:
    """ValueError unless it is a number of seconds; those below 0 are over."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise ValueError("%s is a number of seconds, not %r" % (name, value))


def check_truth(name: str, value: Any) -> None:
    """TypeError unless it is True or False."""
    if value is not None and not isinstance(value, bool):
        raise TypeError("%s is True, False or None, not %r" % (name, value))


def check_heartbeat(name: str, value: Any) -> None:
    """ValueError unless an open can name it: in it is half of this, in milliseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LONGEST_HEARTBEAT:
        raise ValueError("%s is a number of seconds from 0 to %d, not %r" % (name, LONGEST_HEARTBEAT, value))


def check_frame_size(name: str, value: Any) -> None:
    """ValueError unless it is a number of bytes that an open can name."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_FRAME:
        raise ValueError("%s is a number of bytes from 512 to %d, not %r" % (name, LARGEST_FRAME, value))


def check_limits(name: str, value: Any) -> None:
    """TypeError unless it is Limits."""
    if not isinstance(value, Limits):
        raise TypeError("%s are Limits(...), or None, not %r" % (name, value))


def check_text(name: str, value: Any) -> None:
    """TypeError unless it is a str. It may be a password: the value is not shown."""
    if not isinstance(value, str):
        raise TypeError("%s is a str, not %s" % (name, type(value).__name__))


def check_tokens(name: str, value: Any) -> None:
    """TypeError unless it is a way for tokens. It may be a secret: the value is not shown."""
    if isinstance(value, type) or not hasattr(value, "begin"):
        text = "%s is Claims(provider) or Bearer(provider) of reactor.tokens, not %s"
        raise TypeError(text % (name, getattr(value, "__name__", type(value).__name__)))


def check_mechanisms(name: str, value: Any) -> None:
    """TypeError unless it is names in one str, or several of them."""
    if isinstance(value, str):
        return
    if not isinstance(value, Iterable) or not all(isinstance(one, str) for one in value):
        raise TypeError("%s is a str such as 'PLAIN ANONYMOUS', or a list of such names, not %r" % (name, value))


def check_mode(name: str, value: Any) -> None:
    """ValueError or TypeError unless it is an acknowledge mode."""
    AcknowledgeMode.of(value, name)


def check_origins(name: str, value: Any) -> None:
    """TypeError unless it is several origins of web pages; ValueError for a text that no browser sends."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError("%s is a list such as ['https://shop.example'], not %r" % (name, value))
    for one in value:
        scheme, found, host = one.partition("://") if isinstance(one, str) else ("", "", "")
        if one != "null" and (not scheme or not found or not host or "/" in host):
            raise ValueError("%s: an origin is as 'https://shop.example', without a path, not %r" % (name, one))


def check_proxy(name: str, value: Any) -> None:
    """TypeError unless it is a str, True or False. It may have a password: the value is not shown."""
    if not isinstance(value, (str, bool)):
        kind = type(value).__name__
        raise TypeError("%s is as 'http://user:password@proxy:3128', or True, False or None, not %s" % (name, kind))


CHECKS: dict[str, Callable[[str, Any], None]] = {
    **dict.fromkeys(("allow_insecure_mechs", "auto_accept", "raise_errors", "resend", "sasl_enabled"), check_truth),
    **dict.fromkeys(("attach_timeout", "busy_poll", "close_timeout", "connect_timeout"), check_seconds),
    **dict.fromkeys(("open_timeout", "send_timeout", "write_timeout"), check_seconds),
    **dict.fromkeys(("password", "sni", "user"), check_text),
    "acknowledge_mode": check_mode,
    "allowed_mechs": check_mechanisms,
    "heartbeat": check_heartbeat,
    "limits": check_limits,
    "max_frame_size": check_frame_size,
    "origins": check_origins,
    "proxy": check_proxy,
    "strict": check_truth,
    "tokens": check_tokens,
}
