"""Who sends and who receives, written once for either library.

A role listens, or connects to a URL; it does its work and closes the connection or waits until the other does.
`Players` runs each role in a thread of its own until all have come to an end.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, Callable, Optional

from tests.support.libraries import run
from tests.support.processes import DEADLINE, unused_port


def role(api: SimpleNamespace, **handler_options: Any) -> Any:
    """The base class of a role: a MessagingHandler of `api` that listens on, or connects to, `self.url`.

    A listening role closes its acceptor with the first connection that closes. Errors of the connection or the
    transport are kept in `errors`; a deadline that is never reached when things go well ends what hangs.
    """

    class Role(api.MessagingHandler):  # type: ignore[misc,name-defined]
        def __init__(self, url: str, listen: bool = False, **connect_options: Any) -> None:
            super().__init__(**handler_options)
            self.api = api
            self.url = url
            self.listen = listen
            self.connect_options = connect_options
            self.listening = threading.Event()
            self.errors: list[str] = []
            self.acceptor: Any = None

        def on_start(self, event: Any) -> None:
            self.container = event.container
            self.deadline = event.container.schedule(DEADLINE, Stopper(self))
            if self.listen:
                self.acceptor = event.container.listen(self.url)
                self.listening.set()
            else:
                self.connected(event.container.connect(self.url, reconnect=False, **self.connect_options))

        def connected(self, connection: Any) -> None:
            """Make the links; the connection is being made, and nothing has been sent."""

        def finish(self) -> None:
            """Let run() return."""
            self.deadline.cancel()
            if self.acceptor is not None:
                self.acceptor.close()

        def on_connection_error(self, event: Any) -> None:
            self.errors.append(repr(event.connection.remote_condition))

        def on_transport_error(self, event: Any) -> None:
            self.errors.append(repr(event.transport.condition))

        def on_connection_closed(self, event: Any) -> None:
            self.finish()

        def on_disconnected(self, event: Any) -> None:
            self.finish()

    return Role


class Stopper:
    """What the deadline calls."""

    def __init__(self, role: Any) -> None:
        self.role = role

    def on_timer_task(self, event: Any) -> None:
        self.role.errors.append(f"{type(self.role).__name__} of {self.role.api.library} reached the deadline")
        event.container.stop()


def sending(api: SimpleNamespace, **handler_options: Any) -> Any:
    """Sends `messages` to `address` and closes when each has an outcome, or, pre-settled, when they are sent."""

    class Sending(role(api, **handler_options)):  # type: ignore[misc]
        messages: list[Any] = []
        address: Optional[str] = "interop"
        options: Any = None
        close_when_sent = False
        sent = 0

        def connected(self, connection: Any) -> None:
            self.container.create_sender(connection, self.address, options=self.options)

        def on_start(self, event: Any) -> None:
            self.deliveries: list[Any] = []
            self.outcomes: list[Any] = []
            self.calls: list[str] = []
            super().on_start(event)

        def on_link_opening(self, event: Any) -> None:
            event.link.source.copy(event.link.remote_source)
            event.link.target.copy(event.link.remote_target)
            event.link.snd_settle_mode = event.link.remote_snd_settle_mode

        def on_sendable(self, event: Any) -> None:
            while self.sent < len(self.messages) and event.sender.credit > 0:
                self.deliveries.append(event.sender.send(self.messages[self.sent]))
                self.outcomes.append(None)
                self.sent += 1
            if self.close_when_sent and self.sent == len(self.messages):
                event.sender.close()
                event.connection.close()

        def on_accepted(self, event: Any) -> None:
            self.calls.append("accepted")

        def on_rejected(self, event: Any) -> None:
            self.calls.append("rejected")

        def on_released(self, event: Any) -> None:
            self.calls.append("released")

        def on_settled(self, event: Any) -> None:
            self.outcomes[self.deliveries.index(event.delivery)] = outcome(event.delivery)
            if None not in self.outcomes and self.sent == len(self.messages):
                event.connection.close()

    return Sending


def outcome(delivery: Any) -> dict[str, Any]:
    """What a sender can see of the end of a delivery, in terms that do not depend on the library."""
    remote = delivery.remote
    seen: dict[str, Any] = {"state": int(delivery.remote_state)}
    condition = getattr(remote, "condition", None)
    if condition is not None:
        seen["condition"] = (str(condition.name), condition.description, dict(condition.info or {}))
    if int(delivery.remote_state) == 0x27:
        seen["failed"], seen["undeliverable"] = bool(remote.failed), bool(remote.undeliverable)
        seen["annotations"] = dict(remote.annotations or {})
    return seen


def receiving(api: SimpleNamespace, **handler_options: Any) -> Any:
    """Takes `expected` messages from `address`, gives each to `judge`, and keeps them in `messages`.

    The sender closes; through a broker, where it cannot, `close_when_received` says so.
    """

    class Receiving(role(api, **handler_options)):  # type: ignore[misc]
        expected = 1
        address: Optional[str] = "interop"
        options: Any = None
        judge: Optional[Callable[[Any, Any], None]] = None
        close_when_received = False

        def on_start(self, event: Any) -> None:
            self.messages: list[Any] = []
            self.deliveries: list[dict[str, Any]] = []
            super().on_start(event)

        def connected(self, connection: Any) -> None:
            self.container.create_receiver(connection, self.address, options=self.options)

        def on_link_opening(self, event: Any) -> None:
            event.link.source.copy(event.link.remote_source)
            event.link.target.copy(event.link.remote_target)

        def on_message(self, event: Any) -> None:
            delivery = event.delivery
            self.messages.append(event.message)
            self.deliveries.append({"tag": delivery.tag, "settled": delivery.settled})
            if self.judge is not None:
                self.judge(self, event)
            if self.close_when_received and len(self.messages) == self.expected:
                event.connection.close()

    return Receiving


class Players:
    """Runs roles in threads: those that listen first, and the others once they do."""

    def __init__(self, *roles: Any) -> None:
        self.roles = roles
        self.raised: list[BaseException] = []

    def run(self) -> None:
        """Until all roles have ended. AssertionError when one met an error."""
        threads = []
        for one in sorted(self.roles, key=lambda one: not one.listen):
            thread = threading.Thread(target=self.play, args=(one,), daemon=True)
            thread.start()
            threads.append(thread)
            if one.listen:
                assert one.listening.wait(DEADLINE)
        for thread in threads:
            thread.join(DEADLINE + 10)
        if self.raised:
            raise self.raised[0]
        assert [one.errors for one in self.roles] == [[] for _ in self.roles]
        assert not any(thread.is_alive() for thread in threads)

    def play(self, one: Any) -> None:
        try:
            run(one.api, one)
        except BaseException as error:  # for the thread of the test
            self.raised.append(error)
            one.listening.set()


def direct(sender: Any, receiver: Any, sender_listens: bool) -> tuple[Any, Any]:
    """Run a pair made by `sender(url, listen)` and `receiver(url, listen)` without a broker; returns them."""
    url = f"127.0.0.1:{unused_port()}"
    pair = sender(url, sender_listens), receiver(url, not sender_listens)
    Players(*pair).run()
    return pair
