"""Who hears the speaker: the broker, a server that copies what its peers ask for, and a client.

No exception leaves a container, the broker's safety net has nothing to catch, everybody comes to rest, what is said
is bounded by what was heard, and whoever else is connected is served.
"""

from __future__ import annotations

import logging
from random import Random
from typing import Any

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Container, LocalProtocolError, Message, Reject, Release
from reactor.simulation import MemoryNetwork, Stepper
from tests.fuzz.speaker import Speaker

URL = "amqp://there:5672"
#: Bytes that may be said for each byte that was heard, and anyhow: a message that is released comes again.
MOST_PER_BYTE, MOST_ANYHOW = 300, 100_000
ROUNDS = 3000


class Ring:
    """A network in memory with one container in it, and speakers."""

    def __init__(self, handler: Any, **options: Any) -> None:
        self.network = MemoryNetwork()
        self.stepper = Stepper(self.network)
        self.fed = self.heard = 0
        self.container = self.add(handler, "fuzzed", **options)

    def add(self, handler: Any, name: str, **options: Any) -> Container:
        container = Container(
            handler,
            container_id=name,
            network=self.network.node(),
            clock=self.network.clock,
            random=Random(len(self.network.nodes)),
            **options,
        )
        self.stepper.add(container)
        self.rest()
        return container

    def rest(self) -> None:
        """Until nobody has anything to do."""
        for _ in range(ROUNDS):
            if self.stepper.round() is not None:
                return
        raise AssertionError("it does not come to rest")

    def exchange(self, speaker: Speaker, wire: Any, data: bytes) -> bool:
        """Say something, and hear what comes of it. Returns whether the wire is still of use."""
        try:
            while data:
                taken = wire.write(data)
                data = data[taken:]
                self.fed += taken
                self.rest()
                while (said := wire.read(65536)) is not None:
                    if not said:
                        return False
                    self.heard += len(said)
                    speaker.hear(said)
                    self.rest()
        except OSError:
            return False
        return True

    def talk(self, speaker: Speaker, wire: Any, frames: int) -> bool:
        """So many frames, a few at a time. Returns whether the wire is still of use."""
        dice = speaker.dice
        while frames > 0:
            together = min(frames, dice.choice((1, 1, 1, 2, 8)))
            frames -= together
            if not self.exchange(speaker, wire, b"".join(speaker.next() for _ in range(together))):
                return False
        return True

    def check(self) -> None:
        assert self.heard <= MOST_ANYHOW + MOST_PER_BYTE * self.fed, f"{self.heard} bytes said for {self.fed}"


