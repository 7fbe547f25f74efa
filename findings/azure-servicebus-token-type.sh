#!/usr/bin/env bash
# What most expect: a shared access signature is put to the node $cbs with the type of such a token,
#   "servicebus.windows.net:sastoken", which the credential of the client has as its token_type.
# What happens: azure-servicebus puts it with the type "jwt": it makes its authentication without the type of the
#   credential, and the default is that of the other kind of token.
# Version: azure-servicebus 7.15.0. Seen: 2026-11-28.
# Why it matters: the service takes it, or its own client would not work. A stand-in for tests that looks at the type, and
#   parses a jwt, refuses the service's own client; one that is written by what this client sends takes signatures by
#   the wrong name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check azure-servicebus==7.15.0
"$folder/venv/bin/python" - <<'PROGRAM'
from importlib.metadata import version

from azure.servicebus import ServiceBusClient
from azure.servicebus._common.utils import create_authentication

# Nothing is connected: the name of the host is an example, the key is the text "key".
TEXT = "Endpoint=sb://example.servicebus.windows.net/;SharedAccessKeyName=name;SharedAccessKey=a2V5"
receiver = ServiceBusClient.from_connection_string(TEXT).get_queue_receiver("queue")
authentication = create_authentication(receiver)
token, kind = authentication.get_token().token, authentication.token_type
kind = kind.decode() if isinstance(kind, bytes) else kind
print("azure-servicebus", version("azure-servicebus"))
print("token:", token.partition(" ")[0], "...")
print("type of the credential:", receiver._credential.token_type.decode())
print("type that is put:      ", kind)
assert token.startswith("SharedAccessSignature "), "it behaves otherwise now"
assert (receiver._credential.token_type, kind) == (b"servicebus.windows.net:sastoken", "jwt"), "it behaves otherwise now"
PROGRAM
