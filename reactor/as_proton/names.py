"""The names of each module of python-qpid-proton 0.40 that are found here: data, and nothing else.

The public modules have the names of their `__all__` and those that the next release adds. The private ones,
which programs import all the same, have the names that are defined in them there.
"""

from __future__ import annotations

#: Constants of the package that the original has.
CONSTANTS = {"API_LANGUAGE": "C", "IMPLEMENTATION_LANGUAGE": "Python"}

PUBLIC = {
    "proton": """
        UNDESCRIBED AnnotationDict Array Collector Condition Connection ConnectionException Data DataException Delivery
        Disposition Described Endpoint Event EventType Handler Link LinkException Message MessageException PropertyDict
        ProtonException Receiver SASL Sender Session SessionException SSL SSLDomain SSLSessionDetails SSLUnavailable
        SSLException SymbolList Terminus Timeout Interrupt Transport TransportException Url char symbol timestamp ulong
        byte short int32 ubyte ushort uint float32 decimal32 decimal64 decimal128 VERSION VERSION_MAJOR VERSION_MINOR
        VERSION_POINT CustomDisposition DeclaredDisposition DispositionType ModifiedDisposition ReceivedDisposition
        RejectedDisposition TransactionalDisposition
    """,
    "proton.handlers": """
        MessagingHandler IncomingMessageHandler OutgoingMessageHandler EndpointStateHandler TransactionHandler
        TransactionalClientHandler Reject Release Handshaker FlowController IOHandler PythonIO
    """,
    "proton.reactor": """
        Container ApplicationEvent EventInjector Handler LinkOption ReceiverOption SenderOption AtLeastOnce AtMostOnce
        DynamicNodeProperties Filter Selector DurableSubscription Copy Move Backoff Transaction Urls
    """,
    "proton.utils": """
        BlockingConnection BlockingSender BlockingReceiver SyncRequestResponse SendException LinkDetached
        ConnectionClosed
    """,
}

PRIVATE = {
    "proton._condition": "Condition",
    "proton._data": """
        ulong timestamp symbol char byte short int32 ubyte ushort uint float32 decimal32 decimal64 decimal128 Described
        Array PropertyDict AnnotationDict SymbolList Data UNDESCRIBED
    """,
    "proton._delivery": """
        Delivery Disposition DispositionType CustomDisposition DeclaredDisposition ModifiedDisposition
        ReceivedDisposition RejectedDisposition TransactionalDisposition
    """,
    "proton._endpoints": "Endpoint Connection Session Link Sender Receiver Terminus",
    "proton._events": "Collector EventType EventBase Event Handler",
    "proton._exceptions": """
        ProtonException Timeout Interrupt MessageException DataException TransportException SSLException
        SSLUnavailable ConnectionException SessionException LinkException
    """,
    "proton._handler": "Handler",
    "proton._handlers": """
        OutgoingMessageHandler Reject Release Acking IncomingMessageHandler EndpointStateHandler MessagingHandler
        TransactionHandler TransactionalClientHandler FlowController Handshaker IOHandler PythonIO
    """,
    "proton._message": "Message",
    "proton._reactor": """
        Urls Reactor Task EventInjector ApplicationEvent Transaction LinkOption AtMostOnce AtLeastOnce SenderOption
        ReceiverOption DynamicNodeProperties Filter Selector DurableSubscription Move Copy Acceptor Backoff Container
        Handler
    """,
    "proton._selectable": "Selectable",
    "proton._transport": "Transport SASLException SASL SSLDomain SSL SSLSessionDetails SSLUnavailable SSLException",
    "proton._url": "Url",
    "proton._utils": """
        SendException BlockingSender BlockingReceiver LinkDetached ConnectionClosed BlockingConnection
        SyncRequestResponse
    """,
}

#: Modules that are made when they are imported: see spans.py.
LATER = {
    "proton.tracing": "get_tracer init_tracer",
    "proton._tracing": "get_tracer init_tracer IncomingMessageHandler OutgoingMessageHandler Sender",
}

#: Modules that are not here, and the answer to a program that imports one.
NOT_HERE = {
    "cproton": "the C library's names are not here: use those of proton, proton.reactor and proton.handlers, which"
    " lead to amqp-reactor",
}
NOT_HERE["cproton_ffi"] = NOT_HERE["_cproton"] = NOT_HERE["cproton"]
