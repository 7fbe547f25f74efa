"""Every example, run as a module from the checkout, and as a file: most in a process of their own.

Failures that all of them have in common are looked at in one process for all.
"""

from __future__ import annotations

import ast
import re
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from handlers import MessagingHandler, Reject
from handlers.broker import EmbeddedBroker, Policy
from reactor import Condition, Container, Delivery, Message
from reactor.utils import BlockingConnection
from tests.support.one_process import run_each
from tests.support.peers import Listening, Peer
from tests.support.processes import CHECKOUT, DEADLINE, Script, environment, example, run, unused_port

NETWORKED = {
    "send": ["{url}", "jobs", "hello"],
    "receive": ["{url}", "jobs", "1"],
    "simple_send": ["-a", "{url}/examples"],
    "simple_recv": ["-a", "{url}/examples"],
    "client": ["-a", "{url}/requests"],
    "server": ["-a", "{url}/requests"],
    "queue_browser": ["-a", "{url}/examples"],
    "selected_recv": ["-a", "{url}/examples"],
    "thread_pool": ["-a", "{url}/examples"],
    "tx_send": ["-a", "{url}/examples"],
    "tx_recv": ["-a", "{url}/examples"],
    "tx_recv_interactive": ["-a", "{url}/examples"],
    "tx_move": ["-a", "{url}"],
}
#: Of the blocking API, and of asyncio: what is wrong is the text of an exception.
BLOCKING = {
    "sync_client": ["-a", "{url}/requests"],
    "aio_send": ["-a", "{url}/examples"],
    "aio_receive": ["-a", "{url}/examples"],
}
ALONE = ["helloworld", "helloworld_blocking", "helloworld_direct", "recurring_timer", "acknowledge", "guarantees"]
SHARED = ["__init__"]

# A user's own program would show a file or socket that the library forgot to close.
DEVELOPER = {"PYTHONDEVMODE": "1"}

#: What asyncio says in that mode of a callback that took 0.1 s. A slow machine takes so long to compile an import.
TOOK_LONG = re.compile(r"^Executing <.+> took \d+\.\d+ seconds\n", re.M)


