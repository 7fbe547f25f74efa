"""The desk: where links to the management nodes are attached, `$management` (node.py) and `/management` (pair.py).

attaching.py enters.
"""

from __future__ import annotations

from typing import Any

from handlers.broker.interface import BrokerView
from handlers.broker.management import node, pair
from handlers.broker.management.actions import Actions
from handlers.broker.management.http import HttpOperations
from handlers.broker.management.operations import Operations
from handlers.broker.management.requests import MOST_REQUEST, AnswerLink, RequestLink
from handlers.broker.nodes.directory import Refused
from handlers.broker.nodes.names import node_name
from reactor import symbol

PAIRED = symbol("paired")


class Desk:
    """The desk of one broker."""

    def __init__(self, broker: BrokerView, actions: Actions) -> None:
        self.broker = broker
        self._operations = Operations(actions)
        self._http_operations = HttpOperations(actions)

    def requests(self, link: Any) -> RequestLink:
        """The handler of a sender that attaches to a management node. Refused."""
        address = self._answer(link, link.remote_target.address)
        link.max_message_size = MOST_REQUEST
        if address == pair.ADDRESS:
            return pair.PairLink(self.broker, link, self._http_operations)
        return node.ManagementLink(self.broker, link, self._operations)

    def answers(self, link: Any) -> AnswerLink:
        """The handler of a receiver that attaches to a management node. Refused."""
        return AnswerLink(self.broker, link, self._answer(link, link.remote_source.address))

    def _answer(self, link: Any, address: str) -> str:
        name = node_name(address)
        if name == pair.ADDRESS:
            if not (link.remote_properties or {}).get(PAIRED):
                text = f"{name} is for link pairs: a sender and a receiver, each with the property paired=true"
                raise Refused("amqp:precondition-failed", text)
            link.properties = {PAIRED: True}
        link.source.address = link.remote_source.address
        link.target.address = link.remote_target.address
        return name
