#!/usr/bin/env bash
# What most expect: a client of AMQP 1.0 takes the fields that a peer leaves out at the end of a frame's list for null, as
#   the specification says (part 1, 1.4, Composite Type Representation). Most peers leave them out: frames get shorter.
# What happens: the AMQP engine within azure-eventhub reads the fields of open, begin and transfer by their number. An open
#   with a container-id alone, whose other fields have defaults or are optional, is an IndexError in its connection.
# Version: azure-eventhub 5.15.1. Seen: 2026-11-28.
# Why it matters: the client works with the service, which writes every field, and with no other peer or stand-in that does
#   not: who tests a program for Event Hubs against a broker of his own finds a list index out of range, and no reason.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-eventhub==5.15.1
cd "$folder"
timeout 60 "$folder/venv/bin/python" - <<'PROGRAM'
import socket
import ssl
import subprocess
import threading
import traceback
from importlib.metadata import version

from azure.eventhub._pyamqp._connection import Connection

server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
# It asks for the name HOST:PORT in the certificate.
command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext"
subprocess.run([*command.split(), f"subjectAltName=DNS:127.0.0.1:{port}"], check=True, capture_output=True)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")


# An open: a list of one field, the container-id.
BODY = b"\x00\x53\x10\xc0\x07\x01\xa1\x04peer"
OPEN = (8 + len(BODY)).to_bytes(4, "big") + b"\x02\x00\x00\x00" + BODY


def serve():
    connection, _ = server.accept()
    with context.wrap_socket(connection, server_side=True) as wire:
        wire.recv(8)
        wire.sendall(b"AMQP\x00\x01\x00\x00")
        wire.recv(4096)
        wire.sendall(OPEN)
        try:
            while wire.recv(4096):
                pass
        except OSError:
            pass


threading.Thread(target=serve, daemon=True).start()
client = Connection(f"amqps://127.0.0.1:{port}", ssl_opts={"ca_certs": "cert.pem"})
client.open()
seen = "no error"
try:
    for _ in range(5):
        client.listen(wait=1)
except IndexError as error:
    seen = f"IndexError: {error}, in {traceback.extract_tb(error.__traceback__)[-1].name}"
print("azure-eventhub", version("azure-eventhub"))
print("an open with the container-id alone:", seen)
assert seen == "IndexError: list index out of range, in _incoming_open", seen
PROGRAM
