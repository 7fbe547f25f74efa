"""Observer: the methods of an object that looks on at a container, `Container(observers=[...])`.

Recorders, exporters of telemetry and tests derive from it, or define some of its methods without it. It knows no
container and no engine: its arguments are theirs, to be looked at.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Callable, Optional, TypeVar

    Method = TypeVar("Method", bound=Callable[..., Any])


def _declared(method: Method) -> Method:
    """Marks a method that stands here for its documentation and its type: it is never called, and costs nothing."""
    method.declared_only = True  # type: ignore[attr-defined]  # functions take attributes
    return method


class Observer:
    """Looks on at a container. Define the methods that you need; those that are absent cost nothing.

    Objects without this base class will do, too. They are called on the container's thread, between or within the
    turns of its engine, before the handlers for the same event: they look on, and neither call nor change what they
    are given. An exception of an observer is logged as an error, with its traceback, and the observer is not called
    any more: the run goes on as it would have gone without it.

    Deliveries and links of nodes of one's own and of links that peers have opened are seen as well: this is all
    traffic of the container, in both directions.
    """

    @_declared
    def observer(self, container: Any) -> Any:
        """The container is made. Returns the object to be called for it in place of this one: one object can so look
        on at several containers, and tell them apart. `container.mark()` is its clock, `container.today()` the date.
        """

    @_declared
    def sent(self, delivery: Any) -> None:
        """A message was handed to a sender (`sender.send`): it may wait there for credit, or for a wire.

        `delivery.link` is the sender, `delivery.payload` the encoded message. A message that is sent again over the
        next wire is not reported again. One that came too late, over a link that the peer has closed, is `settled`
        only."""

    @_declared
    def received(self, delivery: Any) -> None:
        """A message has come, all of it; `on_message` is next. `delivery.payload` and `delivery.chunks` have its
        bytes. `delivery.settled`: it came settled (at most once), and there will be no `settled` for it. A message
        that comes again is reported again."""

    @_declared
    def settled(self, delivery: Any) -> None:
        """The fate of a delivery is known.

        A sent one (`delivery.link.is_sender`): the peer has given an outcome, `delivery.remote_state`; or there will
        be none, and `delivery.doubt` is the reason (None else). Within a transaction the outcome is that of
        `delivery.remote`, as far as the peer has named it. A received one: its settlement is written to the peer, with
        `delivery.local_state` as the outcome; or the peer has settled it first. Messages that are sent settled have no
        call, nor do received ones that lose their wire before they are settled: the peer sends those again.
        """

    @_declared
    def credit(self, link: Any) -> None:
        """A flow has told the credit of a link: that of the peer for a sender, or ours for a receiver. `link.credit`
        has it, `link.queued` and `link.unsettled` the rest. It is used up by deliveries without a call."""

    @_declared
    def connected(self, connection: Any) -> None:
        """The peer has opened the connection: after each attempt of a reconnect that succeeds, too.
        `connection.container` is our name in it, `connection.remote_container` the peer's, and
        `connection.connected_address` the address."""

    @_declared
    def closed(self, connection: Any) -> None:
        """The wire of a connection that was `connected` has ended, in good order."""

    @_declared
    def lost(self, connection: Any, condition: Any) -> None:
        """The wire of a connection that was `connected` has ended for a reason: the Condition `condition`, the peer's
        or the transport's. It may be made again: then `retry` and `connected` follow."""

    @_declared
    def failed(self, connection: Any, condition: Any) -> None:
        """A wire has ended before the peer has opened the connection: an attempt has failed. condition: why, or
        None."""

    @_declared
    def retry(self, connection: Any, attempt: int, delay: float) -> None:
        """The connection is tried again in `delay` seconds. attempt: how many have failed in a row."""

    @_declared
    def called(self, handler: Any, method: str, event: Any, seconds: float) -> None:
        """A method of a handler has run for so long, by the container's clock; `event` is its argument. It is called
        when the method has returned or raised. In its time are the decoding of the message and its settlement."""

    @_declared
    def timer(self, task: Any) -> None:
        """The time of a Task of `container.schedule` has come; `task.handler` is called next."""

    @_declared
    def held(self, text: str, seconds: float) -> None:
        """The handlers have held the loop of the container for so many seconds: in that time it has neither read nor
        written. text: the handler and its method that ran last. Called for `held_limit` seconds and more: an
        attribute of the observer, 0.1 by default."""

    @_declared
    def turned(self) -> None:
        """A turn of the container is over."""

    @_declared
    def ended(self, error: Optional[BaseException]) -> None:
        """`run()` returns, or is left by an exception: `error` is that, or `ended_by`."""

    @_declared
    def wire(self, transport: Any, wire: Any, is_server: bool) -> Optional[Callable[[str, bytes], None]]:
        """A transport gets a wire: `wire.remote_address` is its peer. Returns a function that is called with "in" or
        "out" and the bytes that pass, as they are without TLS, cut anywhere; or None."""


#: The names of the methods.
METHODS = tuple(name for name in vars(Observer) if not name.startswith("_"))
