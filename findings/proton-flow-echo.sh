#!/usr/bin/env bash
# What most expect: a flow with echo=true is answered with a flow, at the earliest convenience [2.7.4]; the engine does
#   so by itself, because no call and no event of its API shows the flag to a program.
# What happens: python-qpid-proton takes the flow, of a session or of a link, and writes nothing.
# Version: python-qpid-proton 0.40.0. Seen: 2026-11-28.
# Why it matters: a peer that asks for the state of the other side by echo (how much credit is left, whether credit that
#   it took back has been heard of) must not wait for the answer without a limit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-qpid-proton==0.40.0
"$folder/venv/bin/python" - <<'PROGRAM'
import struct

import proton
from proton import Collector, Connection, Endpoint, Transport


def joined():
    """A client with one sender and a server, each by the original's engine, joined in memory; all is open."""
    connections = Connection(), Connection()
    wires = Transport(Transport.CLIENT), Transport(Transport.SERVER)
    collector = Collector()
    connections[1].collect(collector)
    for wire, connection, name in zip(wires, connections, ("client", "server")):
        wire.bind(connection)
        connection.container = name
    connections[0].open()
    session = connections[0].session()
    session.open()
    session.sender("link").open()
    for _ in range(10):
        for one, other in (wires, wires[::-1]):
            while one.pending() > 0:
                data = one.peek(one.pending())
                one.pop(len(data))
                other.push(data)
        while collector.peek():
            event = collector.peek()
            for endpoint in (event.connection, event.session, event.link):
                if endpoint is not None and endpoint.state & Endpoint.LOCAL_UNINIT:
                    endpoint.open()
            collector.pop()
    return wires[1]


def flow(handle, echo):
    """A flow of the client's on channel 0 [2.7.4]; handle: an encoded uint, or null for the session alone."""
    fields = b"\x43\x52\x64\x43\x52\x64" + handle + (b"\x43\x43" if handle != b"\x40" else b"\x40\x40") + b"\x40\x40"
    fields += b"\x41" if echo else b"\x42"
    body = b"\x00\x53\x13\xc0" + bytes((1 + len(fields), 10)) + fields
    return struct.pack(">IBBH", 8 + len(body), 2, 0, 0) + body


print("python-qpid-proton", ".".join(map(str, proton.VERSION)))
answers = []
for what, handle in (("session", b"\x40"), ("link", b"\x43")):
    server = joined()
    before = server.frames_input
    server.push(flow(handle, True))
    server.tick(1.0)
    assert server.condition is None and server.frames_input == before + 1, "the flow was taken"
    answers.append(server.pending())
    print(f"bytes written for a flow of the {what} with echo=true: {server.pending()}")
assert answers == [0, 0], "it behaves otherwise now"
PROGRAM
