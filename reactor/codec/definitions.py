"""The specification as data: every composite type of AMQP 1.0, once.

Open to every module; nothing here acts. `performatives` writes and checks frames by these tables, the trace
prints field names from them, and a test holds them against the specification's own XML. Field names and types
are spelled as there; `RESTRICTED` has the source of each restricted type.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional


class Field:
    """One field of a composite: its name, its type and its attributes in the specification."""

    __slots__ = ("name", "type", "mandatory", "multiple", "default", "requires")

    def __init__(
        self,
        name: str,
        type: str,
        mandatory: bool = False,
        multiple: bool = False,
        default: Any = None,
        requires: Optional[str] = None,
    ) -> None:
        self.name = name
        self.type = type
        self.mandatory = mandatory
        self.multiple = multiple
        self.default = default
        self.requires = requires

    @property
    def primitive(self) -> str:
        """The primitive type, or composite, that this field is written as; ``"*"`` means any."""
        kind = self.type
        while kind in RESTRICTED:
            kind = RESTRICTED[kind]
        return kind


class Composite:
    """A composite type: a list of fields under a descriptor, which is `code` or, rarely on the wire,
    `symbol`."""

    __slots__ = ("name", "code", "fields")

    def __init__(self, name: str, code: int, fields: tuple[Field, ...] = ()) -> None:
        self.name = name
        self.code = code
        self.fields = fields

    @property
    def symbol(self) -> str:
        return "amqp:%s:list" % self.name


class Section:
    """A section of a message that is not a composite [3.2]: one primitive under a descriptor."""

    __slots__ = ("name", "code", "type")

    def __init__(self, name: str, code: int, type: str) -> None:
        self.name = name
        self.code = code
        self.type = type

    @property
    def symbol(self) -> str:
        return "amqp:%s:%s" % (self.name, self.type)


# Transport [2.7], [2.8]
OPEN = 0x10
BEGIN = 0x11
ATTACH = 0x12
FLOW = 0x13
TRANSFER = 0x14
DISPOSITION = 0x15
DETACH = 0x16
END = 0x17
CLOSE = 0x18
ERROR = 0x1D
# Delivery states [3.4]
RECEIVED = 0x23
ACCEPTED = 0x24
REJECTED = 0x25
RELEASED = 0x26
MODIFIED = 0x27
# Termini and the lifetimes of dynamic nodes [3.5]
SOURCE = 0x28
TARGET = 0x29
DELETE_ON_CLOSE = 0x2B
DELETE_ON_NO_LINKS = 0x2C
DELETE_ON_NO_MESSAGES = 0x2D
DELETE_ON_NO_LINKS_OR_MESSAGES = 0x2E
# Transactions [4.5]
COORDINATOR = 0x30
DECLARE = 0x31
DISCHARGE = 0x32
DECLARED = 0x33
TRANSACTIONAL_STATE = 0x34
# SASL [5.3.3]
SASL_MECHANISMS = 0x40
SASL_INIT = 0x41
SASL_CHALLENGE = 0x42
SASL_RESPONSE = 0x43
SASL_OUTCOME = 0x44
# Sections of a message [3.2]
HEADER = 0x70
DELIVERY_ANNOTATIONS = 0x71
MESSAGE_ANNOTATIONS = 0x72
PROPERTIES = 0x73
APPLICATION_PROPERTIES = 0x74
DATA = 0x75
AMQP_SEQUENCE = 0x76
AMQP_VALUE = 0x77
FOOTER = 0x78

#: Restricted types, and the type that each restricts.
RESTRICTED = {
    "role": "boolean",
    "sender-settle-mode": "ubyte",
    "receiver-settle-mode": "ubyte",
    "handle": "uint",
    "seconds": "uint",
    "milliseconds": "uint",
    "delivery-tag": "binary",
    "delivery-number": "sequence-no",
    "transfer-number": "sequence-no",
    "sequence-no": "uint",
    "message-format": "uint",
    "ietf-language-tag": "symbol",
    "fields": "map",
    "annotations": "map",
    "filter-set": "map",
    "node-properties": "fields",
    "terminus-durability": "uint",
    "terminus-expiry-policy": "symbol",
    "sasl-code": "ubyte",
}

_CAPABILITIES = (
    Field("offered-capabilities", "symbol", multiple=True),
    Field("desired-capabilities", "symbol", multiple=True),
    Field("properties", "fields"),
)

_TERMINUS = (
    Field("address", "*", requires="address"),
    Field("durable", "terminus-durability", default=0),
    Field("expiry-policy", "terminus-expiry-policy", default="session-end"),
    Field("timeout", "seconds", default=0),
    Field("dynamic", "boolean", default=False),
    Field("dynamic-node-properties", "node-properties"),
)

#: Every composite type, in the order of the specification.
COMPOSITES = (
    Composite("open", OPEN, (
        Field("container-id", "string", mandatory=True),
        Field("hostname", "string"),
        Field("max-frame-size", "uint", default=4294967295),
        Field("channel-max", "ushort", default=65535),
        Field("idle-time-out", "milliseconds"),
        Field("outgoing-locales", "ietf-language-tag", multiple=True),
        Field("incoming-locales", "ietf-language-tag", multiple=True),
        *_CAPABILITIES,
    )),
    Composite("begin", BEGIN, (
        Field("remote-channel", "ushort"),
        Field("next-outgoing-id", "transfer-number", mandatory=True),
        Field("incoming-window", "uint", mandatory=True),
        Field("outgoing-window", "uint", mandatory=True),
        Field("handle-max", "handle", default=4294967295),
        *_CAPABILITIES,
    )),
    Composite("attach", ATTACH, (
        Field("name", "string", mandatory=True),
        Field("handle", "handle", mandatory=True),
        Field("role", "role", mandatory=True),
        Field("snd-settle-mode", "sender-settle-mode", default=2),
        Field("rcv-settle-mode", "receiver-settle-mode", default=0),
        Field("source", "*", requires="source"),
        Field("target", "*", requires="target"),
        Field("unsettled", "map"),
        Field("incomplete-unsettled", "boolean", default=False),
        Field("initial-delivery-count", "sequence-no"),
        Field("max-message-size", "ulong"),
        *_CAPABILITIES,
    )),
    Composite("flow", FLOW, (
        Field("next-incoming-id", "transfer-number"),
        Field("incoming-window", "uint", mandatory=True),
        Field("next-outgoing-id", "transfer-number", mandatory=True),
        Field("outgoing-window", "uint", mandatory=True),
        Field("handle", "handle"),
        Field("delivery-count", "sequence-no"),
        Field("link-credit", "uint"),
        Field("available", "uint"),
        Field("drain", "boolean", default=False),
        Field("echo", "boolean", default=False),
        Field("properties", "fields"),
    )),
    Composite("transfer", TRANSFER, (
        Field("handle", "handle", mandatory=True),
        Field("delivery-id", "delivery-number"),
        Field("delivery-tag", "delivery-tag"),
        Field("message-format", "message-format"),
        Field("settled", "boolean"),
        Field("more", "boolean", default=False),
        Field("rcv-settle-mode", "receiver-settle-mode"),
        Field("state", "*", requires="delivery-state"),
        Field("resume", "boolean", default=False),
        Field("aborted", "boolean", default=False),
        Field("batchable", "boolean", default=False),
    )),
    Composite("disposition", DISPOSITION, (
        Field("role", "role", mandatory=True),
        Field("first", "delivery-number", mandatory=True),
        Field("last", "delivery-number"),
        Field("settled", "boolean", default=False),
        Field("state", "*", requires="delivery-state"),
        Field("batchable", "boolean", default=False),
    )),
    Composite("detach", DETACH, (
        Field("handle", "handle", mandatory=True),
        Field("closed", "boolean", default=False),
        Field("error", "error"),
    )),
    Composite("end", END, (
        Field("error", "error"),
    )),
    Composite("close", CLOSE, (
        Field("error", "error"),
    )),
    Composite("error", ERROR, (
        Field("condition", "symbol", mandatory=True, requires="error-condition"),
        Field("description", "string"),
        Field("info", "fields"),
    )),
    Composite("header", HEADER, (
        Field("durable", "boolean"),
        Field("priority", "ubyte"),
        Field("ttl", "milliseconds"),
        Field("first-acquirer", "boolean"),
        Field("delivery-count", "uint"),
    )),
    Composite("properties", PROPERTIES, (
        Field("message-id", "*", requires="message-id"),
        Field("user-id", "binary"),
        Field("to", "*", requires="address"),
        Field("subject", "string"),
        Field("reply-to", "*", requires="address"),
        Field("correlation-id", "*", requires="message-id"),
        Field("content-type", "symbol"),
        Field("content-encoding", "symbol"),
        Field("absolute-expiry-time", "timestamp"),
        Field("creation-time", "timestamp"),
        Field("group-id", "string"),
        Field("group-sequence", "sequence-no"),
        Field("reply-to-group-id", "string"),
    )),
    Composite("received", RECEIVED, (
        Field("section-number", "uint", mandatory=True),
        Field("section-offset", "ulong", mandatory=True),
    )),
    Composite("accepted", ACCEPTED),
    Composite("rejected", REJECTED, (
        Field("error", "error"),
    )),
    Composite("released", RELEASED),
    Composite("modified", MODIFIED, (
        Field("delivery-failed", "boolean"),
        Field("undeliverable-here", "boolean"),
        Field("message-annotations", "fields"),
    )),
    Composite("source", SOURCE, (
        *_TERMINUS,
        Field("distribution-mode", "symbol", requires="distribution-mode"),
        Field("filter", "filter-set"),
        Field("default-outcome", "*", requires="outcome"),
        Field("outcomes", "symbol", multiple=True),
        Field("capabilities", "symbol", multiple=True),
    )),
    Composite("target", TARGET, (
        *_TERMINUS,
        Field("capabilities", "symbol", multiple=True),
    )),
    Composite("delete-on-close", DELETE_ON_CLOSE),
    Composite("delete-on-no-links", DELETE_ON_NO_LINKS),
    Composite("delete-on-no-messages", DELETE_ON_NO_MESSAGES),
    Composite("delete-on-no-links-or-messages", DELETE_ON_NO_LINKS_OR_MESSAGES),
    Composite("coordinator", COORDINATOR, (
        Field("capabilities", "symbol", multiple=True, requires="txn-capability"),
    )),
    Composite("declare", DECLARE, (
        Field("global-id", "*", requires="global-tx-id"),
    )),
    Composite("discharge", DISCHARGE, (
        Field("txn-id", "*", mandatory=True, requires="txn-id"),
        Field("fail", "boolean"),
    )),
    Composite("declared", DECLARED, (
        Field("txn-id", "*", mandatory=True, requires="txn-id"),
    )),
    Composite("transactional-state", TRANSACTIONAL_STATE, (
        Field("txn-id", "*", mandatory=True, requires="txn-id"),
        Field("outcome", "*", requires="outcome"),
    )),
    Composite("sasl-mechanisms", SASL_MECHANISMS, (
        Field("sasl-server-mechanisms", "symbol", mandatory=True, multiple=True),
    )),
    Composite("sasl-init", SASL_INIT, (
        Field("mechanism", "symbol", mandatory=True),
        Field("initial-response", "binary"),
        Field("hostname", "string"),
    )),
    Composite("sasl-challenge", SASL_CHALLENGE, (
        Field("challenge", "binary", mandatory=True),
    )),
    Composite("sasl-response", SASL_RESPONSE, (
        Field("response", "binary", mandatory=True),
    )),
    Composite("sasl-outcome", SASL_OUTCOME, (
        Field("code", "sasl-code", mandatory=True),
        Field("additional-data", "binary"),
    )),
)

#: The sections of a message that are not composites.
SECTIONS = (
    Section("delivery-annotations", DELIVERY_ANNOTATIONS, "map"),
    Section("message-annotations", MESSAGE_ANNOTATIONS, "map"),
    Section("application-properties", APPLICATION_PROPERTIES, "map"),
    Section("data", DATA, "binary"),
    Section("amqp-sequence", AMQP_SEQUENCE, "list"),
    Section("amqp-value", AMQP_VALUE, "*"),
    Section("footer", FOOTER, "map"),
)

BY_CODE: dict[int, Composite] = {composite.code: composite for composite in COMPOSITES}
BY_NAME: dict[str, Composite] = {composite.name: composite for composite in COMPOSITES}
#: A descriptor may be written as this symbol instead of its number [1.3].
CODE_OF_SYMBOL: dict[str, int] = {
    **{composite.symbol: composite.code for composite in COMPOSITES},
    **{section.symbol: section.code for section in SECTIONS},
}

#: The composites that may stand in a described field. Delivery states are open to extension [2.6.12],
#: so they are not listed here.
ARCHETYPES: dict[str, frozenset[int]] = {
    "source": frozenset({SOURCE}),
    "target": frozenset({TARGET, COORDINATOR}),
    "error": frozenset({ERROR}),
}
