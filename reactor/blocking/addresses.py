"""Addresses with options, as in qpid.messaging (rows Q4, Q5, Q7): ``jobs; {create: always, mode: browse}``.

`read_target` and `read_source` turn one into what links know: options, a name, a mode. They know no link that is
attached.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from reactor.blocking.address_text import has_options, read_address
from reactor.codec.types import Described, symbol
from reactor.container.agreement import CAPABILITY, DURABILITY, EXPIRY, FILTER, MODE, insist
from reactor.container.settings.options import (
    AtLeastOnce,
    AtMostOnce,
    Copy,
    DurableSubscription,
    Filter,
    LinkOption,
    Selector,
)
from reactor.engine.modes import AcknowledgeMode
from reactor.engine.public import Link
from reactor.errors import InvalidOption

if TYPE_CHECKING:
    from reactor.container.settings.options import Options

log = logging.getLogger(__name__)

_WHEN = ("always", "sender", "receiver", "never")
_RELIABILITY = ("unreliable", "at-most-once", "at-least-once", "exactly-once")
_OPTIONS = ("create", "delete", "assert", "mode", "node", "link")
_NODE = ("type", "durable")
_LINK = ("name", "durable", "reliability", "selector", "filter")
_OLDER = ("x-declare", "x-bindings", "x-subscribe")
"""Options that are arguments of AMQP 0-10, for which AMQP 1.0 has no place."""

#: Of Qpid's brokers, for a source with a subject: the keys of a topic exchange, with * and #.
_BINDING = symbol("apache.org:legacy-amqp-topic-binding:string")


class Place:
    """An address that was read.

    address: of the node; None with `dynamic`. subject: of messages that are sent without one; or None.
    options: LinkOptions. name: of the link, or None. mode: an AcknowledgeMode, or None for that of the session.
    asserts: whether a link that the peer attaches otherwise than was asked for is closed.
    """

    def __init__(self, address: Optional[str]) -> None:
        self.address = address
        self.subject: Optional[str] = None
        self.dynamic = False
        self.options: list[LinkOption] = []
        self.name: Optional[str] = None
        self.mode: Optional[AcknowledgeMode] = None
        self.asserts = False

    def with_options(self, more: Options) -> Options:
        """Its options, and those of the call behind them."""
        if not self.options:
            return more
        given: list[Any] = [] if more is None else list(more) if isinstance(more, (list, tuple)) else [more]
        return [*self.options, *given]


def read_target(address: Optional[str]) -> Place:
    """The address of a sender. MalformedAddress or InvalidOption, for a text that is none."""
    return _read(address, "sender")


def read_source(address: Optional[str]) -> Place:
    """The address of a receiver; else as `read_target`."""
    return _read(address, "receiver")


def _read(address: Optional[str], end: str) -> Place:
    if not isinstance(address, str) or not has_options(address):
        return Place(address)
    name, subject, options = read_address(address)
    place = Place(name)
    place.subject = subject or None
    if name == "#":
        if end == "sender":
            raise InvalidOption("%r: a node that the peer names is for receivers; send to its address" % address)
        place.address, place.dynamic = None, True
    reader = _Options(address, options, end)
    reader.read(place)
    return place


class _Options:
    """Reads the options of one address. text: the address. end: "sender" or "receiver"."""

    def __init__(self, text: str, options: dict[str, Any], end: str) -> None:
        self.text = text
        self.end = end
        self.top = self._known("", options, _OPTIONS)
        self.node = self._known("node.", self._map("node"), _NODE)
        self.link = self._known("link.", self._map("link"), _LINK)

    def read(self, place: Place) -> None:
        """Fill `place`."""
        kind = self._one_of("node.type", self.node.get("type"), ("queue", "topic"))
        durable = self._flag("node.durable", self.node.get("durable", False))
        wished = [kind] if kind is not None else []
        if self._is_for("create"):
            wished += ["create-on-demand"] + (["durable"] if durable else [])  # the words of qpidd
        if wished:
            place.options.append(_Capabilities(wished))
        if self._is_for("delete"):
            log.warning("%r: a link of AMQP 1.0 deletes no node: delete it by the broker's own management", self.text)
        if self._is_for("assert"):
            place.asserts = True
            place.options.append(_Assert())
        browses = self._one_of("mode", self.top.get("mode"), ("browse", "consume")) == "browse"
        if browses and self.end == "receiver" and kind != "topic":  # row Q7
            place.options.append(Copy())
        if place.subject is not None and self.end == "receiver":
            place.options.append(Filter({"subject": Described(_BINDING, place.subject)}))
        self._read_link(place)

    def _read_link(self, place: Place) -> None:
        place.name = self._text("link.name")
        reliability = self._one_of("link.reliability", self.link.get("reliability"), _RELIABILITY)
        if reliability in ("unreliable", "at-most-once"):
            place.options.append(AtMostOnce())
            place.mode = AcknowledgeMode.NONE
        elif reliability == "at-least-once":
            place.options.append(AtLeastOnce())
        elif reliability == "exactly-once":  # row Q4: read there, and not done
            raise InvalidOption("%r: link.reliability exactly-once is not offered by blocking links" % self.text)
        selector, filter_ = self._text("link.selector"), self.link.get("filter")
        if self._flag("link.durable", self.link.get("durable", False)) and self.end == "receiver":
            place.options.append(DurableSubscription())
        if selector is not None or filter_ is not None:
            if self.end == "sender":
                raise InvalidOption("%r: link.selector and link.filter are for receivers" % self.text)
            if selector is not None:
                place.options.append(Selector(selector))
            for one in filter_ if isinstance(filter_, list) else [] if filter_ is None else [filter_]:
                place.options.append(self._filter(one))

    def _filter(self, given: Any) -> Filter:
        fields = self._known("link.filter.", given, ("name", "descriptor", "value"))
        if set(fields) != {"name", "descriptor", "value"}:
            raise InvalidOption("%r: link.filter has a name, a descriptor and a value" % self.text)
        descriptor = fields["descriptor"]
        if isinstance(descriptor, str):
            descriptor = symbol(descriptor)
        return Filter({str(fields["name"]): Described(descriptor, fields["value"])})

    # -- values ------------------------------------------------------------------------------------------

    def _known(self, where: str, given: Any, known: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            raise InvalidOption("%r: %s is a map in braces, not %r" % (self.text, where.rstrip("."), given))
        for key in given:
            if key in known:
                continue
            if key in _OLDER:
                why = "is of AMQP 0-10: AMQP 1.0 declares and binds nothing by links"
            else:
                near = difflib.get_close_matches(key, known, 1, 0.6)
                why = "is no option%s; known are %s" % (
                    ", did you mean %r?" % near[0] if near else "",
                    ", ".join(known),
                )
            raise InvalidOption("%r: %s%s %s" % (self.text, where, key, why))
        return dict(given)

    def _map(self, key: str) -> Any:
        return self.top.get(key, {})

    def _is_for(self, policy: str) -> bool:
        return self._one_of(policy, self.top.get(policy, "never"), _WHEN) in ("always", self.end)

    def _one_of(self, where: str, value: Any, known: tuple[str, ...]) -> Optional[str]:
        if value is None or value in known:
            return value  # type: ignore[no-any-return]
        near = difflib.get_close_matches(str(value), known, 1, 0.6)
        hint = ", did you mean %r?" % near[0] if near else ""
        raise InvalidOption("%r: %s is one of %s, not %r%s" % (self.text, where, ", ".join(known), value, hint))

    def _flag(self, where: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise InvalidOption("%r: %s is True or False, not %r" % (self.text, where, value))
        return value

    def _text(self, where: str) -> Optional[str]:
        value = self.link.get(where.partition(".")[2])
        if value is not None and not isinstance(value, str):
            raise InvalidOption("%r: %s is a text, not %r" % (self.text, where, value))
        return value


class _Capabilities(LinkOption):
    """Capabilities of the node that are wished."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def apply(self, link: Link) -> None:
        node = link.source if link.is_receiver else link.target
        node.capabilities.put_object([symbol(name) for name in self.names])


class _Assert(LinkOption):
    """The link is closed where the peer's answer lacks a wish."""

    def apply(self, link: Link) -> None:
        insist(link, FILTER, MODE, DURABILITY, EXPIRY, CAPABILITY)
