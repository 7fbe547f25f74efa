#!/usr/bin/env bash
# What most expect: a message that is decoded and encoded again carries what it carried: a body of two data sections is
#   one body of both [3.2.6], two sequence sections are one list [3.2.7], and the footer, where signatures are, stays.
# What happens: python-qpid-proton keeps the last data or sequence section and drops those before it without a word;
#   the footer is dropped by encode(); the bare message is written anew in other encodings of the same values.
# Version: python-qpid-proton 0.40.0. Seen: 2026-11-28.
# Why it matters: whoever passes messages on by decoding them loses a part of the body, and what a footer or a digest
#   says of the bytes of a message does not hold behind such a hop.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-qpid-proton==0.40.0
"$folder/venv/bin/python" - <<'PROGRAM'
import proton


def section(code, value):
    return bytes((0x00, 0x53, code)) + value


def again(encoded):
    message = proton.Message()
    message.decode(encoded)
    return message


HELLO = section(0x77, b"\xa1\x05hello")
two_data = again(section(0x75, b"\xa0\x05first") + section(0x75, b"\xa0\x06second"))
two_lists = again(section(0x76, b"\xc0\x03\x01\x54\x01") + section(0x76, b"\xc0\x03\x01\x54\x02"))
footed = again(HELLO + section(0x78, b"\xc1\x09\x02\xa3\x01k\xa1\x03sig")).encode()
long_five = section(0x77, b"\x80" + b"\x00" * 7 + b"\x05")

seen = {
    "body of the data sections first, second": bytes(two_data.body),
    "body of the sequence sections [1], [2]": [int(item) for item in two_lists.body],
    "a footer is in what encode() gives": b"sig" in footed,
    "a ulong 5 in eight bytes stays in eight bytes": long_five in again(long_five).encode(),
}
print("python-qpid-proton", ".".join(map(str, proton.VERSION)))
for what, value in seen.items():
    print(f"{what}: {value!r}")
assert list(seen.values()) == [b"second", [2], False, False], "it behaves otherwise now"
PROGRAM
