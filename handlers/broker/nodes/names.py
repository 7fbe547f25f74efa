"""Addresses of nodes in their forms, and the names that they mean.

The directory enters, which finds nodes by their names, and policies, which have addresses in them.
"""

from __future__ import annotations

from urllib.parse import unquote

LONGEST_NAME = 1024
"""Characters of an address. Names are kept for as long as their nodes, and a frame has room for long ones."""

LONGEST_ADDRESS = 32 * LONGEST_NAME
"""Characters of an address in any of its forms: percent-encoded, each of its name takes up to twelve. A message may
have a longer one in `to`, and to look for a name in it would cost the time of all others."""

QUEUES, EXCHANGES = "/queues/", "/exchanges/"
"""How addresses begin in RabbitMQ 4's form (v2) [rabbitmq.com/docs/amqp#address-v2]."""

RESERVED = frozenset({"$management", "/management"})
"""Addresses of the broker itself. They are no nodes, and none is made of these names."""


def node_name(address: str) -> str:
    """The name of a node: its address; of a whole URL, which some clients send, the path; in RabbitMQ 4's form, as
    `/queues/NAME`, the name, which is percent-encoded there."""
    if address.startswith(QUEUES):
        return unquote(address[len(QUEUES) :])
    scheme, mark, rest = address.partition("://")
    if mark and scheme in ("amqp", "amqps"):
        return rest.partition("/")[2] or address
    return address
