"""Which index a queue has, by its policy.

A Queue enters when it is made.
"""

from __future__ import annotations

from handlers.broker.nodes.groups import GroupIndex
from handlers.broker.nodes.index import Index, by_place
from handlers.broker.nodes.policy import Policy
from handlers.broker.nodes.ranking import RankedIndex, by_priority


def index_of(policy: Policy) -> Index:
    """The index that a queue of this policy needs."""
    if policy.groups:
        return GroupIndex(by_priority if policy.priority else by_place)
    return RankedIndex() if policy.priority else Index()
