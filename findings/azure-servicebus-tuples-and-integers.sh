#!/usr/bin/env bash
# What most expect: a tuple travels as a list, as it does in JSON and with other libraries of AMQP; an int of Python
#   travels as a long, which has 64 bits.
# What happens: the AMQP engine within azure-servicebus takes a tuple for a descriptor and its value: its first item
#   becomes a descriptor, the second one is the value, others are dropped without a word. An int is sent in 32 bits; a
#   larger one is refused when the message is encoded, by "Value supplied for int invalid", which names no field.
# Version: azure-servicebus 7.15.0. Seen: 2026-11-28.
# Why it matters: ("temperature", 21) arrives as 21. A time in milliseconds, or an id of a database, as an application
#   property is an error at the first message that has one; as a float or as text it goes, and is another value for a
#   selector.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-servicebus==7.15.0
"$folder/venv/bin/python" - <<'PROGRAM'
from importlib.metadata import version

from azure.servicebus import ServiceBusMessage, ServiceBusMessageBatch
from azure.servicebus._pyamqp._decode import decode_payload
from azure.servicebus._pyamqp._encode import encode_payload
from azure.servicebus._transport._pyamqp_transport import PyamqpTransport
from azure.servicebus.amqp import AmqpAnnotatedMessage


def arrives(body):
    message = PyamqpTransport.to_outgoing_amqp_message(AmqpAnnotatedMessage(value_body=body))
    return decode_payload(memoryview(bytes(encode_payload(bytearray(), message)))).value


def refusal(number):
    message = ServiceBusMessage("text", application_properties={"number": number})
    try:
        ServiceBusMessageBatch(1000, amqp_transport=PyamqpTransport).add_message(message)
    except ValueError as error:
        return str(error)
    return "sent"


print("azure-servicebus", version("azure-servicebus"))
bodies = [("temperature", 21), (1, 2, 3), [(1, 2), (3, 4)]]
for body in bodies:
    print(f"{body!r} arrives as {arrives(body)!r}")
numbers = [2**31 - 1, 2**31, 1764288000000]
for number in numbers:
    print(f"application property {number}: {refusal(number)}")
assert [arrives(body) for body in bodies] == [21, 2, [2, 4]], "it behaves otherwise now"
said = ["sent", *("Value supplied for int invalid: %d" % number for number in numbers[1:])]
assert [refusal(number) for number in numbers] == said, "it behaves otherwise now"
PROGRAM
