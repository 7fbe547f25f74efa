"""A broker with policies that is killed, in a process of its own, while consumers reject what producers send."""

from __future__ import annotations

import json
import sqlite3
import sys
from typing import Any

from handlers import MessagingHandler
from reactor import Container, Message, Reject
from tests.support.processes import CHECKOUT, Script


class Traffic(MessagingHandler):
    """Sends numbers from `start` on, each twice, and rejects all that it receives, until the broker is gone. kill:
    called when so many were rejected and confirmed. confirmed: the numbers that were accepted."""

    def __init__(self, url: str, start: int, kill: Any) -> None:
        super().__init__(prefetch=50)
        self.url = url
        self.next = start
        self.under_way: dict[Any, int] = {}
        self.confirmed: list[int] = []
        self.rejected = 0
        self.kill = kill

    def on_start(self, event: Any) -> None:
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_sender(connection, "jobs")
        event.container.create_receiver(connection, "jobs")

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit > 1:
            for _ in range(2):
                self.under_way[event.sender.send(Message(self.next, id=str(self.next), durable=True))] = self.next
            self.next += 1

    def on_accepted(self, event: Any) -> None:
        self.confirmed.append(self.under_way.pop(event.delivery))

    def on_message(self, event: Any) -> None:
        self.rejected += 1
        if self.rejected >= 100 and len(self.confirmed) >= 200:
            self.kill()
        raise Reject("no")


def test_each_message_that_was_confirmed_is_in_one_queue_after_a_kill(tmp_path: Any) -> None:
    path, config = tmp_path / "store", tmp_path / "broker.json"
    queues = {"jobs": {"dead_letter": "dead", "duplicate_window": 100_000}, "dead": {}}
    config.write_text(json.dumps({"queues": queues}), encoding="ascii")
    command = [sys.executable, "-m", "handlers.broker", "--listen", "amqp://127.0.0.1:0", "--store", str(path)]
    confirmed: set[int] = set()
    for start in (0, 1_000_000):
        with Script([*command, "--config", str(config)], CHECKOUT) as broker:
            traffic = Traffic(broker.wait_for("Listening on").split()[-1], start, broker.process.kill)
            Container(traffic).run()
        assert traffic.rejected >= 100
        confirmed |= set(traffic.confirmed)
    base = sqlite3.connect(path)
    rows = base.execute("SELECT node.name, body FROM message JOIN node ON node.number = queue").fetchall()
    base.close()
    found = [Message.from_bytes(body).body for _, body in rows]
    assert confirmed <= set(found), "one is lost"
    assert len(found) == len(set(found)), "one is doubled"
    assert {name for name, _ in rows} == {"jobs", "dead"}
