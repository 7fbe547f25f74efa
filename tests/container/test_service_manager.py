"""READY, WATCHDOG and STOPPING to the service manager that has started the process."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Container

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="service managers listen at Unix sockets")


class Manager:
    """A service manager's socket, and the messages that have come to it."""

    def __init__(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.way = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.way.bind("\0" + address[1:] if address.startswith("@") else address)
        self.way.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)

    def messages(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.way.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    with tempfile.TemporaryDirectory(prefix="ar", dir="/tmp" if os.path.isdir("/tmp") else None) as name:
        one = Manager(str(Path(name, "notify")), monkeypatch)
        yield one
        one.way.close()


class Turns(MessagingHandler):
    """Goes on for so many timers."""

    def __init__(self, number: int = 0) -> None:
        super().__init__()
        self.left = number

    def on_start(self, event: Any) -> None:
        event.container.schedule(0.002, self)

    def on_timer_task(self, event: Any) -> None:
        self.left -= 1
        if self.left > 0:
            event.container.schedule(0.002, self)


def test_it_is_ready_and_stops(manager: Manager) -> None:
    Container(Turns()).run(notify=True)
    ready, stopping = manager.messages()
    assert ready.startswith("READY=1\nSTATUS=") and len(ready) > 20 and stopping == "STOPPING=1"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names without a file are Linux's")
def test_a_name_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager("@amqp-reactor-test-%d" % os.getpid(), monkeypatch)
    Container(Turns()).run(notify=True)
    assert [text.partition("\n")[0] for text in manager.messages()] == ["READY=1", "STOPPING=1"]
    manager.way.close()


def test_signs_of_life_come_in_half_of_the_interval(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "4000")
    Container(Turns(10)).run(notify=True)
    signs = [text for text in manager.messages() if text.startswith("WATCHDOG=1\nSTATUS=")]
    assert len(signs) >= 2


def test_an_idle_container_wakes_up_for_them(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    heard: list[str] = []

    class Listens(MessagingHandler):
        def on_start(self, event: Any) -> None:
            self.acceptor = event.container.listen("amqp://127.0.0.1:0")

        def on_reactor_quiesced(self, event: Any) -> None:
            heard.extend(manager.messages())
            if sum(text.startswith("WATCHDOG") for text in heard) >= 2:
                self.acceptor.close()

    container = Container(Listens())
    container.run(notify=True)
    assert heard[0].startswith("READY=1\nSTATUS=nothing stands in the way")  # a listener waits, in good order
    assert container.timeout is None


@pytest.mark.parametrize(("name", "value"), [("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "0"), ("WATCHDOG_USEC", "soon")])
def test_a_watchdog_that_is_not_ours(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv(name, value)
    Container(Turns(3)).run(notify=True)
    assert [text.partition("\n")[0] for text in manager.messages()] == ["READY=1", "STOPPING=1"]
    assert len(caplog.records) == (value in ("0", "soon"))


def test_without_a_manager_and_without_the_option_nothing_is_sent(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    Container(Turns()).run()
    assert manager.messages() == []
    monkeypatch.delenv("NOTIFY_SOCKET")
    Container(Turns()).run(notify=True)
    assert manager.messages() == []


def test_a_manager_that_is_gone_is_one_warning_each(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", os.environ["NOTIFY_SOCKET"] + "-none")
    with caplog.at_level(logging.WARNING):
        Container(Turns()).run(notify=True)
    texts = [record.getMessage() for record in caplog.records]
    assert ["READY=1" in text for text in texts] == [True, False] and "does not take 'STOPPING=1'" in texts[1]


def test_a_failure_of_a_handler_is_an_end_too(manager: Manager) -> None:
    class Fails(MessagingHandler):
        def on_start(self, event: Any) -> None:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Container(Fails()).run(notify=True)
    assert manager.messages() == ["STOPPING=1"]
