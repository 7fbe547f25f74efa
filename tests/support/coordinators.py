"""A client with transactions and a scripted peer that has a coordinator: what brokers do is said word by word."""

from __future__ import annotations

from typing import Any

from handlers import TransactionalClientHandler
from reactor import Delivery, Described, Message, symbol
from reactor.codec.types import ulong
from reactor.simulation import ScriptedPeer, World, composite

URL = "amqp://peer:5672"
ID = b"txn-1"
TO_COORDINATOR = {"role": False, "target": composite("coordinator", capabilities="amqp:local-transactions")}


class Client(TransactionalClientHandler):
    """Notes the callbacks of transactions and messages. act: done when a transaction is there."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.told: list[str] = []
        self.transactions: list[Any] = []
        self.deliveries: list[Delivery] = []
        self.act: Any = None

    def on_transaction_declared(self, event: Any) -> None:
        self._note("declared", event)
        if self.act is not None:
            self.act(event.transaction)

    def on_transaction_committed(self, event: Any) -> None:
        self._note("committed", event)

    def on_transaction_aborted(self, event: Any) -> None:
        self._note("aborted", event)

    def on_transaction_declare_failed(self, event: Any) -> None:
        self._note("declare failed", event)

    def on_transaction_commit_failed(self, event: Any) -> None:
        self._note("commit failed", event)

    def _note(self, name: str, event: Any) -> None:
        assert event.connection is event.transaction.connection and event.container is not None
        self.told.append(name)
        self.transactions.append(event.transaction)

    def on_message(self, event: Any) -> None:
        self.deliveries.append(event.delivery)

    def on_accepted(self, event: Any) -> None:
        self.told.append("accepted")

    def on_rejected(self, event: Any) -> None:
        self.told.append("rejected")

    def on_released(self, event: Any) -> None:
        self.told.append("released")

    def on_in_doubt(self, event: Any) -> None:
        self.told.append("in doubt")

    def on_link_error(self, event: Any) -> None:
        self.told.append("link error")

    def on_session_error(self, event: Any) -> None:
        self.told.append("session error")

    def on_transport_error(self, event: Any) -> None:
        self.told.append("lost")


class Play:
    """A client with one connection, and a peer that follows a script."""

    def __init__(self, world: World, client: Any = None, **options: Any) -> None:
        self.world = world
        self.client: Any = Client() if client is None else client
        self.peer: ScriptedPeer = world.peer("peer:5672").ignore("flow")
        self.container = world.container(self.client)
        self.connection = self.container.connect(URL, **{"reconnect": False, **options})
        self.peer.open().begin()

    def run(self) -> None:
        """Until the script is done, and nothing is under way."""
        self.world.run_until(lambda: self.peer.done)
        self.world.settle()

    def sender(self, credit: int = 10, **options: Any) -> Any:
        self.peer.attach(credit=credit)
        sender = self.container.create_sender(self.connection, "jobs", **options)
        self.run()
        return sender

    def receiver(self, *messages: Any, settled: bool = False) -> None:
        """A receiver that has got these messages."""
        self.container.create_receiver(self.connection, "jobs")
        self.peer.attach()
        for number, body in enumerate(messages):
            self.peer.say(
                "transfer",
                handle=lambda seen: seen.handle,
                delivery_id=number,
                delivery_tag=b"%d" % number,
                settled=settled,
                payload=bytes(Message(body).encode()),
            )
        self.run()

    def coordinator(self, credit: int = 10, **answer: Any) -> None:
        """The peer takes the link to its coordinator."""
        self.peer.expect("attach", **TO_COORDINATOR)
        seen = {key: (lambda frame, key=key: getattr(frame, key)) for key in ("name", "handle", "source", "target")}
        self.peer.answer("attach", **{**seen, "role": True, **answer})
        self.grant(credit)

    def grant(self, credit: int, count: int = 0) -> None:
        windows = {"next_incoming_id": 0, "incoming_window": 1000, "next_outgoing_id": 0, "outgoing_window": 1000}
        self.peer.say("flow", handle=lambda seen: seen.handle, delivery_count=count, link_credit=credit, **windows)

    def control(self, name: str, *fields: Any) -> ScriptedPeer:
        """The client declares or discharges."""
        body = Described(symbol(f"amqp:{name}:list"), list(fields))
        return self.peer.expect("transfer", settled=False, payload=lambda data: Message.from_bytes(data).body == body)

    def outcome(self, state: Any, first: Any = None, settled: bool = True) -> ScriptedPeer:
        number = (lambda seen: seen.delivery_id) if first is None else first
        return self.peer.say("disposition", role=True, first=number, settled=settled, state=state)

    def declared(self, id: bytes = ID) -> None:
        self.control("declare", None)
        self.outcome(composite("declared", txn_id=id))

    def active(self, **options: Any) -> Any:
        """A transaction that has been declared."""
        self.coordinator()
        self.declared()
        transaction = self.container.declare_transaction(self.connection, **options)
        self.run()
        assert transaction.active and transaction.id == ID
        return transaction


def in_transaction(outcome: Any = None, id: bytes = ID) -> Any:
    """A state to be said, or expected: with the outcome of this code."""
    if outcome is None:
        return composite("transactional-state", txn_id=id)
    return composite("transactional-state", txn_id=id, outcome=Described(ulong(outcome), []))


def given(outcome: int, id: bytes = ID) -> Any:
    """A state to be expected: the outcome may have fields."""
    return composite("transactional-state", txn_id=id, outcome=lambda value: value.descriptor == outcome)
