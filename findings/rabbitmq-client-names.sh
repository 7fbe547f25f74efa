#!/usr/bin/env bash
# What most expect: the argument `deliver_limit` of a quorum queue becomes RabbitMQ's x-delivery-limit, and `unbind` of two
#   exchanges names the destination as an exchange, as `bind` does.
# What happens: the client sends `x-deliver-limit`, which the server has no argument of; and the path of the binding names
#   the destination by `dstq=`, the key for queues, so that a binding between exchanges is not found by it.
# Version: rabbitmq-amqp-python-client 1.0.1. Seen: 2026-11-28.
# Why it matters: a server that passes over arguments it does not know leaves such a queue without the limit, in silence;
#   one that answers to RabbitMQ's management requests has to decide what these two mean.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rabbitmq-amqp-python-client==1.0.1
"$folder/venv/bin/python" - <<'PROGRAM'
from importlib.metadata import version

from rabbitmq_amqp_python_client import (
    ExchangeToExchangeBindingSpecification,
    Management,
    QuorumQueueSpecification,
)


class Recorder(Management):
    """Keeps the requests in place of sending them."""

    def __init__(self):
        self.requests = []

    def request(self, body, path, method, expected_response_codes):
        self.requests.append((method, path, body))


recorder = Recorder()
recorder.declare_queue(QuorumQueueSpecification(name="jobs", deliver_limit=3))
recorder.unbind(
    ExchangeToExchangeBindingSpecification(source_exchange="from", destination_exchange="to", binding_key="key")
)
(_, _, declared), (method, path, _) = recorder.requests
print("rabbitmq-amqp-python-client", version("rabbitmq-amqp-python-client"))
print("arguments of the queue:", declared["arguments"])
print(method, path)
assert declared["arguments"]["x-deliver-limit"] == 3 and "x-delivery-limit" not in declared["arguments"]
assert "dstq=to" in path and "dste=" not in path
PROGRAM
