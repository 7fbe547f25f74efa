"""The worker of reactor/PRODUCTION.md, as its supervisor sees it: signals, exit status, health probe."""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import Container, Message
from tests.support.chapters import CHAPTERS
from tests.support.processes import Script, run

PAGE = CHAPTERS["reactor/PRODUCTION.md"]
CHAPTER = PAGE.text
DOCKERFILE = next(block.text for block in PAGE.blocks if block.language == "dockerfile")
#: Seconds for which the worker finishes what it has begun.
DRAIN = 20


class Send(MessagingHandler):
    """Sends one job, and closes when it is accepted."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def on_start(self, event: Any) -> None:
        event.container.create_sender(self.url).send(Message("sweep", durable=True))

    def on_settled(self, event: Any) -> None:
        event.connection.close()


class Place:
    """A directory with the worker, its secret, and the file by which it shows that it is well."""

    def __init__(self, directory: Path, broker: EmbeddedBroker) -> None:
        (text,) = PAGE.marked("service").values()
        self.program = directory / "worker.py"
        self.program.write_text(text, encoding="utf-8")
        self.alive = directory / "alive"
        self.directory = directory
        config = {"scheme": "amqp", "host": "127.0.0.1", "port": broker.port}
        (directory / "connect.json").write_text(json.dumps(config), encoding="utf-8")
        self.environment = {"MESSAGING_CONNECT_FILE": str(directory / "connect.json"), "ALIVE": str(self.alive)}

    def start(self) -> Script:
        return Script([sys.executable, "-W", "error", str(self.program)], self.directory, **self.environment)


@pytest.mark.skipif(not hasattr(signal, "SIGTERM") or os.name == "nt", reason="SIGTERM is of POSIX")
def test_the_worker_ends_in_good_order_at_sigterm(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        place = Place(tmp_path, broker)
        Container(Send(f"{broker.url}/jobs")).run()
        with place.start() as worker:
            assert worker.wait_for("done") == "done: sweep"
            assert place.alive.exists()
            worker.process.send_signal(signal.SIGTERM)
            assert worker.finish() == (0, "", "")
        jobs = broker.queue("jobs")
        assert (jobs.depth, jobs.acknowledged) == (0, 1)


def test_the_worker_ends_with_status_1_and_a_reason_when_there_is_no_queue(tmp_path: Path) -> None:
    with EmbeddedBroker(auto_create=False) as broker, Place(tmp_path, broker).start() as worker:
        status, _, error = worker.finish()
    assert status == 1
    assert re.search(r"^worker: receiver .* no node 'jobs'", error, re.M)


def test_the_health_probe_tells_a_fresh_file_from_an_old_one(tmp_path: Path) -> None:
    (command,) = re.findall(r"^HEALTHCHECK CMD (.*)$", DOCKERFILE, re.M)
    interpreter, *arguments = json.loads(command)
    assert interpreter == "python"
    alive = tmp_path / "alive"
    probe = [sys.executable, *arguments]
    assert run(probe, tmp_path, ALIVE=str(alive))[0] == 1
    alive.touch()
    assert run(probe, tmp_path, ALIVE=str(alive))[0] == 0
    os.utime(alive, (time.time() - 16, time.time() - 16))
    assert run(probe, tmp_path, ALIVE=str(alive))[0] == 1


def test_the_unit_gives_the_worker_its_environment_and_the_time_that_it_needs() -> None:
    (text,) = (block.text for block in PAGE.blocks if block.language == "ini")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names of systemd have capitals
    unit.read_string(text)
    service = unit["Service"]
    names = {pair.partition("=")[0] for pair in service["Environment"].split()}
    (worker,) = PAGE.marked("service").values()
    assert names == set(re.findall(r"\b(?:MESSAGING_CONNECT_FILE|ALIVE)\b", worker))
    assert f"drain={DRAIN}" in worker
    assert int(service["TimeoutStopSec"]) > DRAIN
    assert int(re.findall(r"--time (\d+)", CHAPTER)[0]) > DRAIN
    assert service["LoadCredential"].partition(":")[0] == "connect.json"
