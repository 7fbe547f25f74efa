"""AMQP 1.0 with nothing but the standard library: the names of `proton` and `proton.reactor`, in one place.

A list of re-exports and nothing else: each name is explained where it is defined.
"""

from reactor.codec.dicts import AnnotationDict, PropertyDict, SymbolList
from reactor.codec.message import Message
from reactor.codec.types import (
    UNDESCRIBED,
    Array,
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
from reactor.container.container import Container
from reactor.container.draining import Leftover
from reactor.container.reconnect.backoff import Backoff
from reactor.container.settings.options import (
    Acknowledge,
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
from reactor.container.sources.task import Task
from reactor.engine.endpoints.condition import Condition
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
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import EventType
from reactor.engine.handler import Handler
from reactor.engine.limits import Limits
from reactor.engine.modes import AcknowledgeMode
from reactor.engine.public import (
    Connection,
    ConnectionClosed,
    Delivery,
    Link,
    LinkDetached,
    Receiver,
    Sender,
    SendException,
    Session,
    Transport,
)
from reactor.engine.sasl.layer import SASL
from reactor.engine.tls.domain import SSLDomain, SSLSessionDetails
from reactor.errors import (
    ConnectionException,
    DataException,
    DecodeError,
    Interrupt,
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
    SessionException,
    SSLException,
    SSLUnavailable,
    Timeout,
    TransactionException,
    TransactionRolledBack,
    TransportException,
    UnsettledError,
)
from reactor.explain import explain
from reactor.lazily import TYPE_CHECKING, members, names_of
from reactor.url import Url

if TYPE_CHECKING:
    from reactor import event as event
    from reactor import tracing as tracing
    from reactor import version as version
    from reactor.codec.data import Data
    from reactor.container.acceptor import Acceptor
    from reactor.container.settings.exactly_once import ExactlyOnce
    from reactor.container.settings.screens import LocalExpiry, RedeliveryPolicy
    from reactor.container.sources.injector import EventInjector
    from reactor.container.transactions.transaction import Transaction
    from reactor.container.unsettled.file import UnsettledFile
    from reactor.container.unsettled.memory import UnsettledMemory
    from reactor.engine.sasl.credentials import ScramSecret
    from reactor.engine.tls.ssl import SSL
    from reactor.environment import environment_secret, environment_url
    from reactor.event import ApplicationEvent, Collector, Event, EventBase
    from reactor.version import VERSION, VERSION_MAJOR, VERSION_MINOR, VERSION_POINT
else:  # few programs need these rooms: each is imported when it is asked for
    __getattr__ = members(
        __name__,
        Acceptor="reactor.container.acceptor",
        ApplicationEvent="reactor.container.sources.injector",
        Collector="reactor.engine.events",
        Data="reactor.codec.data",
        Event="reactor.engine.events",
        EventBase="reactor.engine.events",
        EventInjector="reactor.container.sources.injector",
        ExactlyOnce="reactor.container.settings.exactly_once",
        LocalExpiry="reactor.container.settings.screens",
        RedeliveryPolicy="reactor.container.settings.screens",
        ScramSecret="reactor.engine.sasl.credentials",
        SSL="reactor.engine.tls.ssl",
        Transaction="reactor.container.transactions.transaction",
        UnsettledFile="reactor.container.unsettled.file",
        UnsettledMemory="reactor.container.unsettled.memory",
        VERSION="reactor.version",
        VERSION_MAJOR="reactor.version",
        VERSION_MINOR="reactor.version",
        VERSION_POINT="reactor.version",
        environment_secret="reactor.environment",
        environment_url="reactor.environment",
        event="reactor.event",  # as an attribute, which programs have without an import of their own
        tracing="reactor.tracing",
        version="reactor.version",
    )
    __dir__ = names_of(__name__)

__version__ = "0.1.0"

__all__ = [
    "ACCEPTED",
    "Acceptor",
    "Acknowledge",
    "AcknowledgeMode",
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
    "environment_secret",
    "environment_url",
    "Event",
    "EventBase",
    "EventInjector",
    "EventType",
    "ExactlyOnce",
    "explain",
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
    "LocalExpiry",
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
    "RedeliveryPolicy",
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
    "Transaction",
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
    "UnsettledError",
    "UnsettledFile",
    "UnsettledMemory",
    "VERSION",
    "VERSION_MAJOR",
    "VERSION_MINOR",
    "VERSION_POINT",
    "__version__",
]
