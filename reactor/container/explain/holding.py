"""Holding: where the thread of a loop stands, when it does not answer.

Another thread looks. It reads the stack of the loop's thread, and nothing of the engine, which may be half-way through
a change.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Optional

from reactor.container.explain.look import is_ours
from reactor.container.explain.sentences import Sentence, lasting


def held(ident: Optional[int], quiet: float, called: Any = None, seen_for: float = 0.0) -> Sentence:
    """Where the thread `ident` stands. quiet: seconds since its loop has last looked at the network. called: the frame
    of the application that an earlier look has found (`handler_frame`), and seen_for: seconds ago."""
    frame = None if ident is None else sys._current_frames().get(ident)
    if frame is None:
        return Sentence("not running", "no thread runs the container: its run() has ended, or has not begun")
    name = {thread.ident: thread.name for thread in threading.enumerate()}.get(ident, "?")
    now_called = handler_frame(ident)
    nothing = "nothing has been read for %s, in thread %r" % (lasting(quiet), name)
    if now_called is None:
        text = "the loop does not answer: it is at work itself, at %s; %s"
        return Sentence("loop held", text % (_at(frame), nothing))
    at = _at(_innermost(frame))
    if now_called is called:
        text = "the handler %s has held the loop for at least %s, and stands at %s; %s"
        return Sentence("loop held", text % (_name_of(called), lasting(seen_for), at, nothing))
    return Sentence("loop held", "handlers hold the loop: now %s, at %s; %s" % (_name_of(now_called), at, nothing))


def handler_frame(ident: Optional[int]) -> Any:
    """The frame of the application that the loop of this thread has called; None where it has called none."""
    frame = None if ident is None else sys._current_frames().get(ident)
    called = None
    while frame is not None:
        caller = frame.f_back
        ours = caller is not None and is_ours(caller.f_globals.get("__name__", ""))
        if ours and not is_ours(frame.f_globals.get("__name__", "")) and _is_dispatched(caller):
            called = frame
        frame = caller
    return called


def _is_dispatched(frame: Any) -> bool:
    """Whether a frame of ours is below a dispatcher: that, and not some callback of a program's own, has the loop."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "reactor.engine.handler":
            return True
        frame = frame.f_back
    return False


def _innermost(frame: Any) -> Any:
    """The innermost frame that has a file of the application, and not of the standard library."""
    first = frame
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        library = os.path.dirname(os.__file__)
        if not is_ours(name) and not frame.f_code.co_filename.startswith((library, "<frozen")):
            return frame
        frame = frame.f_back
    return first


def _name_of(frame: Any) -> str:
    """The method that a frame runs: "worker.py:Worker.on_message"."""
    code = frame.f_code
    name = getattr(code, "co_qualname", "")
    if not name:
        owner = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
        name = code.co_name if owner is None else "%s.%s" % (type(owner).__name__, code.co_name)
    return "%s:%s" % (os.path.basename(code.co_filename), name)


def _at(frame: Any) -> str:
    return "%s:%d" % (os.path.basename(frame.f_code.co_filename), frame.f_lineno)
