"""`python -m handlers.broker` as a user runs it: a process of its own, on a real port."""

from __future__ import annotations

import signal
import socket
import sys

import pytest

from handlers import MessagingHandler
from handlers.broker.__main__ import COMMANDS, Command, main
from handlers.broker.commands.sizes import size
from reactor import Container, Message
from tests.support.processes import CHECKOUT, Script, run, unused_port

COMMAND = [sys.executable, "-m", "handlers.broker"]


class Once(MessagingHandler):
    """Sends one message and waits until it is accepted, or its link is refused."""

    def __init__(self, url, address="jobs"):
        super().__init__()
        self.url, self.address, self.told = url, address, None

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_sender(connection, self.address).send(Message("hello"))

    def on_accepted(self, event):
        self.told = "accepted"
        event.connection.close()

    def on_link_error(self, event):
        self.told = event.link.remote_condition.name
        event.connection.close()


def tell(url, address="jobs"):
    client = Once(url, address)
    Container(client).run()
    return client.told


def stop(script, number=signal.SIGTERM):
    script.process.send_signal(number)
    return script.finish()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals between processes there")
def test_it_tells_where_it_listens_serves_and_stops_cleanly(number, tmp_path):
    with Script([*COMMAND, "--listen", "amqp://127.0.0.1:0"], tmp_path) as broker:
        url = broker.wait_for("Listening on").rpartition(" ")[2]
        assert tell(url) == "accepted"
        assert stop(broker, number) == (0, "Shutting down\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals between processes there")
def test_a_client_that_is_connected_does_not_keep_it(tmp_path):
    port_file = tmp_path / "port"
    command = [*COMMAND, "--listen", "amqp://127.0.0.1:0", "--port-file", str(port_file), "--name", "mine"]
    with Script(command, tmp_path) as broker:
        broker.wait_for("Listening on")
        port = int(port_file.read_text())

        class Waiting(MessagingHandler):
            told = None

            def on_start(self, event):
                event.container.connect(f"amqp://127.0.0.1:{port}", reconnect=False)

            def on_connection_opened(self, event):
                self.name = event.connection.remote_container
                broker.process.send_signal(signal.SIGTERM)

            def on_disconnected(self, event):
                self.told = event.connection.remote_condition.name

        client = Waiting()
        Container(client).run()
        assert (client.name, client.told) == ("mine", "amqp:connection:forced")
        assert broker.finish()[0] == 0


def test_several_places_to_listen(tmp_path):
    command = [*COMMAND, "--listen", "amqp://127.0.0.1:0", "--listen", "amqp://localhost:0"]
    with Script(command, tmp_path) as broker:
        urls = [broker.wait_for("Listening on").rpartition(" ")[2] for _ in range(2)]
        assert len(set(urls)) == 2
        assert [tell(url) for url in urls] == ["accepted"] * 2


def test_a_broker_at_every_address_of_the_machine_shows_that(tmp_path):
    with Script([*COMMAND, "--listen", "amqp://0.0.0.0:0", "--anonymous"], tmp_path) as broker:
        assert broker.wait_for("Listening on").startswith("Listening on amqp://0.0.0.0:")


def test_a_port_in_use_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, out, err = run([*COMMAND, "--listen", f"amqp://127.0.0.1:{port}"], CHECKOUT)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1 and f"127.0.0.1:{port}" in err and "in use" in err


def test_a_scheme_that_cannot_be_had_is_one_clear_line():
    status, out, err = run([*COMMAND, "--listen", "amqps://127.0.0.1:0"], CHECKOUT)
    assert (status, out) == (2, "")
    assert err == (
        "amqp-broker: to listen at amqps://127.0.0.1:0 takes a certificate: --tls-cert FILE, --tls-key FILE\n"
    )


def test_no_auto_create_and_declared_nodes(tmp_path):
    command = [*COMMAND, "--listen", f"amqp://127.0.0.1:{unused_port()}", "--no-auto-create", "--queue", "jobs"]
    with Script(command, tmp_path) as broker:
        url = broker.wait_for("Listening on").rpartition(" ")[2]
        assert (tell(url, "jobs"), tell(url, "other")) == ("accepted", "amqp:not-found")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals between processes there")
def test_verbose_tells_who_comes_and_goes(tmp_path):
    with Script([*COMMAND, "--listen", "amqp://127.0.0.1:0", "--verbose"], tmp_path) as broker:
        url = broker.wait_for("Listening on").rpartition(" ")[2]
        tell(url)
        status, _, err = stop(broker)
    assert status == 0 and "queue 'jobs' made" in err and "connection from" in err


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for word in ("examples:", "--listen", "amqp://127.0.0.1:5672", "--no-auto-create", "python -m examples.send"):
        assert word in out
    assert max(map(len, out.splitlines())) <= 110


@pytest.mark.parametrize("arguments, word", [
    (["--max-queue-bytes", "many"], "not a size: 'many'"),
    (["--max-message-size", "-1"], "not a size"),
    (["--listen", "amqp://host:port"], "port"),
    (["--nonsense"], "--nonsense"),
    (["--port", "5673"], "--port"),
])  # fmt: skip
def test_bad_arguments_are_explained(arguments, word, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and word in capsys.readouterr().err


@pytest.mark.parametrize("text, bytes", [("64K", 65536), ("1g", 1 << 30), ("7", 7), ("0", 0)])
def test_sizes_have_units(text, bytes):
    assert size(text) == bytes


def test_without_a_command_it_serves_and_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert capsys.readouterr().out == out
    for name, command in COMMANDS.items():
        assert f"  {name} " in out and command.help in out


def test_a_command_gets_the_arguments_after_its_name(monkeypatch):
    monkeypatch.setitem(COMMANDS, "count", Command(len, "counts"))
    assert main(["count", "--one", "two"]) == 2


def test_an_unknown_command_is_one_clear_line(capsys):
    assert main(["sevre"]) == 2
    assert capsys.readouterr().err.startswith("amqp-broker: no command 'sevre'; there are ")
