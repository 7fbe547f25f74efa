"""Keyword arguments: what is misspelt is refused at once, with the name that was probably meant.

The calls of this package take many keywords, and one that is silently ignored (``alowed_mechs="PLAIN"``) is
a fault found in production. Everybody in the package may enter; it knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from reactor.lazily import Lazily

if TYPE_CHECKING:
    import difflib
else:
    difflib = Lazily("difflib")


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
