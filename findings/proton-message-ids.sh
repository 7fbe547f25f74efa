#!/usr/bin/env bash
# What most expect: an id that is of none of the four types of a message-id [3.2.4], such as a timestamp from time.time()
#   or a tuple as a key, is refused when it is set or when the message is encoded, as an id below 0 is.
# What happens: python-qpid-proton sends the message without a message-id and without a correlation-id, and says nothing.
#   A bool is sent as 1 or 0.
# Version: python-qpid-proton 0.40.0. Seen: 2026-11-29.
# Why it matters: the response has no correlation-id, and the client waits for ever; a broker that drops duplicates by id
#   drops none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-qpid-proton==0.40.0
"$folder/venv/bin/python" - <<'PROGRAM'
import proton


def arrives(value):
    """The two ids of a message that was given this value for both, on the other side."""
    message, other = proton.Message(body="a request"), proton.Message()
    message.id = message.correlation_id = value
    other.decode(message.encode())
    return other.id, other.correlation_id


VALUES = 7, "seven", 1764374400.5, (1, 2), True
seen = [arrives(value) for value in VALUES]
print("python-qpid-proton", ".".join(map(str, proton.VERSION)))
for value, ids in zip(VALUES, seen):
    print(f"{value!r} arrives as {ids[0]!r}, as a correlation-id {ids[1]!r}")
assert seen == [(7, 7), ("seven", "seven"), (None, None), (None, None), (1, 1)], "it behaves otherwise now"
try:
    arrives(-1)
except OverflowError as error:
    print("-1: OverflowError:", error)
else:
    raise SystemExit("it behaves otherwise now: -1 is sent")
PROGRAM
