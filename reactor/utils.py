"""The blocking API under the names of the original's `proton.utils`, and the sessions that go beyond it."""

from __future__ import annotations

from reactor.blocking.connection import BlockingConnection
from reactor.blocking.received import ReceivedMessage
from reactor.blocking.receiver import BlockingReceiver
from reactor.blocking.requests import SyncRequestResponse
from reactor.blocking.sender import BlockingSender, Tracker
from reactor.blocking.session import BlockingSession
from reactor.errors import (
    AddressError,
    AssertionFailed,
    ConnectionClosed,
    Empty,
    InvalidOption,
    LinkDetached,
    MalformedAddress,
    NotFound,
    SendException,
    Timeout,
)

__all__ = [
    "AddressError",
    "AssertionFailed",
    "BlockingConnection",
    "BlockingReceiver",
    "BlockingSender",
    "BlockingSession",
    "ConnectionClosed",
    "Empty",
    "InvalidOption",
    "LinkDetached",
    "MalformedAddress",
    "NotFound",
    "ReceivedMessage",
    "SendException",
    "SyncRequestResponse",
    "Timeout",
    "Tracker",
]
