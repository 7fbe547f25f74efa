#!/usr/bin/env bash
# What most expect: a proxy that refuses a user or a password answers 407, Proxy Authentication Required, as it does where
#   none was sent: 401 is the word of the server behind it (RFC 9110, 15.5.2 and 15.5.8).
# What happens: tinyproxy answers 407 with Proxy-Authenticate where there is no password, and 401 with WWW-Authenticate where
#   there is a wrong one.
# Version: tinyproxy 1.11.1 (that of Debian 12). Seen: 2026-11-28.
# Why it matters: a client that knows a refused proxy password by 407 alone takes this for the server's answer, or for a
#   failure that passes: it names the wrong machine, asks for the wrong password, or tries again for ever.
set -euo pipefail
command -v tinyproxy >/dev/null || apt-get install -y -qq tinyproxy >/dev/null # tinyproxy==1.11.1
folder=$(mktemp -d)
proxy=
trap 'if [ -n "$proxy" ]; then kill "$proxy"; wait "$proxy" || true; fi; rm -rf "$folder"' EXIT
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$folder/tinyproxy.conf" <<CONFIGURATION
Port $port
Listen 127.0.0.1
BasicAuth alice secret
CONFIGURATION
tinyproxy -d -c "$folder/tinyproxy.conf" >"$folder/log" 2>&1 &
proxy=$!
tinyproxy -v
timeout 60 python3 - "$port" <<'PROGRAM'
import base64
import socket
import sys
import time


def ask(password):
    """The status, and which header asks for a password."""
    lines = ["CONNECT 127.0.0.1:9 HTTP/1.1", "Host: 127.0.0.1:9"]
    if password:
        lines.append("Proxy-Authorization: Basic " + base64.b64encode(f"alice:{password}".encode()).decode())
    for _ in range(100):  # until it listens
        try:
            wire = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    with wire:
        wire.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b"".join(iter(lambda: wire.recv(4096), b"")).decode().partition("\r\n\r\n")[0].split("\r\n")
    return head[0].split(" ", 1)[1], [line.partition(":")[0] for line in head if "Authenticate" in line]


seen = {"without a password": ask(None), "with a wrong password": ask("guess")}
for what, (status, headers) in seen.items():
    print(f"{what}: {status}, {', '.join(headers)}")
assert seen["without a password"] == ("407 Proxy Authentication Required", ["Proxy-Authenticate"]), "it behaves otherwise now"
assert seen["with a wrong password"] == ("401 Unauthorized", ["WWW-Authenticate"]), "it behaves otherwise now"
PROGRAM
