#!/usr/bin/env bash
# What most expect: a client of AMQP 1.0 reads each value that the type system has (part 1, 1.6).
# What happens: the AMQP engine within azure-servicebus leaves the constructor of an array of no elements unread, and
#   takes it for the next value: what stands behind the array is read wrongly, without a word: the int 5 as bytes. A
#   char, a decimal32 and a decimal64 have no function in its table: TypeError: 'NoneType' object is not callable.
# Version: azure-servicebus 7.15.0. Seen: 2026-11-28.
# Why it matters: any other client may put these into a message, and into its annotations: the reader gets other values
#   than were sent, or an exception that names neither the field nor the type.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-servicebus==7.15.0
"$folder/venv/bin/python" - <<'PROGRAM'
from importlib.metadata import version

from azure.servicebus._pyamqp._decode import decode_payload

VALUES = {
    "a list of a list without items, and 5": b"\xc0\x04\x02\x45\x54\x05",
    "a list of an array without items, and 5": b"\xc0\x07\x02\xe0\x02\x00\xa3\x54\x05",
    "a list of that array, and the text 'x'": b"\xc0\x08\x02\xe0\x02\x00\xa1\xa1\x01x",
    "decimal128": b"\x94" + bytes(16),
    "decimal64": b"\x84" + bytes(8),
    "decimal32": b"\x74" + bytes(4),
    "char": b"\x73\x00\x00\x00a",
}


def read(value):
    """What it makes of a message whose body is this value."""
    try:
        return repr(decode_payload(memoryview(b"\x00\x53\x77" + value)).value)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


print("azure-servicebus", version("azure-servicebus"))
seen = {what: read(value) for what, value in VALUES.items()}
for what, value in seen.items():
    print(f"{what}: {value}")
readable = [seen.pop("a list of a list without items, and 5"), seen.pop("decimal128")]
assert readable == ["[[], 5]", "Decimal('0E-6176')"]
wrong = [seen.pop("a list of an array without items, and 5"), seen.pop("a list of that array, and the text 'x'")]
assert wrong == ["[[], b'\\x05']", "[[], b'\\x01x']"], "it behaves otherwise now"
assert set(seen.values()) == {"TypeError: 'NoneType' object is not callable"}, "it behaves otherwise now"
PROGRAM
