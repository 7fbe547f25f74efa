"""A broker and its clients in one thread, over a network in memory and a clock that the test moves.

    world = BrokerWorld(max_queue_bytes=1000)
    client = world.client()
    sender = client.sender("jobs")
    sender.send(Message("hello"))
    world.quiet()

Nothing waits: `quiet()` steps everybody until nobody has anything to do, and then the state is what it is.
"""

from __future__ import annotations

from typing import Any, Optional

from handlers import MessagingHandler
from handlers.broker import Broker, NodeStatistics
from reactor import ACCEPTED, Container, Message, symbol
from reactor.simulation import MemoryNetwork, Stepper

URL = "amqp://broker:5672"


class Received:
    """A message that a client holds."""

    def __init__(self, event: Any) -> None:
        self.message = event.message
        self.delivery = event.delivery
        self.receiver = event.receiver

    @property
    def body(self) -> Any:
        return self.message.body

    def settle(self, state: Any = ACCEPTED) -> None:
        """Say what became of it, and settle. None: settle and say nothing."""
        if state is not None:
            self.delivery.update(state)
        self.delivery.settle()


class Client(MessagingHandler):
    """One container with one connection. What happens is kept in lists; errors are kept, not acted upon."""

    def __init__(self, world: BrokerWorld, name: str, **options: Any) -> None:
        super().__init__(prefetch=0, auto_accept=False)
        self.world = world
        self.inbox: list[Received] = []
        self.outcomes: list[Any] = []
        self.conditions: list[Any] = []
        self.errors: list[str] = []
        self.opened: list[str] = []
        self.container = Container(self, container_id=name, network=world.network.node(), clock=world.network.clock)
        world.stepper.add(self.container)
        self.connection = self.container.connect(URL, **{"reconnect": False, **options})
        world.quiet()

    # -- doing

    def sender(self, target: Optional[str], **options: Any) -> Any:
        """A sender, attached or refused."""
        sender = self.container.create_sender(self.connection, target, **options)
        self.world.quiet()
        return sender

    def receiver(self, source: Optional[str], credit: int = 0, **options: Any) -> Any:
        """A receiver, attached or refused, with so much credit."""
        receiver = self.container.create_receiver(self.connection, source, **options)
        if credit:
            receiver.flow(credit)
        self.world.quiet()
        return receiver

    def send(self, target: Optional[str], *bodies: Any, **attributes: Any) -> None:
        """Send messages with these bodies over a sender of their own."""
        sender = self.sender(target)
        for body in bodies:
            sender.send(Message(body, **attributes))
            self.world.quiet()
        sender.close()
        self.world.quiet()

    def bodies(self, receiver: Any = None) -> list[Any]:
        """What is in the inbox, of one receiver or of all."""
        return [received.body for received in self.inbox if receiver in (None, received.receiver)]

    def take(self, receiver: Any = None) -> list[Received]:
        """Empty the inbox, of one receiver or of all."""
        taken = [received for received in self.inbox if receiver in (None, received.receiver)]
        self.inbox = [received for received in self.inbox if received not in taken]
        return taken

    def vanish(self) -> None:
        """Lose the connection without a word."""
        for wire in list(self.world.network.wires):
            if wire.node is self.container.loop.network:
                wire.reset()
        self.world.quiet()

    def freeze(self) -> None:
        """Say and hear nothing any more, with the connection left as it is."""
        self.world.stepper.containers.remove(self.container)
        self.world.network.nodes.remove(self.container.loop.network)

    # -- noticing

    def on_message(self, event: Any) -> None:
        self.inbox.append(Received(event))

    def _outcome(self, event: Any) -> None:
        self.outcomes.append(event.delivery.remote_state)
        self.conditions.append(event.delivery.remote.condition)

    on_accepted = on_rejected = on_released = _outcome

    def on_link_error(self, event: Any) -> None:
        self.errors.append(event.link.remote_condition.name)

    def on_session_error(self, event: Any) -> None:
        self.errors.append(event.session.remote_condition.name)

    def on_connection_error(self, event: Any) -> None:
        self.errors.append(event.connection.remote_condition.name)

    def on_transport_error(self, event: Any) -> None:
        self.errors.append(event.transport.condition.name)

    def on_link_opened(self, event: Any) -> None:
        self.opened.append(event.link.name)


class BrokerWorld:
    """The broker, its network and its clock. options: those of Broker."""

    def __init__(self, **options: Any) -> None:
        self.network = MemoryNetwork()
        self.stepper = Stepper(self.network)
        self.options = options
        self.clients = 0
        self.start()

    def start(self) -> None:
        """The broker starts; again, after `crash`."""
        self.broker = Broker(URL, **self.options)
        self.container = Container(
            self.broker, container_id="the-broker", network=self.network.node(), clock=self.network.clock
        )
        self.stepper.add(self.container)
        self.quiet()

    def crash(self) -> None:
        """The broker is gone at once, with all its wires."""
        node = self.container.loop.network
        for listener in [listener for listener in self.network.listeners if listener.node is node]:
            listener.close()
        for wire in [wire for wire in self.network.wires if wire.node is node]:
            wire.reset()
        self.stepper.containers.remove(self.container)
        self.network.nodes.remove(node)
        self.broker.close()
        self.quiet()

    def client(self, name: Optional[str] = None, **options: Any) -> Client:
        """Another client, connected."""
        self.clients += 1
        return Client(self, name or f"client-{self.clients}", **options)

    def quiet(self) -> None:
        """Step until nobody has anything to do at this moment of the clock."""
        for _ in range(10_000):
            if self.stepper.round() is not None:
                return
        raise AssertionError("it never gets quiet")

    def pass_time(self, seconds: float) -> None:
        """Let time pass; whatever is due meanwhile happens when it is due."""
        rung: list[Any] = []

        class Bell:
            def on_timer_task(self, event: Any) -> None:
                rung.append(event)

        self.container.schedule(seconds, Bell())
        self.stepper.run(lambda: rung)
        self.quiet()

    def node(self, name: str) -> NodeStatistics:
        """How a node is now."""
        return self.broker.statistics(name)


class Capability:
    """A link option that asks for a kind of node."""

    def __init__(self, name: str) -> None:
        self.name = name

    def apply(self, link: Any) -> None:
        terminus = link.source if link.is_receiver else link.target
        terminus.capabilities.put_object(symbol(self.name))

    def test(self, link: Any) -> bool:
        return True


class SourceFields:
    """A link option with fields of a receiver's source, as they shall be in its attach."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def apply(self, link: Any) -> None:
        for name, value in self.fields.items():
            setattr(link.source, name, value)

    def test(self, link: Any) -> bool:
        return True