@pytest.fixture(params=["module", pytest.param("file", marks=pytest.mark.slow)])
def way(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def place(way: str, tmp_path: Path) -> Path:
    """Where the example is run from: only as a module does it need the checkout."""
    return CHECKOUT if way == "module" else tmp_path


@pytest.fixture
def broker() -> Iterator[str]:
    with EmbeddedBroker() as broker:
        yield broker.url


def lines(result: tuple[int, str, str]) -> list[str]:
    """The lines of a run that went well."""
    status, out, err = result
    assert (status, err) == (0, "")
    return out.splitlines()


def one_line(result: tuple[int, str, str]) -> str:
    """The one line with which a run failed."""
    status, out, err = result
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1, err
    return err


def put(url: str, address: str, *messages: Any) -> None:
    """Send them, and wait until the broker has them; without a process of their own."""
    with BlockingConnection(url, timeout=DEADLINE) as connection, connection.create_sender(address) as sender:
        for message in messages:
            sender.send(message)


def numbered(count: int) -> list[Message]:
    """As simple_send sends them."""
    return [Message(id=number, body={"sequence": number}) for number in range(1, count + 1)]


def run_asyncio(command: list[str], place: Path) -> tuple[int, str, str]:
    """As `run`, in the developer's mode, without what asyncio says of time there."""
    status, out, err = run(command, place, **DEVELOPER)
    return status, out, TOOK_LONG.sub("", err)


def arguments(name: str, url: str) -> list[str]:
    return [argument.format(url=url) for argument in NETWORKED[name]]


def test_every_example_is_tested_here() -> None:
    names = {path.stem for path in (CHECKOUT / "examples").glob("*.py")}
    assert names == {*NETWORKED, *BLOCKING, *ALONE, *SHARED}


def test_help_says_what_it_teaches_and_how_to_run_it(tmp_path: Path) -> None:
    names = [*NETWORKED, *BLOCKING, *ALONE]
    results = run_each([[*example(name, "file")[1:], "--help"] for name in names], tmp_path, environment())
    for name, result in zip(names, results):
        text = (CHECKOUT / "examples" / f"{name}.py").read_text(encoding="utf-8")
        doc = ast.get_docstring(ast.parse(text))
        assert doc is not None and doc.startswith("Teaches ") and f"python -m examples.{name}" in doc
        assert doc in "\n".join(lines(result))


def test_helloworld(way: str, place: Path) -> None:
    out = lines(run(example("helloworld", way), place, **DEVELOPER))
    assert re.fullmatch(r"A broker listens on amqp://127\.0\.0\.1:\d+", out[0])
    assert out[1] == "Sent:     Hello World!"
    assert sorted(out[2:]) == ["Accepted: the broker has the message", "Received: Hello World!"]


def test_helloworld_blocking(way: str, place: Path) -> None:
    out = lines(run(example("helloworld_blocking", way), place, **DEVELOPER))
    assert out == ["Sent:     ACCEPTED", "Received: Hello World!"]


def test_helloworld_direct(way: str, place: Path) -> None:
    assert lines(run(example("helloworld_direct", way), place, **DEVELOPER)) == [
        "The sending end sent:          Hello World!",
        "The receiving end received:    Hello World!",
        "The sending end was told:      accepted",
    ]


def test_guarantees(way: str, place: Path) -> None:
    out = lines(run(example("guarantees", way), place))
    assert out[0] == "100 messages, 20 accidents"
    most, least, exactly = ([int(number) for number in re.findall(r"\d+", line)] for line in out[2:])
    assert most[0] + most[1] == 100 and most[1] > 0 and not most[2]
    assert least[0] + least[2] == 100 and least[2] > 0 and not least[1]
    assert exactly == [100, 0, 0]


def test_acknowledge(way: str, place: Path) -> None:
    out = lines(run(example("acknowledge", way), place, **DEVELOPER))
    assert [line for line in out if line.startswith("Receiver:")] == [
        "Receiver: got 'accept', so I accept it",
        "Receiver: got 'reject', so I reject it",
        "Receiver: got 'release', so I release it",
        "Receiver: got 'modify', so I modify it",
    ]
    assert sorted(line for line in out if line.startswith("Sender:")) == [
        "Sender:   'accept' is accepted",
        "Sender:   'modify' is modified, annotated with {symbol('x-opt-tried-by'): 'examples.acknowledge'}",
        "Sender:   'reject' is rejected: Condition('example:bad-work', 'this work makes no sense')",
        "Sender:   'release' is released",
        "Sender:   and marked failed=True, undeliverable=True",
    ]


def test_recurring_timer(way: str, place: Path) -> None:
    out = lines(run([*example("recurring_timer", way), "-i", "0.001", "-c", "3"], place, **DEVELOPER))
    assert out == ["Tick 1", "Tick 2", "Tick 3", "Done: the alarm is cancelled, nothing is left to wait for"]


def test_send_and_receive_print_what_the_book_prints(way: str, place: Path, broker: str) -> None:
    sent = lines(run([*example("send", way), broker, "jobs", "hello"], place, **DEVELOPER))
    assert sent == ["SEND: Opened sender for target address 'jobs'", "SEND: Sent message 'hello'"]
    received = lines(run([*example("receive", way), broker, "jobs", "1"], place, **DEVELOPER))
    assert received == [
        "RECEIVE: Opened receiver for source address 'jobs'",
        "RECEIVE: Received message 'hello'",
    ]


def test_receive_without_a_count_goes_on(way: str, place: Path, broker: str) -> None:
    with Script([*example("receive", way), broker, "jobs"], place) as receiver:
        receiver.wait_for("Opened receiver")
        for body in ("one", "two", "three"):
            put(broker, "jobs", body)
            assert receiver.wait_for("Received") == f"RECEIVE: Received message '{body}'"


def test_receive_leaves_what_it_did_not_want(broker: str) -> None:
    put(broker, "jobs", "one", "two")
    for body in ("one", "two"):
        out = lines(run([*example("receive", "module"), broker, "jobs", "1"], CHECKOUT))
        assert out[1] == f"RECEIVE: Received message '{body}'"


def test_simple_send_and_simple_recv(way: str, place: Path, broker: str) -> None:
    url = f"{broker}/examples"
    sent = lines(run([*example("simple_send", way), "-a", url, "-m", "250"], place, **DEVELOPER))
    assert sent == ["250 of 250 messages were accepted"]
    received = lines(run([*example("simple_recv", way), "-a", url, "-m", "250"], place, **DEVELOPER))
    assert received == [str({"sequence": number}) for number in range(1, 251)]


def test_simple_send_tells_of_messages_that_were_not_taken(way: str, place: Path) -> None:
    class Choosy(Listening):
        def on_message(self, event: Any) -> None:
            if event.message.id == 2:
                raise Reject("no even ones")

    with Peer(Choosy()) as url:
        status, out, err = run([*example("simple_send", way), "-a", f"{url}/q", "-m", "3"], place)
    assert status == 1 and err == ""
    assert out.splitlines()[-1] == "2 of 3 messages were accepted"
    assert "Message 2 was rejected" in out


def test_simple_recv_handles_each_message_once(way: str, place: Path) -> None:
    class Stammering(Listening):
        sent = False

        def on_sendable(self, event: Any) -> None:
            if not self.sent:
                self.sent = True
                for number in (1, 1, 2, 2, 1, 3):
                    event.sender.send(Message(id=number, body=number))

    with Peer(Stammering()) as url:
        out = lines(run([*example("simple_recv", way), "-a", f"{url}/q", "-m", "3"], place))
    assert out == ["1", "2", "3"]


def test_client_and_server(way: str, place: Path, broker: str) -> None:
    url = f"{broker}/requests"
    with Script([*example("server", way), "-a", url, "-m", "5"], place, **DEVELOPER) as server:
        server.wait_for("Waiting for requests")
        out = lines(run([*example("client", way), "-a", url], place, **DEVELOPER))
        assert out == [
            "is anybody there? => IS ANYBODY THERE?",
            "say it louder => SAY IT LOUDER",
            "thank you => THANK YOU",
        ]
        asked = [*example("sync_client", way), "-a", url, "a", "b"]
        assert lines(run(asked, place, **DEVELOPER)) == ["a => A", "b => B"]
        status, served, err = server.finish()
    assert (status, err) == (0, "")
    assert served.splitlines()[-2:] == ["Received a", "Received b"]


def is_interrupted(result: tuple[int, str, str], status: int, waits: str) -> bool:
    """Whether a run that was interrupted has ended with this status, and said what it was waiting for."""
    told = result[2].partition("interrupted; the container was waiting for:\n  ")[2]
    return result[:2] == (status, "") and waits in told


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl-C to send to one process")
def test_whoever_waits_in_vain_can_be_interrupted(way: str, place: Path) -> None:
    with EmbeddedBroker(max_queue_bytes=1) as broker:
        with Script([*example("receive", way), broker.url, "requests"], place) as onlooker:
            with Script([*example("client", way), "-a", f"{broker.url}/requests"], place, **DEVELOPER) as client:
                onlooker.wait_for("is anybody there?")
                client.process.send_signal(signal.SIGINT)
                assert is_interrupted(client.finish(), 130, "sender to requests has ")
        put(broker.url, "jobs", "one")
        with Script([*example("send", way), broker.url, "jobs", "two"], place, **DEVELOPER) as sender:
            sender.wait_for("Opened sender")
            sender.process.send_signal(signal.SIGINT)
            assert is_interrupted(sender.finish(), 130, "sender to jobs has ")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl-C to send to one process")
def test_a_blocking_call_can_be_interrupted_too(way: str, place: Path, broker: str) -> None:
    with Script([*example("receive", way), broker, "requests"], place) as onlooker:
        command = [*example("sync_client", way), "-a", f"{broker}/requests", "-t", "1000"]
        with Script(command, place, **DEVELOPER) as client:
            onlooker.wait_for("is anybody there?")
            client.process.send_signal(signal.SIGINT)
            assert client.finish() == (130, "", "")


def test_blocking_examples_say_what_is_wrong(tmp_path: Path) -> None:
    class Refusing(Listening):
        def on_link_opened(self, event: Any) -> None:
            event.link.condition = Condition("amqp:not-found", "no such node")
            event.link.close()

    url = f"amqp://127.0.0.1:{unused_port()}"
    command = [*example("sync_client", "file"), "-a", f"{url}/requests"]
    assert "Connection refused" in one_line(run(command, tmp_path))
    with Peer(Refusing()) as url:
        command = [*example("sync_client", "file"), "-a", f"{url}/requests"]
        assert "amqp:not-found: no such node" in one_line(run(command, tmp_path))


class Vague(Listening):
    """Never says whether there is more."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def on_link_flow(self, event: Any) -> None:
        self.asked.set()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl-C to send to one process")
def test_who_browses_what_has_no_end_can_be_interrupted(way: str, place: Path) -> None:
    vague = Vague()
    with Peer(vague) as url, Script([*example("queue_browser", way), "-a", f"{url}/q"], place, **DEVELOPER) as browser:
        assert vague.asked.wait(DEADLINE)
        browser.process.send_signal(signal.SIGINT)
        assert is_interrupted(browser.finish(), 0, "receiver from q has credit for 100 messages")


def test_queue_browser_takes_nothing_away(way: str, place: Path, broker: str) -> None:
    url = f"{broker}/examples"
    assert lines(run([*example("queue_browser", way), "-a", url], place)) == ["Messages in the queue: 0"]
    put(broker, "examples", *numbered(120))
    bodies = [str({"sequence": number}) for number in range(1, 121)]
    for _ in range(2):
        out = lines(run([*example("queue_browser", way), "-a", url], place, **DEVELOPER))
        assert out == [*bodies, "Messages in the queue: 120"]
    assert lines(run([*example("simple_recv", way), "-a", url, "-m", "120"], place)) == bodies


def test_thread_pool_settles_what_its_threads_have_done(way: str, place: Path) -> None:
    with EmbeddedBroker() as broker:
        url = f"{broker.url}/examples"
        put(broker.url, "examples", *numbered(30))
        command = [*example("thread_pool", way), "-a", url, "-m", "30", "-s", "0.001", "-t", "3"]
        out = lines(run(command, place, **DEVELOPER))
        assert broker.queue("examples").depth == 0
    done = [re.fullmatch(r"{'sequence': (\d+)} was done by worker_[0-2]", line) for line in out]
    assert sorted(int(found.group(1)) for found in done if found) == list(range(1, 31))


def test_thread_pool_takes_no_more_than_it_can_work_on(tmp_path: Path) -> None:
    class Feeding(Listening):
        sent = most = released = settled = 0

        def on_sendable(self, event: Any) -> None:
            while event.sender.credit > 0:
                self.sent += 1
                event.sender.send(Message("bad" if self.sent % 7 == 0 else "good"))
                self.most = max(self.most, event.sender.unsettled)

        def on_released(self, event: Any) -> None:
            self.released += 1

        def on_settled(self, event: Any) -> None:
            self.settled += 1

    feeding = Feeding()
    with Peer(feeding) as url:
        command = [*example("thread_pool", "file"), "-a", f"{url}/q", "-m", "40", "-s", "0.002", "-w", "5"]
        out = lines(run(command, tmp_path))
    # How many come while it takes back its credit is a matter of who is faster; none is left unsettled.
    assert feeding.most == 5
    assert len(out) >= 40, "those that were being worked on, or on their way, are finished"
    assert feeding.settled == feeding.sent == len(out)
    assert feeding.released == out.count("this cannot be done: somebody else may try") > 0


def test_tx_send_and_tx_recv(way: str, place: Path) -> None:
    with EmbeddedBroker() as broker:
        url = f"{broker.url}/examples"
        sent = lines(run([*example("tx_send", way), "-a", url, "-m", "25", "-b", "10"], place, **DEVELOPER))
        assert sent == [f"{number} of 25 messages are committed" for number in (10, 20, 25)]
        assert broker.queue("examples").depth == 25
        out = lines(run([*example("tx_recv", way), "-a", url, "-m", "15", "-b", "10"], place, **DEVELOPER))
        bodies = [str({"sequence": number}) for number in range(1, 16)]
        ends = ["10 of 15 messages are committed", "15 of 15 messages are committed"]
        assert out == [*bodies[:10], ends[0], *bodies[10:], ends[1]]
        assert broker.queue("examples").waiting == 10


def test_tx_move(way: str, place: Path) -> None:
    with EmbeddedBroker() as broker:
        put(broker.url, "examples", *numbered(15))
        out = lines(run([*example("tx_move", way), "-a", broker.url], place, **DEVELOPER))
        assert out == ["10 messages are moved", "15 messages are moved", "There are no more"]
        assert (broker.queue("examples").depth, broker.queue("moved").depth) == (0, 15)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl-C to send to one process")
def test_tx_recv_takes_whole_batches(way: str, place: Path) -> None:
    with EmbeddedBroker() as broker:
        url = f"{broker.url}/examples"
        put(broker.url, "examples", *numbered(5))
        command = [*example("tx_recv", way), "-a", url, "-m", "8", "-b", "4"]
        with Script(command, place, **DEVELOPER) as receiver:
            receiver.wait_for("'sequence': 5")
            receiver.process.send_signal(signal.SIGINT)
            assert receiver.finish()[0] == 130
    assert broker.queue("examples").depth == 1, "the fifth is in a batch that was not committed"


def test_tx_send_tells_of_a_transaction_that_was_rolled_back(way: str, place: Path) -> None:
    with EmbeddedBroker(queues={"examples": Policy(max_length=15, overflow="reject")}) as broker:
        command = [*example("tx_send", way), "-a", f"{broker.url}/examples", "-m", "20", "-b", "10"]
        status, out, _ = run(command, place, **DEVELOPER)
        assert broker.queue("examples").depth == 10
    assert status == 1 and "were not accepted" not in out
    assert out.splitlines()[0] == "10 of 20 messages are committed"
    assert out.splitlines()[-1].startswith("10 messages are rolled back: Condition('amqp:transaction:rollback'")


def test_tx_recv_interactive(way: str, place: Path) -> None:
    with EmbeddedBroker() as broker:
        url = f"{broker.url}/examples"
        put(broker.url, "examples", *numbered(3))
        with Script([*example("tx_recv_interactive", way), "-a", url], place, stdin=PIPE, **DEVELOPER) as receiver:

            def say(command: str, *answers: str) -> None:
                assert receiver.process.stdin is not None
                receiver.process.stdin.write(f"{command}\n")
                receiver.process.stdin.flush()
                for answer in answers:
                    receiver.wait_for(answer)

            receiver.wait_for("A transaction is declared")
            say("help", "fetch (or: fetch 5), commit, abort, quit")
            say("fetch 2", "'sequence': 1", "'sequence': 2")
            say("abort", "Aborted", "A transaction is declared")
            say("fetch", "'sequence': 1")
            say("commit", "Committed", "A transaction is declared")
            say("fetch", "'sequence': 2")
            say("quit")
            assert receiver.finish()[0] == 0
        assert broker.queue("examples").depth == 2


class Colours(Listening):
    """Sends a red and a green message; knows selectors if told so."""

    def __init__(self, knows_selectors: bool) -> None:
        super().__init__()
        self.knows_selectors = knows_selectors
        self.sent = False

    def on_link_opening(self, event: Any) -> None:
        if self.knows_selectors:
            event.sender.source.copy(event.sender.remote_source)
        else:
            event.sender.source.address = event.sender.remote_source.address

    def on_sendable(self, event: Any) -> None:
        if not self.sent:
            self.sent = True
            for colour in ("red", "green"):
                if colour == "green" or not self.knows_selectors:
                    event.sender.send(Message(colour, properties={"colour": colour}))


class Publisher(MessagingHandler):
    """Sends a message of each colour, and leaves when all are accepted."""

    def __init__(self, url: str, colours: list[str]) -> None:
        super().__init__()
        self.url = url
        self.colours = colours

    def on_start(self, event: Any) -> None:
        sender = event.container.create_sender(self.url)
        for colour in self.colours:
            sender.send(Message(colour, properties={"colour": colour}))

    def on_accepted(self, event: Any) -> None:
        self.colours.pop()
        if not self.colours:
            event.connection.close()


def test_selected_recv(way: str, place: Path) -> None:
    with Peer(Colours(knows_selectors=True)) as url:
        out = lines(run([*example("selected_recv", way), "-a", f"{url}/q", "-m", "1"], place, **DEVELOPER))
    assert out == ["The broker applies the selector colour = 'green'", "green"]


def test_selected_recv_with_the_embedded_broker(way: str, place: Path, broker: str) -> None:
    Container(Publisher(f"{broker}/q", ["red", "green", "blue"]), raise_errors=True).run()
    out = lines(run([*example("selected_recv", way), "-a", f"{broker}/q", "-m", "1"], place, **DEVELOPER))
    assert out == ["The broker applies the selector colour = 'green'", "green"]


def test_selected_recv_takes_nothing_when_the_broker_ignores_the_selector(way: str, place: Path) -> None:
    with Peer(Colours(knows_selectors=False)) as url:
        status, _, err = run([*example("selected_recv", way), "-a", f"{url}/q", "-m", "1"], place)
    warning, err = err.splitlines(keepends=True)
    assert status == 1 and "the peer does not apply the filter 'selector'" in warning
    assert err == f"The broker at {url}/q does not apply selectors: no message was taken.\n"


def test_aio_send_and_aio_receive(way: str, place: Path, broker: str) -> None:
    address = ["-a", f"{broker}/examples"]
    out = lines(run_asyncio([*example("aio_send", way), *address, "-m", "50"], place))
    assert out == ["50 of 50 messages were accepted"]
    out = lines(run_asyncio([*example("aio_receive", way), *address, "-m", "50"], place))
    assert out == [f"Message {number}: {{'sequence': {number}}}" for number in range(1, 51)]
    status, _, err = run_asyncio([*example("aio_receive", way), *address, "-t", "0.01"], place)
    assert (status, err) == (1, "not all messages came within 0.01 s\n")


def test_a_copy_needs_nothing_beside_it(tmp_path: Path) -> None:
    """All in one process: it is about what they import."""
    # Only the library can be imported, as where it is installed: the checkout would bring the package of examples.
    library = tmp_path / "library"
    library.mkdir()
    for package in ("reactor", "handlers"):
        (library / package).symlink_to(CHECKOUT / package, target_is_directory=True)
    names, url = [*NETWORKED, *BLOCKING, *ALONE], f"amqp://127.0.0.1:{unused_port()}"
    commands = []
    for name in names:
        place = tmp_path / "copies" / name  # of its own: not beside another one
        place.mkdir(parents=True)
        rest = ["-i", "0.001", "-c", "1"] if name == "recurring_timer" else NETWORKED.get(name, BLOCKING.get(name, []))
        copy = shutil.copy(CHECKOUT / "examples" / f"{name}.py", place)
        commands.append([str(copy), *(argument.format(url=url) for argument in rest)])
    results = run_each(commands, tmp_path, environment(PYTHONPATH=str(library)))
    assert len(results) == len(names)
    for name, result in zip(names, results):
        if name in BLOCKING:
            assert "Connection refused" in one_line(result), name
        elif name in NETWORKED:
            assert "Start a broker with: " in one_line(result), name
        else:
            assert lines(result), name


def each_networked(urls: list[str], way: str, place: Path) -> Iterator[tuple[str, tuple[int, str, str]]]:
    """The name and the result of each example that connects, at a URL of its own."""
    commands = [[*example(name, way)[1:], *arguments(name, url)] for name, url in zip(NETWORKED, urls)]
    yield from zip(NETWORKED, run_each(commands, place, environment()))


@pytest.mark.parametrize("way", ["module", "file"])
def test_no_broker(way: str, place: Path) -> None:
    port = unused_port()
    url = f"amqp://127.0.0.1:{port}"
    for name, result in each_networked([url] * len(NETWORKED), way, place):
        err = one_line(result)
        assert f"127.0.0.1:{port}" in err, name
        assert f"Start a broker with: python -m handlers.broker --listen {url}" in err, name


def test_a_peer_that_refuses_the_link(tmp_path: Path) -> None:
    class Refusing(Listening):
        def on_link_opened(self, event: Any) -> None:
            event.link.condition = Condition("amqp:not-found", "no such node")
            event.link.close()

    with ExitStack() as stack:
        urls = [stack.enter_context(Peer(Refusing())) for _ in NETWORKED]
        results = list(each_networked(urls, "file", tmp_path))
    for name, (status, _, err) in results:
        assert status == 1, name
        # One line for each link: a peer may refuse both of client and server.
        assert err, name
        for line in err.splitlines():
            assert line.endswith("closed by the peer: amqp:not-found: no such node"), name


def test_a_peer_that_goes_away_in_good_order(tmp_path: Path) -> None:
    class Leaving(Listening):
        def on_link_opened(self, event: Any) -> None:
            self.acceptor.close()
            event.connection.condition = Condition("amqp:connection:forced", "closing time")
            event.connection.close()

    with ExitStack() as stack:
        urls = [stack.enter_context(Peer(Leaving())) for _ in NETWORKED]
        results = list(each_networked(urls, "file", tmp_path))
    for name, (status, _, err) in results:
        assert status == 1, name
        assert "amqp:connection:forced: closing time" in err.splitlines()[-1] and len(err.splitlines()) <= 2, name


def test_a_peer_that_speaks_something_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in NETWORKED:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                    while connection.recv(4096):
                        pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        for name, result in each_networked([f"amqp://127.0.0.1:{port}"] * len(NETWORKED), "file", tmp_path):
            assert f"127.0.0.1:{port}" in one_line(result), name
        thread.join(DEADLINE)
        assert not thread.is_alive(), "each has connected"


def test_wrong_arguments_explain_the_right_ones(tmp_path: Path) -> None:
    status, out, err = run(example("send", "file"), tmp_path)
    assert (status, out) == (2, "")
    assert "usage: send.py" in err and "url, address, body" in err


# The samples of the book's chapter on message delivery, as it prints them. Only the imports, and what follows
# `if __name__`, were added; where it prints methods alone, they go into the class of the sample before.

SENDING = '''
class ExampleHandler(MessagingHandler):
    def on_start(self, event):
        conn = event.container.connect("amqp://example.com")
        sender = event.container.create_sender(conn, "jobs")

    def on_sendable(self, event):
        message = Message("job-content")
        event.sender.send(message)
'''

TRACKING = '''
class ExampleHandler(MessagingHandler):
    message_body = "job-content"

    def on_start(self, event):
        conn = event.container.connect("amqp://example.com")
        sender = event.container.create_sender(conn, "jobs")

    def on_sendable(self, event):
        message = Message(self.message_body)
        delivery = event.sender.send(message)

    def on_accepted(self, event):
        print("Delivery", event.delivery, "is accepted")

    def on_rejected(self, event):
        print("Delivery", event.delivery, "is rejected")
'''

RECEIVING = '''
class ExampleHandler(MessagingHandler):
    def on_start(self, event):
        conn = event.container.connect("amqp://example.com")
        receiver = event.container.create_receiver(conn, "jobs")

    def on_message(self, event):
        print("Received message", event.message, "from", event.receiver)
'''

ACKNOWLEDGING = '''
def process_message(message):
    if message.body == "bad":
        raise ValueError(message.body)


class ExampleHandler(MessagingHandler):
    def on_start(self, event):
        conn = event.container.connect("amqp://example.com")
        receiver = event.container.create_receiver(conn, "jobs")

    def on_message(self, event):
        try:
            process_message(event.message)
            event.delivery.update(ACCEPTED)
        except:
            event.delivery.update(REJECTED)
'''

IMPORTS = '''
from handlers import MessagingHandler
from reactor import ACCEPTED, REJECTED, Container, Message
'''

MAIN = '''
if __name__ == "__main__":
    Container(ExampleHandler()).run()
'''

# The samples connect to example.com, port 5672. Here that name leads to the peer of the test.
LEAD_TO = '''
import runpy, socket, sys

really = socket.getaddrinfo

def getaddrinfo(host, port, *rest, **named):
    assert host in ("example.com", b"example.com") and int(port) == 5672, (host, port)
    return really("127.0.0.1", int(sys.argv[2]), *rest, **named)

socket.getaddrinfo = getaddrinfo
runpy.run_path(sys.argv[1], run_name="__main__")
'''


def sample(source: str, url: str, directory: Path) -> Script:
    """One of the samples, running, with `url` for example.com."""
    path = directory / "sample.py"
    path.write_text(IMPORTS + source + MAIN, encoding="utf-8")
    port = url.rpartition(":")[2]
    return Script([sys.executable, "-u", "-c", LEAD_TO, str(path), port], directory)


def test_the_sample_that_sends(tmp_path: Path, broker: str) -> None:
    with sample(SENDING, broker, tmp_path):
        received = lines(run([*example("receive", "module"), broker, "jobs", "3"], CHECKOUT))
    assert received[1:] == ["RECEIVE: Received message 'job-content'"] * 3


def test_the_sample_that_tracks(tmp_path: Path) -> None:
    class EverySecondOne(Listening):
        received = 0

        def on_message(self, event: Any) -> None:
            self.received += 1
            if self.received % 2 == 0:
                raise Reject("every second one")

    with Peer(EverySecondOne()) as url, sample(TRACKING, url, tmp_path) as tracking:
        assert re.fullmatch(r"Delivery .+ is accepted", tracking.wait_for("is accepted"))
        assert re.fullmatch(r"Delivery .+ is rejected", tracking.wait_for("is rejected"))


def test_the_sample_that_receives(tmp_path: Path, broker: str) -> None:
    with sample(RECEIVING, broker, tmp_path) as receiving:
        put(broker, "jobs", "hello")
        line = receiving.wait_for("Received message")
    assert re.fullmatch(r"Received message Message\(.*'hello'.*\) from .+", line)


def test_the_sample_that_acknowledges(tmp_path: Path) -> None:
    class Tester(Listening):
        """Sends a good and a bad one; `outcomes` has what became of them, in the order of sending."""

        def __init__(self) -> None:
            super().__init__()
            self.sent: list[Delivery] = []
            self.outcomes: dict[int, str] = {}
            self.complete = threading.Event()

        def on_sendable(self, event: Any) -> None:
            if not self.sent:
                self.sent = [event.sender.send(Message(body)) for body in ("good", "bad")]

        def on_accepted(self, event: Any) -> None:
            self.note(event, "accepted")

        def on_rejected(self, event: Any) -> None:
            self.note(event, "rejected")

        def note(self, event: Any, outcome: str) -> None:
            self.outcomes[self.sent.index(event.delivery)] = outcome
            if len(self.outcomes) == len(self.sent):
                event.connection.close()

    tester = Tester()
    with Peer(tester) as url, sample(ACKNOWLEDGING, url, tmp_path) as acknowledging:
        assert acknowledging.finish() == (0, "", "")
    assert tester.outcomes == {0: "accepted", 1: "rejected"}