class Good(MessagingHandler):
    """A client that wants nothing special: one message there and back."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    def on_start(self, event: Any) -> None:
        self.connection = event.container.connect(URL, reconnect=False)
        self.sender = event.container.create_sender(self.connection, "good", name="good-sender")
        event.container.create_receiver(self.connection, "good", name="good-receiver")
        self.sender.send(Message("well?"))

    def on_message(self, event: Any) -> None:
        self.got.append(event.message.body)
        self.connection.close()


def send(sender: Any, body: str) -> None:
    """Send a message, or hear that it is too late for that, or that the peer does not take one of its size."""
    try:
        sender.send(Message(body))
    except LocalProtocolError as error:
        assert error.condition in ("amqp:link:message-size-exceeded", "amqp:illegal-state"), error


def quietly(run: Any) -> Any:
    """What is told of peers that do odd things is not to be read here."""

    def case(dice: Random) -> int:
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            return int(run(dice))
        finally:
            logging.disable(before)

    return case


@quietly
def broker_case(dice: Random) -> int:
    """One or two speakers at a broker, and then somebody who has to be served."""
    broker = Broker(URL, **dice.choice(({}, {"max_queue_bytes": 5000}, {"max_message_size": 500})))
    ring = Ring(broker)
    speakers = [Speaker(Random(dice.getrandbits(64)), False) for _ in range(dice.choice((1, 2)))]
    wires = [ring.network.node().connect("there", 5672) for _ in speakers]
    ring.rest()
    alive = [(one, wire) for one, wire in zip(speakers, wires) if ring.exchange(one, wire, one.opening())]
    for _ in range(dice.choice((1, 3, 6))):
        alive = [(one, wire) for one, wire in alive if ring.talk(one, wire, dice.choice((1, 4, 12)))]
    if dice.random() < 0.5:
        for wire in wires:
            wire.close()
        ring.rest()
    assert broker.internal_errors == 0, f"{broker.internal_errors} errors were caught by the net"
    good = Good()
    ring.add(good, "good")
    assert good.got == ["well?"], "another client is not served"
    ring.check()
    return ring.fed


class Copier(MessagingHandler):
    """A server that takes whatever is asked for, setting by setting, as examples do."""

    def __init__(self, dice: Random) -> None:
        super().__init__(prefetch=dice.choice((0, 1, 10)), auto_accept=dice.random() < 0.7)
        self.dice = dice
        self.sends = 30

    def on_start(self, event: Any) -> None:
        event.container.listen(URL)

    def on_link_opening(self, event: Any) -> None:
        link = event.link
        for name in ("source", "target"):
            getattr(link, name).copy(getattr(link, "remote_" + name))
        for name in ("snd_settle_mode", "rcv_settle_mode", "max_message_size", "properties", "offered_capabilities"):
            setattr(link, name, getattr(link, "remote_" + name))

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit and self.sends:
            self.sends -= 1
            send(event.sender, "x" * self.dice.choice((1, 300)))

    def on_message(self, event: Any) -> None:
        repr(event.message.body)
        if self.dice.random() < 0.1:
            raise self.dice.choice((Reject, Release))("odd")


@quietly
def copier_case(dice: Random) -> int:
    """A speaker at a server that copies."""
    ring = Ring(Copier(dice))
    speaker = Speaker(Random(dice.getrandbits(64)), False)
    wire = ring.network.node().connect("there", 5672)
    ring.rest()
    if ring.exchange(speaker, wire, speaker.opening()):
        ring.talk(speaker, wire, dice.choice((5, 20, 60)))
    wire.close()
    ring.rest()
    ring.check()
    return ring.fed


class Client(MessagingHandler):
    """A client with a sender and a receiver, which does a little of everything."""

    def __init__(self, dice: Random) -> None:
        super().__init__(prefetch=dice.choice((0, 1, 10)), auto_accept=dice.random() < 0.7)
        self.dice = dice
        self.sends = 30

    def on_start(self, event: Any) -> None:
        container = event.container
        self.connection = container.connect(URL, reconnect=False, sasl_enabled=False)
        container.create_sender(self.connection, "q", name="s")
        self.receiver = container.create_receiver(self.connection, "q", name="r")
        if self.dice.random() < 0.5:
            self.receiver.drain(self.dice.choice((1, 5)))

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit and self.sends:
            self.sends -= 1
            send(event.sender, "x" * self.dice.choice((1, 300, 3000)))

    def on_message(self, event: Any) -> None:
        repr(event.message.body)
        if self.dice.random() < 0.1:
            raise self.dice.choice((Reject, Release))("odd")
        if event.receiver.credit == 0 and self.dice.random() < 0.5:
            event.receiver.flow(3)


@quietly
def client_case(dice: Random) -> int:
    """A client whose server is a speaker."""
    ring = Ring(MessagingHandler())
    listener = ring.network.node().listen("there", 5672)
    client = ring.add(Client(dice), "client")
    wire = listener.accept()
    assert wire is not None
    speaker = Speaker(Random(dice.getrandbits(64)), True)
    if ring.exchange(speaker, wire, speaker.opening()):
        ring.talk(speaker, wire, dice.choice((5, 20, 60)))
    wire.close()
    listener.close()
    ring.rest()
    ring.stepper.run_for(2.0)  # a message that failed is kept for a second
    assert client not in ring.stepper.containers, "the client does not end"
    ring.check()
    return ring.fed
