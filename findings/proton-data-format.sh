#!/usr/bin/env bash
# What most expect: Data.format() gives the whole value as text, for a person, as its documentation says.
# What happens: it gives a bytearray, of which nothing is left behind the 15th byte, whatever the value is.
# Version: python-qpid-proton 0.40.0. Seen: 2026-11-28.
# Why it matters: a log that is written with it shows the beginning of each value, and two values that differ later look
#   alike. A program that joins it to a str raises TypeError.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-qpid-proton==0.40.0
"$folder/venv/bin/python" - <<'PROGRAM'
import proton
from proton import Data

print("python-qpid-proton", ".".join(map(str, proton.VERSION)))
lengths = []
for text in ("short", "a text of more than fifteen bytes", "a text of more than fifteen bytes, and another end"):
    data = Data()
    data.put_string(text)
    shown = data.format()
    lengths.append(len(shown))
    print(f"{text!r} is shown as {shown!r}")
    assert isinstance(shown, bytearray), "it behaves otherwise now"
assert lengths == [7, 15, 15], "it behaves otherwise now"
PROGRAM
