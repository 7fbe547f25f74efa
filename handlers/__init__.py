"""Handlers: the classes of `proton.handlers`. Applications subclass MessagingHandler.

A list of re-exports and nothing else: each name is explained where it is defined.
"""

from handlers.endpoint import EndpointStateHandler
from handlers.flow import FlowController
from handlers.handshaker import Handshaker
from handlers.incoming import IncomingMessageHandler
from handlers.messaging import MessagingHandler
from handlers.outgoing import OutgoingMessageHandler
from handlers.transaction import TransactionalClientHandler, TransactionHandler
from reactor.errors import Reject, Release

__all__ = [
    "EndpointStateHandler",
    "FlowController",
    "Handshaker",
    "IncomingMessageHandler",
    "MessagingHandler",
    "OutgoingMessageHandler",
    "Reject",
    "Release",
    "TransactionalClientHandler",
    "TransactionHandler",
]
