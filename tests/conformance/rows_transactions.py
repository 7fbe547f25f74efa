"""Rows of transactions [4], as far as an engine has part in them: its application is the controller, or the resource.

The rules of a coordinator are those of the broker: tests/broker/test_transactions.py.
"""

from __future__ import annotations

from typing import Any

from reactor.codec.types import Array, Described, symbol, ulong
from tests.conformance.table import IS, MUST, POLICING, TOLERANCE, row
from tests.conformance.talk import CLIENT, MESSAGE, SERVER, Talk

ID = b"txn-1"
COORDINATOR, DECLARED, TRANSACTIONAL = 0x30, 0x33, 0x34


def mark(talk: Talk, delivery: Any, outcome: Any = None) -> None:
    """Have a delivery be part of a transaction, as an application of either library does."""
    types = talk.engine.codec.types
    delivery.local.data = [ID] if outcome is None else [ID, types.Described(types.ulong(outcome), [])]
    delivery.update(TRANSACTIONAL)


def is_in_transaction(state: Any, outcome: Any = None) -> bool:
    fields = state.value
    has = fields[1].descriptor if len(fields) > 1 and fields[1] is not None else None
    return bool(state.descriptor == TRANSACTIONAL and bytes(fields[0]) == ID and has == outcome)


# -- 4.5.1 coordinator -----------------------------------------------------------------------------------------


@row("4.5.1", IS, "A sender to the coordinator attaches with one as its target", roles=(CLIENT,))
def coordinator(talk: Talk) -> None:
    kind = talk.engine.library.Terminus.COORDINATOR
    wish = {"type": kind, "capabilities": talk.engine.codec.types.symbol("amqp:local-transactions")}
    talk.sender(5, mine={"target": wish})
    target = talk.attached.target
    assert target.descriptor == COORDINATOR
    names = target.value[0]
    assert "amqp:local-transactions" in (list(names) if isinstance(names, (Array, list)) else [names])


@row("4.5.1", IS, "A coordinator among the targets is known for one", roles=(SERVER,))
def coordinator_of_the_peer(talk: Talk) -> None:
    wanted = Described(ulong(COORDINATOR), [symbol("amqp:local-transactions")])
    link = talk.receiver(5, target=wanted)
    assert link.remote_target.type == talk.engine.library.Terminus.COORDINATOR


# -- 4.4.1 transactional posting -------------------------------------------------------------------------------


@row("4.4.1", MUST, "Each transfer of a delivery in a transaction carries its id")
def each_transfer(talk: Talk) -> None:
    talk.open(max_frame_size=512)
    link = talk.sender(5)
    delivery = link.delivery("t")
    mark(talk, delivery)
    link.stream(b"\x00\x53\x75\xb0\x00\x00\x03\xe8" + b"x" * 1000)
    link.advance()
    frames = talk.heard("transfer")
    assert len(frames) >= 3 and all(is_in_transaction(one.state) for one in frames)


@row("4.4.1", IS, "The application learns the transaction of a message, and its outcome if there is one")
def of_the_peer(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(MESSAGE, state=talk.outcome("transactional-state", ID))
    [arrival] = talk.arrived
    assert arrival.delivery.remote_state == TRANSACTIONAL and bytes(arrival.delivery.remote.data[0]) == ID


@row("4.4.1", IS, "An outcome in a transaction is no outcome yet: the final one may follow")
def provisional(talk: Talk) -> None:
    delivery = talk.engine.send(talk.sender(5))
    number = talk.one("transfer").delivery_id
    state = talk.outcome("transactional-state", ID, talk.outcome("accepted"))
    talk.disposition(number, state=state)
    assert delivery.remote_state == TRANSACTIONAL and talk.engine.state(delivery) == ""
    talk.disposition(number, settled=True, state=talk.outcome("rejected"))
    assert talk.engine.state(delivery) == "REJECTED" and delivery.settled


# -- 4.4.2 transactional retirement ----------------------------------------------------------------------------


@row("4.4.2", IS, "A disposition in a transaction has its id and the outcome, and settles nothing")
def retirement(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer()
    mark(talk, talk.arrived[0].delivery, 0x24)
    frame = talk.one("disposition")
    assert is_in_transaction(frame.state, 0x24) and not frame.settled


@row("4.4.2", IS, "After a rollback the delivery is live: it may have another outcome")
def after_a_rollback(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer()
    delivery = talk.arrived[0].delivery
    mark(talk, delivery, 0x24)
    talk.one("disposition")
    talk.engine.update(delivery, "RELEASED", settle=True)
    frame = talk.one("disposition")
    assert frame.state.descriptor == 0x26 and not frame.state.value and frame.settled


# -- 4.5 states ------------------------------------------------------------------------------------------------


@row("4.5.6", IS, "Declared tells the id of the transaction")
def declared(talk: Talk) -> None:
    delivery = talk.engine.send(talk.sender(5))
    number = talk.one("transfer").delivery_id
    talk.disposition(number, settled=True, state=talk.outcome("declared", ID))
    assert delivery.remote_state == DECLARED and bytes(delivery.remote.data[0]) == ID and delivery.settled


@row("4.5.8", IS, "A state may have the symbol of its type as its descriptor", TOLERANCE)
def by_name(talk: Talk) -> None:
    delivery = talk.engine.send(talk.sender(5))
    number = talk.one("transfer").delivery_id
    talk.disposition(number, state=Described(symbol("amqp:transactional-state:list"), [ID]))
    assert delivery.remote_state == TRANSACTIONAL and bytes(delivery.remote.data[0]) == ID


@row("4.5.8", MUST, "A state of a transaction without its id is no state", POLICING)
def without_an_id(talk: Talk) -> None:
    talk.engine.send(talk.sender(5))
    number = talk.one("transfer").delivery_id
    talk.disposition(number, state=talk.outcome("transactional-state"))
    talk.refused_anyhow()
