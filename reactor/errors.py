"""The exception tree and the condition symbols of AMQP.

Floor 0: open to every module. A condition is a plain string here, because the type
`symbol` lives one floor up; it compares equal to the symbol that a peer sends.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING
from reactor.shown import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Optional

# -- amqp-error [2.8.15] ---------------------------------------------------------------------------------
INTERNAL_ERROR = "amqp:internal-error"
NOT_FOUND = "amqp:not-found"
UNAUTHORIZED_ACCESS = "amqp:unauthorized-access"
DECODE_ERROR = "amqp:decode-error"
RESOURCE_LIMIT_EXCEEDED = "amqp:resource-limit-exceeded"
NOT_ALLOWED = "amqp:not-allowed"
INVALID_FIELD = "amqp:invalid-field"
NOT_IMPLEMENTED = "amqp:not-implemented"
RESOURCE_LOCKED = "amqp:resource-locked"
PRECONDITION_FAILED = "amqp:precondition-failed"
RESOURCE_DELETED = "amqp:resource-deleted"
ILLEGAL_STATE = "amqp:illegal-state"
FRAME_SIZE_TOO_SMALL = "amqp:frame-size-too-small"

# -- connection-error [2.8.16] ---------------------------------------------------------------------------
CONNECTION_FORCED = "amqp:connection:forced"
FRAMING_ERROR = "amqp:connection:framing-error"
CONNECTION_REDIRECT = "amqp:connection:redirect"

# -- session-error [2.8.17] ------------------------------------------------------------------------------
WINDOW_VIOLATION = "amqp:session:window-violation"
ERRANT_LINK = "amqp:session:errant-link"
HANDLE_IN_USE = "amqp:session:handle-in-use"
UNATTACHED_HANDLE = "amqp:session:unattached-handle"

# -- link-error [2.8.18] ---------------------------------------------------------------------------------
DETACH_FORCED = "amqp:link:detach-forced"
TRANSFER_LIMIT_EXCEEDED = "amqp:link:transfer-limit-exceeded"
MESSAGE_SIZE_EXCEEDED = "amqp:link:message-size-exceeded"
LINK_REDIRECT = "amqp:link:redirect"
STOLEN = "amqp:link:stolen"

# -- transaction-error [4.5.8] ---------------------------------------------------------------------------
UNKNOWN_ID = "amqp:transaction:unknown-id"
TRANSACTION_ROLLBACK = "amqp:transaction:rollback"
TRANSACTION_TIMEOUT = "amqp:transaction:timeout"

# Not of the specification: the condition for a peer without TLS where TLS is required, as the original names it.
POLICY_ERROR = "amqp:connection:policy-error"

# Not of the specification: the condition of a transport after its network failed, under the name that programs for
# the original look for.
IO_ERROR = "proton.pythonio"
# Nor this: something did not happen within the time that was given to it.
TIMED_OUT = "amqp-reactor:timed-out"
# Nor this: an endpoint has ended, and no reason was given.
ENDED = "amqp-reactor:ended"

#: The peer had attached a link with ExactlyOnce() before, and does not know its deliveries any more.
FORGOTTEN = "amqp-reactor:forgotten"
# Nor this: an application does not want a message, for reasons of its own.
REJECTED_BY_APPLICATION = "amqp-reactor:rejected"


class ReactorException(Exception):
    """The root of every exception that this library raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles have the text as it is: the `__init__` of some would make a longer one of it."""
        return _again, (type(self), self.args), vars(self)


def _again(kind: type[ReactorException], args: tuple[Any, ...]) -> ReactorException:
    """The exception that `__reduce__` took apart."""
    return kind.__new__(kind, *args)


ProtonException = ReactorException  #: the name that programs written for the original know it by


class Timeout(ReactorException, TimeoutError):
    """Something did not happen within the time that was given to it."""


class Empty(Timeout):
    """A receiver has no message, nor has the peer one for it."""


class Interrupt(ReactorException):
    """A blocking call was interrupted from outside."""


class MessageException(ReactorException):
    """A message cannot be encoded or decoded; the text names the field or the section."""


class DataException(ReactorException):
    """A value cannot be written as, or read as, an AMQP type."""


class ProtocolError(ReactorException):
    """The protocol was broken: by the peer, or by the program at its own call.

    condition: the AMQP condition symbol, such as ``amqp:decode-error``.
    description: the event, for a person.
    scope: the endpoint that ends because of it: ``"connection"``, ``"session"`` or ``"link"``.
    info: further facts for the wire, a dict with symbol keys, or None.
    endpoint: the connection, session or link that it is about, where the place that raises it knows.
    """

    def __init__(
        self,
        condition: str,
        description: str = "",
        scope: str = "connection",
        info: Optional[Mapping[str, object]] = None,
        endpoint: Optional[object] = None,
    ) -> None:
        super().__init__("%s: %s" % (condition, description) if description else condition)
        self.condition = condition
        self.description = description
        self.scope = scope
        self.info = info
        self.endpoint = endpoint


class LocalProtocolError(ProtocolError):
    """You called it at the wrong time. Raised at your call; nothing was written to the peer."""


class RemoteProtocolError(ProtocolError):
    """The peer erred. The engine answers it with close, end or detach, by `scope`."""


class DecodeError(MessageException, RemoteProtocolError):
    """Bytes of a message that do not decode; caught as MessageException or as RemoteProtocolError."""

    def __init__(self, description: str) -> None:
        RemoteProtocolError.__init__(self, DECODE_ERROR, description, "link")


class TransportException(ReactorException):
    """The transport cannot do this."""


class SSLException(TransportException):
    """TLS failed, or was used wrongly."""


class SSLUnavailable(SSLException):
    """Never raised: TLS is always there. For programs that catch it because with the original it may not be."""


class SASLException(TransportException):
    """The SASL layer was used wrongly."""


class ConnectionException(ReactorException):
    """A connection cannot do this."""


class ConnectionClosed(ConnectionException):
    """The connection was closed by the peer; `.connection` is the connection."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.condition = connection.remote_condition and connection.remote_condition.name
        super().__init__("Connection %s closed%s" % (shown(connection.hostname or ""), _because(connection)))


