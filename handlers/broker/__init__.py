"""An AMQP 1.0 broker in one process: an application like any other, on the public names of the library.

`python -m handlers.broker` runs it as a program; `EmbeddedBroker` runs it in this process; `Broker` is the
handler for programs that run a container of their own; `Policy` has the settings of a queue.
"""

from handlers.broker.broker import Broker
from handlers.broker.embedded import EmbeddedBroker
from handlers.broker.nodes.policy import Policy
from handlers.broker.nodes.statistics import BrokerStatistics, NodeStatistics

__all__ = ["Broker", "BrokerStatistics", "EmbeddedBroker", "NodeStatistics", "Policy"]
