"""Options for links: small objects that set up a sender or receiver before it is opened.

`Container.create_sender` and `create_receiver` take one of them, or a list. An application adds its own by
subclassing LinkOption, SenderOption or ReceiverOption. They know links and termini, and no connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reactor.codec.types import Described, symbol
from reactor.container.agreement import DURABILITY, EXPIRY, FILTER, MODE, PROPERTY, insist
from reactor.engine.endpoints.fields import symbol_keys
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.modes import AcknowledgeMode
from reactor.engine.public import Link, Receiver, Sender
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional, Union

    from reactor.codec.types import AnyValue

SELECTOR_FILTER = symbol("apache.org:selector-filter:string")


class LinkOption:
    """A change to a link before it is opened. Subclass it and define `apply`."""

    def apply(self, link: Any) -> None:
        """Set up `link`: any link here, a Sender or a Receiver in options for one of them."""

    def test(self, link: Link) -> bool:
        """Whether this option is for `link`; always, unless a subclass knows better."""
        return True


class SenderOption(LinkOption):
    """An option for senders; receivers are left alone."""

    def apply(self, sender: Sender) -> None:
        """Set up `sender`."""

    def test(self, link: Link) -> bool:
        return link.is_sender


class ReceiverOption(LinkOption):
    """An option for receivers; senders are left alone."""

    def apply(self, receiver: Receiver) -> None:
        """Set up `receiver`."""

    def test(self, link: Link) -> bool:
        return link.is_receiver


# -- how surely messages come ----------------------------------------------------------------------------


class AtMostOnce(LinkOption):
    """Messages are settled when they are sent: each comes once or never, and there are no outcomes
    [2.6.12]."""

    def apply(self, link: Link) -> None:
        link.snd_settle_mode = Link.SND_SETTLED


class AtLeastOnce(LinkOption):
    """Messages are settled when the receiver has given their outcome: each comes once or more often."""

    def apply(self, link: Link) -> None:
        link.snd_settle_mode = Link.SND_UNSETTLED
        link.rcv_settle_mode = Link.RCV_FIRST


class Resend(SenderOption):
    """Whether a message that has left, and has no outcome when the connection is lost, is sent again when the
    connection is back: with the same Delivery, in the same order, so that there is one outcome for each `send()`. The
    message may then come twice. Without this it is in doubt."""

    def __init__(self, resend: bool = True) -> None:
        self.resend = resend

    def apply(self, sender: Sender) -> None:
        sender.resend = self.resend


# -- how a receiver takes them ---------------------------------------------------------------------------


class AutoAccept(ReceiverOption):
    """Whether messages are accepted when `on_message` returns, whatever the handler's `auto_accept` is. ValueError for
    a receiver with an acknowledge mode that contradicts it."""

    def __init__(self, auto_accept: bool = True) -> None:
        self.auto_accept = auto_accept

    def apply(self, receiver: Receiver) -> None:
        mode = receiver.acknowledge_mode
        if mode is not None and receiver.auto_accept != self.auto_accept:
            text = "auto_accept=%r contradicts acknowledge_mode %s of %r: leave one of them out"
            raise ValueError(text % (self.auto_accept, mode, receiver))
        receiver.auto_accept = self.auto_accept


class Acknowledge(ReceiverOption):
    """How messages are acknowledged (row J6).

    mode: an AcknowledgeMode, its name in any case, or its number in JMS; ValueError or TypeError for what is none.
    """

    def __init__(self, mode: Union[AcknowledgeMode, str, int]) -> None:
        self.mode = AcknowledgeMode.of(mode, "mode")

    def apply(self, receiver: Receiver) -> None:
        receiver.acknowledge_mode = self.mode


class Prefetch(ReceiverOption):
    """How many messages may be on their way ahead of `on_message`, whatever the handler's `prefetch` is.

    prefetch: the window of credit; 0: no credit but that of `receiver.flow(n)`. ValueError if negative.
    """

    def __init__(self, prefetch: int) -> None:
        self.prefetch = prefetch

    def apply(self, receiver: Receiver) -> None:
        receiver.prefetch = self.prefetch


class MaxUnsettled(ReceiverOption):
    """How many messages may be here, or on their way, and not be settled.

    With auto_accept off this bounds the messages that a slow application has to hold; `prefetch` bounds only those that
    it has not seen yet. ValueError if negative.
    """

    def __init__(self, max_unsettled: int) -> None:
        self.max_unsettled = max_unsettled

    def apply(self, receiver: Receiver) -> None:
        receiver.max_unsettled = self.max_unsettled


# -- the node of a receiver ------------------------------------------------------------------------------


class Filter(ReceiverOption):
    """Filters on the source [3.5.8].

    filter_set: filters by name: dict of symbol -> Described, with the kind of the filter as its descriptor.
    strict: whether the link is closed when the peer's answer lacks one of the link's filters (False: a warning).
    """

    def __init__(self, filter_set: Optional[Mapping[str, AnyValue]] = None, strict: bool = False) -> None:
        self.strict = strict
        self.filter_set = _entries("filter_set", filter_set)

    def apply(self, receiver: Receiver) -> None:
        receiver.source.filter.put_dict(symbol_keys("filter_set", self.filter_set) or {})
        if self.strict:
            insist(receiver, FILTER)


class Selector(Filter):
    """Only messages for which `value`, a condition in the language of JMS selectors, is true.

    value: such as ``"colour = 'green' AND weight > 2"``. name: the filter's name on the link. strict: as of Filter.
    """

    def __init__(self, value: str, name: str = "selector", strict: bool = False) -> None:
        super().__init__({symbol(name): Described(SELECTOR_FILTER, value)}, strict)


class DurableSubscription(ReceiverOption):
    """The peer keeps the subscription, and the messages that come for it, while no link is attached.

    It is found again by the container's id and the link's name: give both. `receiver.detach()` keeps the
    subscription, `receiver.close()` ends it. strict: whether the link is closed when the peer's answer is that it
    keeps less (False: a warning).
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict

    def apply(self, receiver: Receiver) -> None:
        if self.strict:
            insist(receiver, DURABILITY, EXPIRY)
        receiver.source.durability = Terminus.DELIVERIES
        receiver.source.expiry_policy = Terminus.EXPIRE_NEVER


