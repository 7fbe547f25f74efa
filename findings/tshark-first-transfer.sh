#!/usr/bin/env bash
# What most expect: a message that is cut into several transfer frames (part 2, 2.6.14) is shown as such: its first frame has
#   more=true, and its payload ends where the frame ends.
# What happens: tshark reads the payload of the first transfer as a whole message, and calls the frame malformed.
# Version: tshark 4.0.17 (that of Debian 12). Seen: 2026-11-28.
# Why it matters: each message that is larger than the frame size of the peer looks like a fault of its sender, in the list of
#   packets and in the expert information: people look for it there.
set -euo pipefail
command -v tshark >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq tshark >/dev/null # tshark==4.0.17
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
tshark --version 2>/dev/null | head -1
python3 - <<'PROGRAM'
import struct
import subprocess

NULL, TRUE, FALSE, ZERO = b"\x40", b"\x41", b"\x42", b"\x43"


def uint(number):
    return b"\x70" + struct.pack(">I", number)


def text(words):
    return b"\xa1" + bytes([len(words)]) + words


def described(code, *fields):
    data = b"".join(fields)
    return b"\x00\x53" + bytes([code]) + b"\xd0" + struct.pack(">II", 4 + len(data), len(fields)) + data


def frame(performative, payload=b""):
    return struct.pack(">IBBH", 8 + len(performative) + len(payload), 2, 0, 0) + performative + payload


BEGINNING = [
    b"AMQP\x00\x01\x00\x00",
    frame(described(0x10, text(b"client"), text(b"host"))),  # open
    frame(described(0x11, NULL, ZERO, uint(2048), uint(2048))),  # begin
    # attach of a sender, from and to an address, initial-delivery-count 0
    frame(
        described(
            0x12, text(b"link"), ZERO, FALSE, NULL, NULL,
            described(0x28, text(b"from")), described(0x29, text(b"to")), NULL, NULL, ZERO,
        )
    ),
]  # fmt: skip


def transfer(more, payload):
    """handle 0, delivery-id 0, tag, message-format 0, settled, more"""
    return frame(described(0x14, ZERO, ZERO, b"\xa0\x011", ZERO, FALSE, more), payload)


MESSAGE = b"\x00\x53\x75\xb0" + struct.pack(">I", 200) + bytes(200)  # one data section
WHOLE = [transfer(FALSE, MESSAGE)]
PARTS = [transfer(TRUE, MESSAGE[:100]), transfer(FALSE, MESSAGE[100:])]


def lines(frames):
    """What tshark says of them, each in a packet of TCP of its own, from port 40000 to 5672."""
    capture, number = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101), 1
    for second, one in enumerate(frames):
        tcp = struct.pack(">HHIIBBHHH", 40000, 5672, number, 1, 0x50, 0x18, 65535, 0, 0) + one
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, *[bytes([127, 0, 0, 1])] * 2) + tcp
        capture += struct.pack("<IIII", second, 0, len(ip), len(ip)) + ip
        number += len(one)
    with open("frames.pcap", "wb") as file:
        file.write(capture)
    command = ["tshark", "-r", "frames.pcap", "-T", "fields", "-e", "_ws.col.Info"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[len(BEGINNING) : -1]


whole, parts = lines(BEGINNING + WHOLE), lines(BEGINNING + PARTS)
print("in one transfer: ", "; ".join(map(str.strip, whole)))
print("in two transfers:", "; ".join(map(str.strip, parts)))
assert ["Malformed" in line for line in whole + parts] == [False, True, False], "it behaves otherwise now"
PROGRAM
