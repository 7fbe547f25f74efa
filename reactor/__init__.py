"""AMQP 1.0 with nothing but the standard library: the names of `proton` and `proton.reactor`, in one place.

A list of re-exports and nothing else: what a name means is said where it is defined.
"""

from reactor.codec.dicts import AnnotationDict, PropertyDict, SymbolList
from reactor.codec.message import Message
from reactor.codec.types import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
    Pairs,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    long,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)
from reactor.container.acceptor import Acceptor
from reactor.container.container import Container
from reactor.container.draining import Leftover
from reactor.container.reconnect.backoff import Backoff
from reactor.container.settings.options import (
    AtLeastOnce,
    AtMostOnce,
    AutoAccept,
    Copy,
    DurableSubscription,
    DynamicNodeProperties,
    Filter,
    LinkOption,
    MaxUnsettled,
    Move,
    Prefetch,
    ReceiverOption,
    Resend,
    Selector,
    SenderOption,
)
from reactor.container.sources.injector import ApplicationEvent, EventInjector
from reactor.container.turns import Task
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.connection import Connection
from reactor.engine.endpoints.delivery import Delivery
from reactor.engine.endpoints.disposition import (
    ACCEPTED,
    MODIFIED,
    RECEIVED,
    REJECTED,
    RELEASED,
    CustomDisposition,
    DeclaredDisposition,
    Disposition,
    DispositionType,
    ModifiedDisposition,
    ReceivedDisposition,
    RejectedDisposition,
    TransactionalDisposition,
)
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.endpoints.link import Link
from reactor.engine.endpoints.receiver import Receiver
from reactor.engine.endpoints.sender import Sender
from reactor.engine.endpoints.session import Session
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import Collector, Event, EventBase, EventType
from reactor.engine.handler import Handler
from reactor.engine.limits import Limits
from reactor.engine.sasl.credentials import ScramSecret
from reactor.engine.sasl.layer import SASL
from reactor.engine.tls.domain import SSLDomain, SSLSessionDetails
from reactor.engine.tls.ssl import SSL
from reactor.engine.wire.transport import Transport
from reactor.errors import (
    ConnectionClosed,
    ConnectionException,
    DataException,
    DecodeError,
    Interrupt,
    LinkDetached,
    LinkException,
    LocalProtocolError,
    MessageException,
    ProtocolError,
    ProtonException,
    ReactorException,
    Reject,
    Release,
    RemoteProtocolError,
    SASLException,
    SendException,
    SessionException,
    SSLException,
    SSLUnavailable,
    Timeout,
    TransactionException,
    TransactionRolledBack,
    TransportException,
)
from reactor.url import Url
from reactor.version import VERSION, VERSION_MAJOR, VERSION_MINOR, VERSION_POINT

__version__ = "0.1.0"

__all__ = [
    "ACCEPTED",
    "Acceptor",
    "AnnotationDict",
    "ApplicationEvent",
    "Array",
    "AtLeastOnce",
    "AtMostOnce",
    "AutoAccept",
    "Backoff",
    "byte",
    "char",
    "Collector",
    "Condition",
    "Connection",
    "ConnectionClosed",
    "ConnectionException",
    "Container",
    "Copy",
    "CustomDisposition",
    "Data",
    "DataException",
    "decimal128",
    "decimal32",
    "decimal64",
    "DeclaredDisposition",
    "DecodeError",
    "Delivery",
    "Described",
    "Disposition",
    "DispositionType",
    "DurableSubscription",
    "DynamicNodeProperties",
    "Endpoint",
    "Event",
    "EventBase",
    "EventInjector",
    "EventType",
    "Filter",
    "float32",
    "Handler",
    "int32",
    "Interrupt",
    "Leftover",
    "Limits",
    "Link",
    "LinkDetached",
    "LinkException",
    "LinkOption",
    "LocalProtocolError",
    "long",
    "MaxUnsettled",
    "Message",
    "MessageException",
    "MODIFIED",
    "ModifiedDisposition",
    "Move",
    "Pairs",
    "Prefetch",
    "PropertyDict",
    "ProtocolError",
    "ProtonException",
    "ReactorException",
    "RECEIVED",
    "ReceivedDisposition",
    "Receiver",
    "ReceiverOption",
    "Reject",
    "REJECTED",
    "RejectedDisposition",
    "Release",
    "RELEASED",
    "RemoteProtocolError",
    "Resend",
    "SASL",
    "SASLException",
    "ScramSecret",
    "Selector",
    "Sender",
    "SenderOption",
    "SendException",
    "Session",
    "SessionException",
    "short",
    "SSL",
    "SSLDomain",
    "SSLException",
    "SSLSessionDetails",
    "SSLUnavailable",
    "symbol",
    "SymbolList",
    "Task",
    "Terminus",
    "Timeout",
    "timestamp",
    "TransactionalDisposition",
    "TransactionException",
    "TransactionRolledBack",
    "Transport",
    "TransportException",
    "ubyte",
    "uint",
    "ulong",
    "UNDESCRIBED",
    "Url",
    "ushort",
    "VERSION",
    "VERSION_MAJOR",
    "VERSION_MINOR",
    "VERSION_POINT",
    "__version__",
]
