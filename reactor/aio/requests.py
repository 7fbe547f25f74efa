"""AsyncRequests: requests over a connection, each returned with its response."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Optional, TypeVar

from reactor.aio.life import check_timeout
from reactor.aio.received import ReceivedMessage
from reactor.aio.receiver import AsyncReceiver
from reactor.aio.sender import AsyncSender
from reactor.codec.message import Message
from reactor.errors import ConnectionException, DecodeError, LinkException, Timeout

Self = TypeVar("Self", bound="AsyncRequests")


class AsyncRequests:
    """Sends requests, and returns the response to each; many calls may wait. `AsyncConnection.requests` makes it.

    Each request gets `reply_to`, a dynamic address of this object, and a `correlation_id`; the response is the message
    that comes with the same one. Others are accepted and dropped.

    The address ends with the wire. Where there is another one (`reconnect`), calls that waited then raise
    ConnectionException: their responses have nowhere to go.
    """

    def __init__(self, address: Optional[str], sender: AsyncSender, receiver: AsyncReceiver) -> None:
        self._address = address
        self._sender = sender
        self._receiver = receiver
        self._number = 0
        self._calls: dict[Any, asyncio.Future[Optional[ReceivedMessage]]] = {}
        self._failure: Optional[Exception] = None  # why no response is read any more, other than by a close
        receiver.attached_again = self._moved
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @property
    def reply_to(self) -> str:
        """The address that responses come to. LinkException where the peer has made none."""
        address = self._receiver.address
        if address is None:
            raise LinkException("the peer has made no address for responses")
        return address

    async def call(self, request: Any, timeout: Optional[float] = None) -> ReceivedMessage:
        """Send `request`, a Message or the body of one, and return its response.

        timeout: seconds for all of it; None: as long as it takes. Raises Timeout; ValueError for a request without an
        address where this has none; else as `AsyncSender.send` and `AsyncReceiver.receive`.
        """
        message = request if isinstance(request, Message) else Message(request)
        if not self._address and not message.address:
            raise ValueError("the request has no address, and requests() was called without one")
        if self._reader.done():
            raise self._reason()
        loop = asyncio.get_running_loop()
        seconds = check_timeout(timeout)
        self._number += 1
        number = self._number
        message.reply_to = self.reply_to
        message.correlation_id = number
        future: asyncio.Future[Optional[ReceivedMessage]] = loop.create_future()
        self._calls[number] = future
        name = "call(): waiting for the response from %r" % (self._address or message.address)
        alarm = None if seconds is None else loop.call_later(seconds, _expire, future, name)
        try:
            await self._sender.send(message, timeout=timeout)
            response = await future
            if response is None:
                raise self._reason()
            return response
        finally:
            del self._calls[number]
            if alarm is not None:
                alarm.cancel()
            if future.done() and not future.cancelled():
                future.exception()  # that of the send came first

    async def _read(self) -> None:
        try:
            while True:
                try:
                    message = await self._receiver.__anext__()
                    await message.accept()
                    future = self._calls.get(message.correlation_id)
                except StopAsyncIteration:
                    break
                except DecodeError:
                    continue  # it is the response to no call that could be named
                if future is not None and not future.done():
                    future.set_result(message)
        except Exception as error:
            self._failure = error
        for future in self._calls.values():
            if not future.done():
                future.set_result(None)  # each has an exception of its own, which collects the places that it passes

    def _reason(self) -> Exception:
        """Why there will be no response: an exception of its own for each call."""
        try:
            self._receiver.check("call()")
        except Exception as error:
            return error
        reason = LinkException("call(): the requests are closed")
        if self._failure is not None:
            reason = LinkException("call(): responses cannot be read any more: %s" % self._failure)
            reason.__cause__ = self._failure
        return reason

    def _moved(self) -> None:
        """The receiver is attached again, over another wire. Calls of now use its new address: those that are there
        have given the old one to their peer."""
        for future in self._calls.values():
            if not future.done():
                text = "call(): the wire was lost, and the address for its response went with the wire"
                future.set_exception(ConnectionException(text))

    async def close(self) -> None:
        """Close its links. Calls that wait end with an exception. Harmless when repeated."""
        try:
            await self._sender.close()
        finally:
            await self._receiver.close()
        await asyncio.wait([self._reader])

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        await self.close()


def _expire(future: asyncio.Future[Optional[ReceivedMessage]], name: str) -> None:
    if not future.done():
        future.set_exception(Timeout("%s timed out" % name))
