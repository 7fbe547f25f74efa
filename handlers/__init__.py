"""Handlers: the classes of `proton.handlers`. Applications subclass MessagingHandler.

A list of re-exports and nothing else: each name is explained where it is defined.
"""

from reactor.errors import Reject, Release
from reactor.lazily import TYPE_CHECKING, members, names_of

from .endpoint import EndpointStateHandler
from .flow import FlowController
from .incoming import IncomingMessageHandler
from .messaging import MessagingHandler
from .outgoing import OutgoingMessageHandler

if TYPE_CHECKING:
    from .duplicates import DuplicateFilter
    from .handshaker import Handshaker
    from .publisher import Publisher
    from .transaction import TransactionalClientHandler, TransactionHandler
else:  # few programs need these: each is imported when it is asked for
    __getattr__ = members(
        __name__,
        DuplicateFilter=__name__ + ".duplicates",
        Handshaker=__name__ + ".handshaker",
        Publisher=__name__ + ".publisher",
        TransactionalClientHandler=__name__ + ".transaction",
        TransactionHandler=__name__ + ".transaction",
    )
    __dir__ = names_of(__name__)

__all__ = [
    "DuplicateFilter",
    "EndpointStateHandler",
    "FlowController",
    "Handshaker",
    "IncomingMessageHandler",
    "MessagingHandler",
    "OutgoingMessageHandler",
    "Publisher",
    "Reject",
    "Release",
    "TransactionalClientHandler",
    "TransactionHandler",
]