class SessionException(ReactorException):
    """A session cannot do this."""


class LinkException(ReactorException):
    """A link cannot do this."""


class LinkDetached(LinkException):
    """The peer detached the link; `.link` is the link, `.condition` the condition's name or None."""

    def __init__(self, link: Any) -> None:
        self.link = link
        self.condition = link.remote_condition and link.remote_condition.name
        kind, end = ("sender to ", link.target) if link.is_sender else ("receiver from ", link.source)
        super().__init__("%s%s detached%s" % (kind, shown(end.address), _because(link)))


class NotFound(LinkDetached):
    """The peer has no such node."""


class AddressError(LinkException):
    """An address with options, as in qpid.messaging, is of no use."""


class MalformedAddress(AddressError, ValueError):
    """It cannot be read."""


class InvalidOption(AddressError, ValueError):
    """It has an option that is unknown, or has another kind of value, or is not offered."""


class AssertionFailed(AddressError):
    """The node is not as its ``assert`` says."""


class SendException(ReactorException):
    """A message was not accepted; `.state` is the outcome, `.condition` the name of the reason given with it, or None.

    reason: that condition as a text, with its description.
    """

    def __init__(self, state: Any, condition: Optional[str] = None, reason: Optional[str] = None) -> None:
        text = "The message ended as %s" % (getattr(state, "name", state),)
        super().__init__("%s: %s" % (text, reason or condition) if condition else text)
        self.state = state
        self.condition = condition


class Reject(ReactorException):
    """Raise it in on_message: the message is REJECTED, because no receiver can process it.

    `Reject("no such order")` sends this text, as the description of ``amqp-reactor:rejected``; `Reject(condition)`
    sends a Condition of one's own; `Reject()` sends no error.
    """


class Release(ReactorException):
    """Raise it in on_message: the message is MODIFIED with delivery-failed, so that it comes again."""


class UnsettledError(ReactorException):
    """A store of unsettled deliveries cannot be opened, read or written."""


class TransactionException(ReactorException):
    """A transaction cannot do this."""


class TransactionRolledBack(TransactionException):
    """The transaction was rolled back; its sends and outcomes did not happen.

    in_doubt: whether that is not known: the connection was lost while a commit was under way, and the peer may have
        done it (False).
    """

    in_doubt = False


def _because(endpoint: Any) -> str:
    """The peer's reason, ready to be appended to a sentence."""
    condition = endpoint.remote_condition
    if condition is None:
        return " by peer"
    return " due to: %s" % condition.text
