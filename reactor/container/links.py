"""Linking: how a container makes sessions and links, with their names and options.

Container, which is a Linking, makes the connections. It knows links and their options, and nothing of wires.
"""

from __future__ import annotations

import random as random_module
import uuid
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional, TypeVar, Union

from reactor.container.agreement import EVERYTHING, insist
from reactor.container.reconnect.attempts import split_addresses
from reactor.container.settings.keywords import check_seconds, check_truth, refuse_unknown
from reactor.container.settings.options import AutoAccept, MaxUnsettled, Prefetch, Resend, apply_options
from reactor.container.system_handler import Keeping
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.handler import check_handler
from reactor.engine.public import Connection, Link, Receiver, Sender, Session
from reactor.errors import ILLEGAL_STATE, LocalProtocolError
from reactor.url import Url

Context = Union[Connection, Session, Url, str]
AnyLink = TypeVar("AnyLink", Sender, Receiver)


class Linking(Keeping):
    """The part of a container that makes links; see Container."""

    random: random_module.Random
    container_id: str
    _named: weakref.WeakValueDictionary[tuple[str, bool], Link]  # by name and direction: the last one that was made
    _suffixes: dict[str, int]  # by name without its number: the last number that was given
    attach_timeout: Optional[float]
    send_timeout: Optional[float]
    close_timeout: Optional[float]

    def connect(self, url: Any) -> Connection:
        """Connect to a peer (container.py)."""
        raise NotImplementedError

    def create_session(self, context: Context) -> Session:
        """A new session, opened, of a connection or of a new connection to a url. LocalProtocolError on a connection
        that was closed."""
        session = self._connection_of(context).session()
        session.open()
        return session

    def create_sender(
        self,
        context: Context,
        target: Optional[str] = None,
        source: Optional[str] = None,
        name: Optional[str] = None,
        handler: Any = None,
        tags: Union[None, Callable[[], Any], Iterator[Any]] = None,
        options: Any = None,
        resend: Optional[bool] = None,
        send_timeout: Optional[float] = None,
        attach_timeout: Optional[float] = None,
        close_timeout: Optional[float] = None,
        strict: bool = False,
        **unknown: Any,
    ) -> Sender:
        """Open a link to send over, and return the Sender: it can be used when `on_sendable` says so.

        context: a Connection, a Session, or a url to connect to, whose path is the target.
        target: the address to send to; None for a sender whose messages carry their address
        (`Message.address`).
        source: an address of this side, told to the peer.
        name: the link's name, by which both sides know it; made from the container's id and the addresses
        by default.
        handler: sees the events of this link; None leaves them to its session, connection or container.
        tags: called for each message for its delivery tag, or an iterator of tags; None counts from 1.
        options: a LinkOption or a list of them.
        resend: what becomes of a message that has left and has no outcome when the connection is lost. False, the
            default: it is in doubt, `on_in_doubt`. True: it is sent again when the connection is back, with the
            same Delivery, and may then come twice; the receiver can tell by the message's id. What had not left
            is sent then in either case.
        send_timeout: seconds within which the outcome of a message is to come, counted from `send`; then it is in
            doubt, `on_in_doubt`, and `event.delivery.doubt` says so. None for the container's own.
        attach_timeout: seconds within which the peer is to attach the link, each time it is asked to; then
            `on_link_error` with ``amqp-reactor:timed-out``. close_timeout: the same for closing it. None for the
            container's own.
        strict: whether the link is closed, `on_link_error` with ``amqp:not-implemented``, when the peer's answer lacks
            something of the terminus that was asked for: filters, distribution mode, durability, expiry policy,
            capabilities, properties of a dynamic node. False, the default: one warning for each link names it.

        Raises LocalProtocolError on a connection or session that was closed here, or that has an open sender of this
        name [2.6.1]; TypeError, ValueError or DataException, naming it, for a value that is of no use. Nothing is made
        then.
        """
        refuse_unknown("create_sender()", Linking.create_sender, unknown)
        check_handler(handler)
        check_truth(resend=resend, strict=strict)
        check_seconds(send_timeout=send_timeout, attach_timeout=attach_timeout, close_timeout=close_timeout)
        generator = _tag_generator(tags)
        session, path = self._session_of(context)
        target = path if target is None else target
        name = name or self._link_name(session, target, source, True)
        sender = self._named[name, True] = session.sender(name)
        sender.send_timeout = self.send_timeout if send_timeout is None else send_timeout
        self._limit(sender, attach_timeout, close_timeout)
        if strict:
            insist(sender, *EVERYTHING)
        sender.tag_generator = generator
        said = [] if resend is None else [Resend(resend)]
        return self._open_link(sender, source, target, handler, options, said)

    def create_receiver(
        self,
        context: Context,
        source: Optional[str] = None,
        target: Optional[str] = None,
        name: Optional[str] = None,
        dynamic: bool = False,
        handler: Any = None,
        options: Any = None,
        auto_accept: Optional[bool] = None,
        prefetch: Optional[int] = None,
        max_unsettled: Optional[int] = None,
        attach_timeout: Optional[float] = None,
        close_timeout: Optional[float] = None,
        strict: bool = False,
        **unknown: Any,
    ) -> Receiver:
        """Open a link to receive from, and return the Receiver.

        context: a Connection, a Session, or a url to connect to, whose path is the source.
        source: the address to receive from. dynamic: have the peer make one:
            `receiver.remote_source.address`, once the link is opened.
        target, name, handler, options, attach_timeout, close_timeout, strict: as in `create_sender`.
        auto_accept: whether messages are accepted when `on_message` returns; None leaves it to the handler.
        prefetch: how many messages may be on their way ahead of `on_message`, 0 for what `receiver.flow(n)`
            grants; None leaves it to the handler.
        max_unsettled: bounds the messages on their way together with those not settled here; None for no
        bound.

        Raises as `create_sender` does.
        """
        refuse_unknown("create_receiver()", Linking.create_receiver, unknown)
        check_handler(handler)
        check_truth(auto_accept=auto_accept, strict=strict)
        check_seconds(attach_timeout=attach_timeout, close_timeout=close_timeout)
        session, path = self._session_of(context)
        source = path if source is None else source
        name = name or self._link_name(session, source, target, False)
        receiver = self._named[name, False] = session.receiver(name)
        self._limit(receiver, attach_timeout, close_timeout)
        if strict:
            insist(receiver, *EVERYTHING)
        receiver.source.dynamic = bool(dynamic)
        said: Any = ((AutoAccept, auto_accept), (Prefetch, prefetch), (MaxUnsettled, max_unsettled))
        keywords = [option(value) for option, value in said if value is not None]
        return self._open_link(receiver, None if dynamic else source, target, handler, options, keywords)

    def _limit(self, link: Link, attach_timeout: Optional[float], close_timeout: Optional[float]) -> None:
        link.attach_timeout = self.attach_timeout if attach_timeout is None else attach_timeout
        link.close_timeout = self.close_timeout if close_timeout is None else close_timeout

    def _open_link(
        self, link: AnyLink, source: Optional[str], target: Optional[str], handler: Any, *options: Any
    ) -> AnyLink:
        """Open a link, or leave no trace of it when something that it was given is refused."""
        link.handler = handler
        try:
            link.source.address = source
            link.target.address = target
            for some in options:
                apply_options(link, some)
            link.open()
        except BaseException:
            link.free()
            raise
        if isinstance(link, Sender):
            self.deadlines.watch(link)
        return link

    def _connection_of(self, context: Context) -> Connection:
        if isinstance(context, Connection):
            _refuse_closed(context)
            return context
        if isinstance(context, (str, Url)):
            return self.connect(context)
        if isinstance(context, Session):
            _refuse_closed(context.connection)
            return context.connection
        raise TypeError("links are made on a Connection, a Session or a url, not on %r" % (context,))

    def _session_of(self, context: Context) -> tuple[Session, Optional[str]]:
        """The session to make a link on, and the address in the url if `context` was one."""
        if isinstance(context, Session):
            _refuse_closed(context)
            return context, None
        connection = self._connection_of(context)
        session: Optional[Session] = connection.__dict__.get("default_session")
        ended = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED  # by the peer: we may be about to answer
        if session is None or session.state & ended:
            session = connection.__dict__["default_session"] = self.create_session(connection)
        return session, _path(context)

    def _link_name(self, session: Session, first: Optional[str], second: Optional[str], sends: bool) -> str:
        """A name that no other link of the container has [2.6.1]: over another connection to the same peer it would
        take that one over. One in each direction may, but servers made with rhea keep both under their name alone: then
        the second one says what it is."""
        addresses = [address for address in (first, second) if address and isinstance(address, str)]
        name = stem = "-".join([self.container_id] + (addresses or [self._uuid()]))
        taken = {link.name: link.is_sender for link in session.connection.links(0)}
        if taken.get(stem, sends) != sends:
            name = stem = stem + ("-sender" if sends else "-receiver")
        if name in taken or self._is_used(name, sends):
            count = self._suffixes.get(stem, 1)  # counted on: thousands of connections may have a link of one address
            while name in taken or self._is_used(name, sends):
                count += 1
                name = "%s-%d" % (stem, count)
            self._suffixes[stem] = count
        return name

    def _is_used(self, name: str, sends: bool) -> bool:
        """Whether a link of this direction that was made here has this name, and is not closed."""
        link = self._named.get((name, sends))
        return link is not None and not (link.state | link.connection.state) & Endpoint.LOCAL_CLOSED

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))


def _refuse_closed(endpoint: Union[Connection, Session]) -> None:
    """LocalProtocolError when it, or what it belongs to, was closed here: what is made there never opens."""
    for one in (endpoint, endpoint.connection):
        if one.state & Endpoint.LOCAL_CLOSED:
            raise LocalProtocolError(ILLEGAL_STATE, "%r is closed; nothing can be opened on it" % (one,))


def _tag_generator(tags: Any) -> Optional[Callable[[], Any]]:
    """What gives the tags of a sender, of what `create_sender` was given."""
    if tags is None or callable(tags):
        return tags  # type: ignore[no-any-return]  # it is what it is
    if isinstance(tags, (str, bytes)) or not isinstance(tags, Iterable):
        raise TypeError("tags is a function that returns a tag, or an iterator of tags, not %r" % (tags,))
    return iter(tags).__next__


def _path(context: Any) -> Optional[str]:
    """The address in a url: of several urls, that in the first which has one."""
    if isinstance(context, Url):
        return context.path
    if not isinstance(context, str):
        return None
    paths = [Url(url, defaults=False).path for url in split_addresses(context)]
    return next((path for path in paths if path is not None), None)
