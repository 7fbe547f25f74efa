"""An "arrow" for quiver, by the contract of impls/README.md at https://github.com/ssorj/quiver: a program for
python-qpid-proton which sends, or receives, messages over one connection. Arguments: key=value, as there."""

from __future__ import annotations

import sys
import time
from typing import Any

from proton import VERSION, Message, __file__, ulong
from proton.handlers import MessagingHandler
from proton.reactor import Container

assert len(VERSION) == 3 and __file__, "quiver shows them"
GIVEN = dict(argument.split("=", 1) for argument in sys.argv[1:])


def now() -> int:
    return int(time.time() * 1000)


class Arrow(MessagingHandler):
    def __init__(self) -> None:
        super().__init__(prefetch=int(GIVEN["credit-window"]), auto_settle=GIVEN["settlement"] == "0")
        self.is_server = GIVEN["connection-mode"] == "server"
        self.count, self.done, self.settled = int(GIVEN["count"]), 0, 0
        self.place = "%s:%s" % (GIVEN["host"], GIVEN["port"])

    def on_start(self, event: Any) -> None:
        if self.is_server:
            self.listener = event.container.listen(self.place)
            print("listening", flush=True)
        else:
            event.container.connect(self.place, allowed_mechs="ANONYMOUS", reconnect=False)

    def on_connection_opening(self, event: Any) -> None:
        event.connection.container = event.container.container_id

    def on_connection_opened(self, event: Any) -> None:
        if GIVEN["channel-mode"] == "active":
            make = event.container.create_sender if GIVEN["operation"] == "send" else event.container.create_receiver
            make(event.connection, GIVEN["path"])

    def on_link_opening(self, event: Any) -> None:
        link = event.link
        if link.is_sender:
            link.source.address = "given" if link.remote_source.dynamic else link.remote_source.address
        if link.is_receiver:
            link.target.address = link.remote_target.address

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit > 0 and self.done < self.count:
            self.done += 1
            sent = now()
            message = Message(b"x" * int(GIVEN["body-size"]), id=ulong(self.done), properties={"SendTime": sent})
            message.durable = GIVEN["durable"] == "1"
            delivery = event.sender.send(message, tag=str(self.done))
            assert delivery.tag == str(self.done)
            sys.stdout.write("%d,%d\n" % (self.done, sent))

    def on_settled(self, event: Any) -> None:
        self.settled += 1
        if GIVEN["settlement"] == "1":
            sys.stdout.write("S%s,%d\n" % (event.delivery.tag, now()))
            event.delivery.settle()
        if self.settled == self.count:
            self.end(event)

    def on_message(self, event: Any) -> None:
        if self.done == self.count:
            return
        self.done += 1
        message = event.message
        sys.stdout.write("%s,%d,%d\n" % (message.id, message.properties["SendTime"], now()))
        if self.done == self.count:
            self.end(event)

    def end(self, event: Any) -> None:
        event.connection.close()
        if self.is_server:
            self.listener.close()


container = Container(Arrow())
container.container_id = GIVEN["id"]
container.run()
sys.stdout.flush()
