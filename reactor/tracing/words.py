"""The wire trace in words: every frame as one line of at most 80 columns (``PN_TRACE_FRM=words``).

Where the whole trace shows every field, this shows the conversation: links by the nodes that they are about, messages
by their bodies or ids, outcomes by their numbers::

    [0x1] -> attach (to jobs)
    [0x1] <- credit 10 of jobs
    [0x1] -> transfer #0 hello over jobs
    [0x1] <- accepted #0
"""

from __future__ import annotations

from typing import Any, Callable

from reactor.tracing.contents import Content, Label, clip, in_short
from reactor.tracing.links import error_in_words, state_in_words, terminus_address
from reactor.tracing.splitter import Splitter
from reactor.tracing.text import ARROWS

#: Columns of a line at most.
WIDTH = 80


class WordTrace:
    """A recorder for one transport, like TextTrace: call it with direction and bytes, in the order of the wire.

    write: receives each finished line, without its newline. label: the name of the connection.
    """

    def __init__(self, write: Callable[[str], None], label: str = "0x0") -> None:
        self.write = write
        self.label = label
        self._splitters = {"in": Splitter(), "out": Splitter()}
        self._first: dict[str, tuple[str, str]] = {}  # attaches without an answer yet, by the names of links
        self._handles: dict[tuple[str, int, int], str] = {}  # addresses, by direction, channel and handle

    def __call__(self, direction: str, chunk: bytes) -> None:
        """Take the next bytes that went "in" or "out"."""
        for part in self._splitters[direction].feed(chunk):
            line = "[%s] %s %s" % (self.label, ARROWS[direction], self._words(direction, Content(part), len(part)))
            self.write(clip(line, WIDTH))

    def _words(self, direction: str, content: Content, size: int) -> str:
        name, fields = content.name, content.fields
        if content.problem:
            return "%d bytes that cannot be read: %s" % (size, content.problem)
        if name == "header":
            return "header of %s" % fields["layer"]
        if name == "empty":
            return "heartbeat"
        if name == "open":
            return "open, by %s" % in_short(fields["container-id"], 40)
        if name in ("end", "close"):
            return _with(name, error_in_words(fields.get("error")))
        if name == "disposition":
            return _disposition(fields)
        if name in ("attach", "detach", "flow", "transfer"):
            return self._of_link(direction, content)
        if name == "sasl-init":
            return "sasl-init %s" % in_short(fields["mechanism"])
        return name

    def _of_link(self, direction: str, content: Content) -> str:
        name, fields = content.name, content.fields
        key = (direction, content.channel, fields.get("handle") or 0)
        if name == "attach":
            return self._attach(key, fields)
        node = self._handles.get(key, "?")
        if name == "detach":
            self._handles.pop(key, None)
            return _with("detach of %s" % node, error_in_words(fields.get("error")))
        if name == "transfer":
            number = fields.get("delivery-id")
            part = " (a part)" if fields.get("more") else ""
            about = "aborted" if fields.get("aborted") else Label(content.payload).text
            settled = " settled" if fields.get("settled") else ""
            return "transfer %s%s%s%s over %s" % ("" if number is None else "#%d " % number, about, part, settled, node)
        if fields.get("handle") is None:
            return "window %d" % fields["incoming-window"]
        credit = fields.get("link-credit")
        drain = ", drain" if fields.get("drain") else ""
        return "credit %s of %s%s" % ("?" if credit is None else credit, node, drain)


    def _attach(self, key: tuple[str, int, int], fields: dict[str, Any]) -> str:
        link = in_short(fields["name"], 60)
        first = self._first.pop(link, None)
        if first is None:  # it asks, and the other end answers
            node = terminus_address(fields.get("source" if fields["role"] else "target")) or link
            words = "%s %s" % ("from" if fields["role"] else "to", node)
            self._first[link] = (words, node)
            answer = ""
        else:
            words, node = first
            refused = fields.get("target" if fields["role"] else "source") is None
            answer = ", refused" if refused else ", agreed"
        self._handles[key] = node
        return "attach (%s)%s" % (words, answer)


def _disposition(fields: dict[str, Any]) -> str:
    first, last = fields["first"], fields.get("last")
    state, reason = state_in_words(fields.get("state"))
    numbers = "#%d" % first if last is None or last == first else "#%d-%d" % (first, last)
    words = state or "settled"
    if state and not fields.get("settled"):
        words += ", not settled,"
    return _with("%s %s" % (words, numbers), reason)


def _with(text: str, reason: str) -> str:
    return "%s: %s" % (text, reason) if reason else text
