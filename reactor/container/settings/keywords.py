"""Keyword arguments: what is misspelt is refused at once, with the name that was probably meant.

The calls of this package take many keywords, and one that is silently ignored (``alowed_mechs="PLAIN"``) is
a fault found in production. So is a value of the wrong kind that nobody looks at before the peer answers.
Everybody in the package may enter; it knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Callable

from reactor.engine.limits import Limits
from reactor.lazily import Lazily

if TYPE_CHECKING:
    import difflib
else:
    difflib = Lazily("difflib")

#: An open has 32 bits for the milliseconds of half a heartbeat, and 32 for the size of a frame [2.7.1].
LONGEST_HEARTBEAT = 2 * 0xFFFFFFFF / 1000
LARGEST_FRAME = 0xFFFFFFFF


def refuse_unknown(call: str, function: Callable[..., Any], unknown: Mapping[str, Any]) -> None:
    """Raise TypeError for the first name in `unknown`, saying which argument of `function` is nearest.

    call: how the call looks to whoever made it, such as ``"connect()"``.
    """
    for name in unknown:
        code = function.__code__
        known = sorted(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])  # without self
        near = difflib.get_close_matches(name, known, 1, 0.6)
        hint = "did you mean %r?" % near[0] if near else "it knows %s" % ", ".join(known)
        raise TypeError("%s got an unexpected keyword argument %r; %s" % (call, name, hint))


def check_seconds(**seconds: Any) -> None:
    """Raise ValueError, naming the keyword, for what is neither None nor a time to wait."""
    for name, value in seconds.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0):
            raise ValueError("%s is a number of seconds, or None, not %r" % (name, value))


def check_delay(delay: Any) -> None:
    """ValueError unless it is a number of seconds; those below 0 are over."""
    if isinstance(delay, bool) or not isinstance(delay, (int, float)) or delay != delay:
        raise ValueError("delay is a number of seconds, not %r" % (delay,))


def check_truth(**values: Any) -> None:
    """Raise TypeError, naming the keyword, for what is neither True, False nor None."""
    for name, value in values.items():
        if value is not None and not isinstance(value, bool):
            raise TypeError("%s is True, False or None, not %r" % (name, value))


def check_heartbeat(seconds: Any) -> None:
    """ValueError unless it is None, or a time that an open can name: in it is half of this, in milliseconds."""
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST_HEARTBEAT:
        raise ValueError("heartbeat is a number of seconds from 0 to %d, not %r" % (LONGEST_HEARTBEAT, seconds))


def check_frame_size(size: Any) -> None:
    """ValueError unless it is None, or a number of bytes that an open can name."""
    if size is not None and not (isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= LARGEST_FRAME):
        raise ValueError("max_frame_size is a number of bytes from 512 to %d, not %r" % (LARGEST_FRAME, size))


def check_limits(limits: Any) -> None:
    """TypeError unless it is None, or Limits."""
    if limits is not None and not isinstance(limits, Limits):
        raise TypeError("limits are Limits(...), or None, not %r" % (limits,))


def check_texts(**texts: Any) -> None:
    """TypeError for the first that is neither a str nor None. It may be a password: the value is not shown."""
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise TypeError("%s is a str, not %s" % (name, type(text).__name__))


def check_offer(mechs: Any) -> None:
    """As `check_mechanisms`; ValueError, too, where none is named: a listener that takes nobody, or everybody?"""
    check_mechanisms(mechs)
    if mechs is not None and not (mechs.split() if isinstance(mechs, str) else list(mechs)):
        raise ValueError("allowed_mechs names no mechanism; None offers all that make sense")


def check_mechanisms(mechs: Any) -> None:
    """TypeError unless it is None, names in one str, or several of them."""
    if mechs is None or isinstance(mechs, str):
        return
    if not isinstance(mechs, Iterable) or not all(isinstance(name, str) for name in mechs):
        raise TypeError("allowed_mechs is a str such as 'PLAIN ANONYMOUS', or a list of such names, not %r" % (mechs,))
