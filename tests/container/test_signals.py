"""run(signals=True): the first signal drains, the second ends at once, the third is KeyboardInterrupt."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import Container, Message

DEADLINE = 60.0

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a signal must be sent to this process")


def send(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


class Program(MessagingHandler):
    """Takes messages of `jobs`, and does at the first what a test wants."""

    def __init__(self, url: str, then: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.url = url
        self.then = then
        self.done: list[Any] = []

    def on_start(self, event: Any) -> None:
        self.connection = event.container.connect(self.url, reconnect=False)
        event.container.create_receiver(self.connection, "jobs")
        sender = event.container.create_sender(self.connection, "jobs")
        sender.send(Message("one"))

    def on_message(self, event: Any) -> None:
        self.done.append(event.message.body)
        self.then(event)


@pytest.fixture
def broker() -> Any:
    with EmbeddedBroker() as broker:
        yield broker


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_work_be_finished(broker: Any, number: int, caplog: pytest.LogCaptureFixture) -> None:
    def then(event: Any) -> None:
        send(number)
        event.container.schedule(0.01, Later(event.delivery))

    class Later:
        def __init__(self, delivery: Any) -> None:
            self.delivery = delivery

        def on_timer_task(self, event: Any) -> None:
            self.delivery.accept()

    before = signal.getsignal(number)
    container = Container(Program(broker.url, then, auto_accept=False))
    assert container.exit_status == 0, "nothing has failed yet"
    with caplog.at_level("INFO", "reactor.container.signals"):
        container.run(signals=True, drain=DEADLINE)
    assert container.exit_status == 0
    assert (broker.queue("jobs").depth, broker.queue("jobs").acknowledged) == (0, 1)
    assert [record.getMessage() for record in caplog.records if record.name == "reactor.container.signals"] == [
        f"{signal.Signals(number).name}: ending, within 60 seconds"
    ]
    assert signal.getsignal(number) is before
    assert signal.set_wakeup_fd(-1) == -1, "the former descriptor is back: none"


def test_work_that_is_left_undone_is_told_by_the_exit_status(broker: Any) -> None:
    container = Container(Program(broker.url, lambda event: send(signal.SIGTERM), auto_accept=False))
    container.run(signals=True, drain=0)
    assert container.exit_status == 128 + signal.SIGTERM


def test_the_second_signal_ends_it_at_once(broker: Any, caplog: pytest.LogCaptureFixture) -> None:
    container = Container(Program(broker.url, lambda event: send(signal.SIGTERM, signal.SIGINT), auto_accept=False))
    container.run(signals=True, drain=DEADLINE)
    assert container.exit_status == 128 + signal.SIGTERM
    assert "SIGINT: ending at once" in caplog.text


def test_the_third_is_a_keyboard_interrupt(broker: Any, capsys: pytest.CaptureFixture[str]) -> None:
    container = Container(Program(broker.url, lambda event: send(*[signal.SIGINT] * 3)))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        container.run(signals=True)
    assert container.exit_status == 1
    assert signal.getsignal(signal.SIGINT) is before
    assert "interrupted; the container was waiting for:" in capsys.readouterr().err


def test_a_signal_to_another_thread_ends_the_wait() -> None:
    class Waits(MessagingHandler):
        def on_start(self, event: Any) -> None:
            event.container.listen("127.0.0.1:0")
            event.container.schedule(DEADLINE, self)
            self.other = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM))
            self.other.start()

        def on_timer_task(self, event: Any) -> None:
            raise AssertionError("it waited on")

    handler = Waits()
    container = Container(handler)
    container.run(signals=True)
    handler.other.join(DEADLINE)
    assert container.exit_status == 0


def test_other_threads_get_no_signals() -> None:
    errors: list[str] = []

    def run() -> None:
        try:
            Container().run(signals=True)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(DEADLINE)
    assert len(errors) == 1 and "the main thread" in errors[0] and "container.stop(drain=10)" in errors[0]


@pytest.mark.parametrize("drain", [-1, "soon", None])
def test_a_drain_is_a_number_of_seconds(drain: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="drain"):
        Container().run(signals=True, drain=drain)


def test_the_exit_status_of_a_failure() -> None:
    class Fails(MessagingHandler):
        def on_start(self, event: Any) -> None:
            raise LookupError("a mistake")

    container = Container(Fails())
    with pytest.raises(LookupError):
        container.run(signals=True)
    assert container.exit_status == 1
    container.run()
    assert container.exit_status == 0
