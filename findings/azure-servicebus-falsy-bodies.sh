#!/usr/bin/env bash
# What most expect: a message with the body 0, False, "", [] or {} has that body: an amqp-value section with it. Every message
#   has at least one body section (part 3, 3.2).
# What happens: the AMQP engine within azure-servicebus asks `if value` where it means `if value is not None`. Such a message
#   is sent without a body section; with no property set it is sent as no bytes at all.
# Version: azure-servicebus 7.15.0. Seen: 2026-11-28.
# Why it matters: a counter that reaches 0, or a switch that is turned off, is the one message that is lost: the reader gets
#   no body, or a peer that holds to the specification refuses the message.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-servicebus==7.15.0
"$folder/venv/bin/python" - <<'PROGRAM'
from importlib.metadata import version

from azure.servicebus._pyamqp._encode import encode_payload
from azure.servicebus._transport._pyamqp_transport import PyamqpTransport
from azure.servicebus.amqp import AmqpAnnotatedMessage


def encoded(body):
    """As it goes into the transfer frames."""
    message = AmqpAnnotatedMessage(value_body=body)
    return bytes(encode_payload(bytearray(), PyamqpTransport.to_outgoing_amqp_message(message)))


print("azure-servicebus", version("azure-servicebus"))
for body in (1, True, "text", [0], 0, 0.0, False, "", [], {}):
    print(f"value_body={body!r}: {encoded(body).hex(' ') or 'no bytes'}")
    assert (encoded(body) == b"") == (not body), "it behaves otherwise now"
PROGRAM
