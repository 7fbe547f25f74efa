#!/usr/bin/env bash
# What most expect: BlockingReceiver.accept() tells the peer, at once or within moments, that the message is accepted.
# What happens: it writes nothing. The outcome leaves with the next call that waits (receive, send, close): a connection
#   of the blocking API is served by nobody in between. A program that accepts and then works for a while still holds the
#   message for the broker; if it ends without close(), the message is delivered again.
# Version: python-qpid-proton 0.40.0. Seen: 2026-11-28.
# Why it matters: "accepted, then worked on" is redelivered after a crash however long ago accept() was called; heartbeats
#   do not go on meanwhile either.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-qpid-proton==0.40.0
timeout 60 "$folder/venv/bin/python" - <<'PROGRAM'
import socket
import threading
import time

import proton
from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.utils import BlockingConnection


class Giver(MessagingHandler):
    """Listens, gives one message to the first receiver, and notes when its outcome comes."""

    def __init__(self):
        super().__init__()
        self.listening = threading.Event()
        self.accepted = threading.Event()

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:%d" % port)
        self.listening.set()

    def on_link_opening(self, event):
        event.link.source.copy(event.link.remote_source)

    def on_sendable(self, event):
        event.sender.send(Message("work"))

    def on_accepted(self, event):
        self.accepted.set()

    def on_connection_closed(self, event):
        self.acceptor.close()


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
giver = Giver()
thread = threading.Thread(target=Container(giver).run, daemon=True)
thread.start()
giver.listening.wait()
print("python-qpid-proton", ".".join(map(str, proton.VERSION)))
connection = BlockingConnection("127.0.0.1:%d" % port, timeout=20)
receiver = connection.create_receiver("jobs", credit=1)
assert receiver.receive().body == "work"
receiver.accept()
time.sleep(2)
heard = giver.accepted.is_set()
print("two seconds after accept() the peer has heard of it:", heard)
connection.close()
print("after close() it has:", giver.accepted.wait(10))
assert not heard and giver.accepted.is_set(), "it behaves otherwise now"
PROGRAM
