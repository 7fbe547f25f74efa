"""AMQP on an event loop of asyncio: handlers with methods that may be coroutines, and calls that are awaited.

A list of re-exports and nothing else: each name is explained where it is defined.
"""

from reactor.aio.connection import AsyncConnection, connect
from reactor.aio.container import AsyncContainer
from reactor.aio.opening import Opening
from reactor.aio.received import ReceivedMessage
from reactor.aio.receiver import AsyncReceiver
from reactor.aio.requests import AsyncRequests
from reactor.aio.sender import AsyncSender
from reactor.aio.session import AsyncSession
from reactor.aio.transactions import TransactionBlock

__all__ = [
    "AsyncConnection",
    "AsyncContainer",
    "AsyncReceiver",
    "AsyncRequests",
    "AsyncSender",
    "AsyncSession",
    "Opening",
    "ReceivedMessage",
    "TransactionBlock",
    "connect",
]
