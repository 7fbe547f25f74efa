"""The specification's own names: the section of each performative, type and part of a message, as pages cite them.

The numbers are those of AMQP 1.0 (OASIS, 29 October 2012).
"""

from __future__ import annotations

from typing import Any

from reactor.codec.definitions import COMPOSITES, RESTRICTED

#: Sections that explain composites.
SECTIONS = {
    "open": "2.7.1", "begin": "2.7.2", "attach": "2.7.3", "flow": "2.7.4", "transfer": "2.7.5", "disposition": "2.7.6",
    "detach": "2.7.7", "end": "2.7.8", "close": "2.7.9", "error": "2.8.14",
    "header": "3.2.1", "delivery-annotations": "3.2.2", "message-annotations": "3.2.3", "properties": "3.2.4",
    "application-properties": "3.2.5", "data": "3.2.6", "amqp-sequence": "3.2.7", "amqp-value": "3.2.8",
    "footer": "3.2.9",
    "received": "3.4.1", "accepted": "3.4.2", "rejected": "3.4.3", "released": "3.4.4", "modified": "3.4.5",
    "source": "3.5.3", "target": "3.5.4", "delete-on-close": "3.5.10", "delete-on-no-links": "3.5.11",
    "delete-on-no-messages": "3.5.12", "delete-on-no-links-or-messages": "3.5.13",
    "coordinator": "4.5.1", "declare": "4.5.2", "discharge": "4.5.3", "declared": "4.5.5",
    "transactional-state": "4.5.6",
    "sasl-mechanisms": "5.3.3.1", "sasl-init": "5.3.3.2", "sasl-challenge": "5.3.3.3", "sasl-response": "5.3.3.4",
    "sasl-outcome": "5.3.3.5",
}  # fmt: skip

#: Sections that explain the types of fields.
TYPES = {
    "role": "2.8.1", "sender-settle-mode": "2.8.2", "receiver-settle-mode": "2.8.3", "handle": "2.8.4",
    "seconds": "2.8.5", "milliseconds": "2.8.6", "delivery-tag": "2.8.7", "delivery-number": "2.8.8",
    "transfer-number": "2.8.9", "sequence-no": "2.8.10", "message-format": "2.8.11", "ietf-language-tag": "2.8.12",
    "fields": "2.8.13", "error": "2.8.14", "annotations": "3.2.10", "terminus-durability": "3.5.5",
    "terminus-expiry-policy": "3.5.6", "filter-set": "3.5.8", "node-properties": "3.5.9", "sasl-code": "5.3.3.6",
}  # fmt: skip

#: The use of each performative, in one sentence.
MEANINGS = {
    "empty": "A heartbeat: the peer is alive.",
    "open": "Opens the connection: the name of this container, and its limits.",
    "begin": "Begins a session, with the windows in which transfers may come.",
    "attach": "Attaches a link to the session: where messages come from, and where they go.",
    "flow": "Gives credit to the sender of a link, and room to the session.",
    "transfer": "Carries a message, or a part of one.",
    "disposition": "Gives the outcome of deliveries, or settles them.",
    "detach": "Detaches a link; closed: for good.",
    "end": "Ends the session.",
    "close": "Closes the connection.",
    "sasl-mechanisms": "Offers the ways in which a client can prove its identity.",
    "sasl-init": "Chooses one of them.",
    "sasl-challenge": "Asks for more.",
    "sasl-response": "Answers that.",
    "sasl-outcome": "Lets the client in, or not.",
}


def glossary() -> dict[str, Any]:
    """For each composite its section, its meaning and, by field, the type with its section, for the page's script."""
    found: dict[str, Any] = {name: [section, "", {}] for name, section in SECTIONS.items()}
    for composite in COMPOSITES:
        fields = {field.name: [_type(field.type, field.multiple), TYPES.get(field.type, ""), field.mandatory]
                  for field in composite.fields}  # fmt: skip
        found[composite.name] = [SECTIONS.get(composite.name, ""), MEANINGS.get(composite.name, ""), fields]
    found["empty"] = ["2.4.5", MEANINGS["empty"], {}]
    return found


def _type(name: str, multiple: bool) -> str:
    known = name if name == "*" or name not in RESTRICTED else "%s (%s)" % (name, RESTRICTED[name])
    return {"*": "any"}.get(known, known) + (", several" if multiple else "")
