"""SenderSettings and ReceiverSettings: all that one link was asked to be, in one value each.

`Container.create_sender()` and `create_receiver()` make them of their keywords and of the container's own attributes;
the LinkMaker reads them. They know options, and no link.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reactor.container.settings.options import Acknowledge, AutoAccept, MaxUnsettled, Prefetch, Resend
from reactor.engine.endpoints.receiver import check_count
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Protocol, Union

    from reactor.engine.modes import Mode
    from reactor.engine.public import Session

    class LinkDefaults(Protocol):
        """The attributes of a container that stand in for keywords of its links that are not given."""

        attach_timeout: Optional[float]
        close_timeout: Optional[float]
        send_timeout: Optional[float]


class SessionSettings:
    """The keywords of `Container.create_session()`:

    context: a Connection, or a url to connect to.
    acknowledge_mode: that of its receivers which have none of their own: an AcknowledgeMode, its name or its number in
        JMS. None (default): as `auto_accept` says.
    prefetch: that of its receivers which have none of their own; None (default): that of the handler.
    max_unsettled: bounds the messages on their way or not settled here, of all its receivers together: each has an
        equal part of it, and at least 1 (row R7). Its own `max_unsettled` bounds a receiver besides. None (default):
        no bound in common.
    """

    __slots__ = ("acknowledge_mode", "max_unsettled", "prefetch")

    def __init__(self, given: Mapping[str, Any]) -> None:
        """given: the arguments of the call, each checked by itself."""
        self.acknowledge_mode: Mode = given["acknowledge_mode"]
        for name in ("prefetch", "max_unsettled"):
            if given[name] is not None:
                check_count(name, given[name])
        self.prefetch: Optional[int] = given["prefetch"]
        self.max_unsettled: Optional[int] = given["max_unsettled"]

    def apply(self, session: Session) -> None:
        """Set up a session that is about to be opened."""
        session.acknowledge_mode = self.acknowledge_mode
        session.prefetch = self.prefetch
        session.max_unsettled = self.max_unsettled


class LinkSettings:
    """The part that senders and receivers share.

    options: those of the call, after those that its keywords stand for.
    """

    __slots__ = ("attach_timeout", "close_timeout", "handler", "name", "options", "source", "strict", "target")

    def __init__(self, given: Mapping[str, Any], defaults: LinkDefaults) -> None:
        """given: the arguments of the call, each checked by itself."""
        self.source: Optional[str] = given["source"]
        self.target: Optional[str] = given["target"]
        self.name: Optional[str] = given["name"]
        self.handler: Any = given["handler"]
        self.strict: bool = given["strict"]
        self.options: tuple[Any, ...] = (given["options"],)
        attach_timeout: Optional[float] = given["attach_timeout"]
        self.attach_timeout = defaults.attach_timeout if attach_timeout is None else attach_timeout
        close_timeout: Optional[float] = given["close_timeout"]
        self.close_timeout = defaults.close_timeout if close_timeout is None else close_timeout


class SenderSettings(LinkSettings):
    """The keywords of `Container.create_sender()`:

    context: a Connection, a Session, or a url to connect to, with the target as its path.
    target: the address to send to; None for a sender of messages that carry their address (`Message.address`).
    source: an address of this side, for the peer to read.
    name: the link's name, by which both sides know it; made from the container's id and the addresses by default.
    handler: gets the events of this link; None leaves them to its session, connection or container.
    tags: called for each message for its delivery tag, or an iterator of tags; None counts from 1.
    options: a LinkOption or a list of them.
    resend: for a message that has left and has no outcome when the connection is lost; None, the default, for that of
        the connection (`connect(resend=True)`, row J2), which is False unless it was given. False: it is in
        doubt, `on_in_doubt`. True: it is sent again when the connection is back, with the same Delivery, and may then
        come twice; the receiver knows it by the message's id. A message that had not left is sent then in either case.
    send_timeout: seconds within which the outcome of a message is to come, counted from `send`; then it is in doubt,
        `on_in_doubt`, and `event.delivery.doubt` is the reason. None for the container's own.
    attach_timeout: seconds within which the peer is to attach the link, each time it is asked to; then
        `on_link_error` with ``amqp-reactor:timed-out``. close_timeout: the same for closing it. None for the
        container's own.
    strict: whether the link is closed, `on_link_error` with ``amqp:not-implemented``, when the peer's answer lacks
        something of the terminus that was asked for: filters, distribution mode, durability, expiry policy,
        capabilities, properties of a dynamic node. False, the default: one warning for each link names it.
    """

    __slots__ = ("send_timeout", "tag_generator")

    def __init__(self, given: Mapping[str, Any], defaults: LinkDefaults) -> None:
        super().__init__(given, defaults)
        send_timeout: Optional[float] = given["send_timeout"]
        self.send_timeout = defaults.send_timeout if send_timeout is None else send_timeout
        self.tag_generator = _tag_generator(given["tags"])
        if given["resend"] is not None:
            self.options += (Resend(given["resend"]),)


class ReceiverSettings(LinkSettings):
    """The keywords of `Container.create_receiver()`:

    context: a Connection, a Session, or a url to connect to, with the source as its path.
    source: the address to receive from. dynamic: have the peer make one: `receiver.remote_source.address`, once the
        link is opened.
    target, name, handler, options, attach_timeout, close_timeout, strict: as in `create_sender`.
    auto_accept: whether messages are accepted when `on_message` returns; None leaves it to the handler.
    acknowledge_mode: an AcknowledgeMode, its name or its number in JMS: how messages are acknowledged. None: as the
        session's `acknowledge_mode` says, if it has one, and else as `auto_accept`; ValueError where both are given,
        and contradict each other.
    prefetch: how many messages may be on their way ahead of `on_message`, 0 for the credit of `receiver.flow(n)`
        alone; None leaves it to the handler.
    max_unsettled: bounds the messages on their way together with those not settled here; None for no bound.
    """

    __slots__ = ("dynamic",)

    def __init__(self, given: Mapping[str, Any], defaults: LinkDefaults) -> None:
        super().__init__(given, defaults)
        self.dynamic = bool(given["dynamic"])
        kinds: Any = {"prefetch": Prefetch, "max_unsettled": MaxUnsettled, "acknowledge_mode": Acknowledge}
        self.options += tuple(kind(given[name]) for name, kind in kinds.items() if given[name] is not None)
        if given["auto_accept"] is not None:
            self.options += (AutoAccept(given["auto_accept"]),)


if TYPE_CHECKING:
    #: The tags of a sender: a function that returns the next, an iterator, or None.
    Tags = Union[None, Callable[[], Union[str, bytes]], Iterator[Union[str, bytes]]]


def _tag_generator(tags: Any) -> Optional[Callable[[], Any]]:
    """The function that gives the tags of a sender, of the argument of `create_sender`."""
    if tags is None or callable(tags):
        return tags  # type: ignore[no-any-return]  # a function of the application's
    if isinstance(tags, (str, bytes)) or not isinstance(tags, Iterable):
        raise TypeError("tags is a function that returns a tag, or an iterator of tags, not %r" % (tags,))
    return iter(tags).__next__