class Move(ReceiverOption):
    """Messages are taken from the node: each goes to one receiver alone. strict: as of Copy."""

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict

    def apply(self, receiver: Receiver) -> None:
        if self.strict:
            insist(receiver, MODE)
        receiver.source.distribution_mode = Terminus.DIST_MODE_MOVE


class Copy(ReceiverOption):
    """Messages stay in the node: to browse a queue. strict: whether the link is closed when the peer's answer has
    another distribution mode (False: a warning, and each message may be taken away)."""

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict

    def apply(self, receiver: Receiver) -> None:
        if self.strict:
            insist(receiver, MODE)
        receiver.source.distribution_mode = Terminus.DIST_MODE_COPY


class DynamicNodeProperties(LinkOption):
    """Properties of the node that the peer makes for a dynamic link.

    props: dict; names become symbols. strict: whether the link is closed when the peer's answer lacks one of them
        (False: a warning).
    """

    def __init__(self, props: Optional[Mapping[str, AnyValue]] = None, strict: bool = False) -> None:
        self.strict = strict
        self.properties = symbol_keys("props", _entries("props", props)) or {}

    def apply(self, link: Link) -> None:
        terminus = link.source if link.is_receiver else link.target
        terminus.properties.put_dict(self.properties)
        if self.strict:
            insist(link, PROPERTY)


if TYPE_CHECKING:
    #: None, one or several, for `create_sender` and `create_receiver`.
    Options = Union[None, LinkOption, Sequence[LinkOption]]


def apply_options(link: Link, options: Any) -> None:
    """Apply one option or several to `link`. TypeError for an object without `apply`."""
    if options is None:
        return
    for option in options if isinstance(options, (list, tuple)) else (options,):
        if not hasattr(option, "apply") or isinstance(option, type):
            raise TypeError("options are LinkOption objects (or a list of them), not %r" % (option,))
        if not hasattr(option, "test") or option.test(link):
            option.apply(link)


def _entries(name: str, given: Optional[Mapping[Any, Any]]) -> dict[Any, Any]:
    """A dict of one's own; DataException, naming the argument, when it is none or has other keys than names."""
    entries: Any = dict(given) if isinstance(given, Mapping) else given
    symbol_keys(name, entries)
    return entries or {}


__all__ = [
    "Acknowledge",
    "AtLeastOnce",
    "AtMostOnce",
    "AutoAccept",
    "Copy",
    "DurableSubscription",
    "DynamicNodeProperties",
    "Filter",
    "LinkOption",
    "MaxUnsettled",
    "Move",
    "Prefetch",
    "ReceiverOption",
    "Resend",
    "Selector",
    "SenderOption",
    "apply_options",
]
