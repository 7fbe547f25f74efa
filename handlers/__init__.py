"""Handlers: the classes of `proton.handlers`. Applications subclass MessagingHandler.

A list of re-exports and nothing else: each name is explained where it is defined.
"""

from reactor.errors import Reject, Release

from .duplicates import DuplicateFilter
from .endpoint import EndpointStateHandler
from .flow import FlowController
from .handshaker import Handshaker
from .incoming import IncomingMessageHandler
from .messaging import MessagingHandler
from .outgoing import OutgoingMessageHandler
from .publisher import Publisher
from .transaction import TransactionalClientHandler, TransactionHandler

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
