"""The safety net: whatever a handler of the broker raises ends the link or connection that it was called for.

The container comes here with exceptions that would leave its `run()`, and links with those that they raise while a
queue serves them in another client's event. Here, and nowhere else, they are logged, counted and answered with
amqp:internal-error; messages that the link or connection held go back to their queues. The broker enters. It knows no
message.
"""

from __future__ import annotations

import logging
from typing import Any, Callable

from handlers.broker.interface import BrokerView, LinkView
from reactor import Condition, Endpoint, Handler, Terminus, Transport

log = logging.getLogger(__name__)

INTERNAL_ERROR = "amqp:internal-error"
SORRY = "an internal error of the broker; its log has more"


class Net:
    """The safety net of one broker. errors: how much it has caught so far."""

    def __init__(self, broker: BrokerView) -> None:
        self.broker = broker
        self.errors = 0

    def catch(self, error: Exception, event: Any) -> bool:
        """The container's call (`rescue`): end the link or connection of `event`. False for an error without a peer."""
        if event is None:
            if isinstance(error, OSError):
                return False  # of the loop itself: it would only come again
            self._note(error, "a connection, which is closed")
        elif isinstance(getattr(getattr(event, "context", None), "handler", None), BrokerTimer):
            self._note(error, f"its timer: {event.context.handler.name}")
        elif getattr(event, "transport", None) is not None and event.transport.mode == Transport.SERVER:
            self._end(error, event.link, event.connection)
        else:
            return False
        self._sweep()
        return True

    def strike(self, handler: LinkView, error: Exception) -> None:
        """`handler` has raised `error` while its node served it: end its link, as soon as the node has finished."""
        if not handler.struck:
            handler.struck = True
            self._note(error, f"{handler.describe()}, which is closed")
            # Not at once: the node is still at work on another client's event.
            self.broker.call(BrokerTimer("end of a failed link", lambda: end_link(handler.link)))

    def _end(self, error: Exception, link: Any, connection: Any) -> None:
        peer = "a connection" if connection is None else f"a connection of {connection.remote_container!r}"
        if link is not None:
            self._note(error, f"link {link.name!r} of {peer}, which is closed")
            try:
                end_link(link)
                return
            except Exception as second:
                error = second
        self._note(error, f"{peer}, which is closed")
        if connection is not None:
            connection.condition = Condition(INTERNAL_ERROR, SORRY)
            connection.close()
            self._empty(connection)

    def _sweep(self) -> None:
        """Handlers that failed when the wire was lost have left something behind."""
        for connection in self.broker.connections():
            if connection.transport is None:
                self._empty(connection)
                self.broker.forget_connection(connection)

    def _empty(self, connection: Any) -> None:
        for handler in self.broker.links_of(connection):
            try:
                handler.leave()
            except Exception as error:
                self._note(error, f"{handler.describe()}, which has left")

    def _note(self, error: Exception, where: str) -> None:
        self.errors += 1
        log.error("internal error of the broker, at %s", where, exc_info=error)


class BrokerTimer(Handler):
    """An action that the broker has its container call later. name: for the log, where it fails."""

    def __init__(self, name: str, action: Callable[[], object]) -> None:
        self.name = name
        self.action = action

    def on_timer_task(self, event: Any) -> None:
        """It is time."""
        self.action()


def end_link(link: Any) -> None:
    """Close `link` because of an internal error; messages that its handler held wait again."""
    leave = getattr(link.handler, "leave", None)
    if leave is not None:
        leave()
    if link.state & Endpoint.LOCAL_UNINIT:  # it was about to be attached: refuse it [2.6.3]
        link.source.type = link.target.type = Terminus.UNSPECIFIED
        link.snd_settle_mode, link.rcv_settle_mode = link.SND_MIXED, link.RCV_FIRST
        link.open()
    link.condition = Condition(INTERNAL_ERROR, SORRY)
    link.close()
