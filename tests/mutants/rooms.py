"""The rooms, and the tests that have to notice whatever is changed in them."""

from __future__ import annotations

from typing import NamedTuple

ENGINE = (
    "engine/both_sides engine/flow engine/transfers engine/outcomes engine/first_flow engine/loss engine/message_size "
    "engine/limits engine/channel engine/call_budget "
)
SASL = "engine/sasl engine/sasl_mechanisms engine/sasl_containers engine/sasl_credentials "
BROKER = "broker/node broker/node_edges broker/selecting broker/ordering broker/queues broker/bounds broker/habits"


class Room(NamedTuple):
    """module: its path. tests: the modules that have to notice: their paths below tests/, without prefix and suffix."""

    module: str
    tests: str


ROOMS = {
    "hosts": Room("reactor/hosts.py", "hosts"),
    "reasons": Room("reactor/reasons.py", "reasons container/comeback"),
    "redirects": Room("reactor/container/reconnect/redirects.py", "container/redirects"),
    "link_redirects": Room("reactor/container/reconnect/link_redirects.py", "container/redirects"),
    "comeback": Room("reactor/container/reconnect/comeback.py", "container/comeback container/supervisor reasons"),
    "limits": Room("reactor/engine/limits.py", "container/limits engine/limits"),
    "mechanisms": Room("reactor/engine/sasl/mechanisms.py", SASL),
    "sasl": Room("reactor/engine/sasl/layer.py", SASL + "engine/sasl_garbage engine/sasl_work"),
    "naming": Room("reactor/engine/wire/naming.py", "engine/naming engine/handshakes engine/peers"),
    "serial": Room("reactor/engine/serial.py", "engine/serial engine/flow engine/handshakes"),
    "endpoint": Room("reactor/engine/endpoints/endpoint.py", "engine/endpoint engine/loss"),
    "channel": Room("reactor/engine/wire/channel.py", ENGINE + "engine/handshakes engine/peers"),
    "attachments": Room(
        "reactor/engine/wire/attachments.py",
        "engine/handshakes engine/naming engine/peers engine/loss engine/bad_input engine/outcomes engine/channel "
        "engine/flow engine/transfers container/comeback container/redirects",
    ),
    "outcomes": Room("reactor/engine/wire/outcomes.py", ENGINE + "engine/bad_input acknowledgement"),
    "flows": Room("reactor/engine/wire/flows.py", ENGINE + "engine/bad_input engine/handshakes"),
    "incoming_window": Room("reactor/engine/wire/incoming_window.py", ENGINE + "engine/bad_input"),
    "outgoing_window": Room("reactor/engine/wire/outgoing_window.py", ENGINE),
    "receiver": Room("reactor/engine/endpoints/receiver.py", ENGINE + "acknowledgement"),
    "sender": Room("reactor/engine/endpoints/sender.py", ENGINE + "acknowledgement"),
    "queue": Room(
        "handlers/broker/nodes/node.py",
        BROKER + " broker/overflow broker/duplicates broker/delays broker/patience broker/dead_letters",
    ),
    "turns": Room("handlers/broker/nodes/turns.py", BROKER),
    "deadlines": Room("handlers/broker/nodes/deadlines.py", "broker/node broker/delays broker/queues"),
    "entry": Room("handlers/broker/nodes/entry.py", "broker/entry " + BROKER),
    "index": Room("handlers/broker/nodes/index.py", BROKER),
    "bounds": Room("handlers/broker/bounds.py", "broker/bounds"),
}
