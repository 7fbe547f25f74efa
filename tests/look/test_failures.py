"""A run that fails names the picture of it, where the environment names a folder for pictures."""

from __future__ import annotations

import logging

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor.simulation import World, explore


class Worker(MessagingHandler):
    def on_start(self, event):
        event.container.create_receiver("amqp://broker/jobs")


def never_twice(world):
    broker = world.start(Broker, "amqp://broker")
    world.start(Worker)
    world.run_until(lambda: broker.handler.statistics("jobs").consumers)
    broker.crash()
    world.run_for(1)
    assert world.seed != 3, "the third"


@pytest.fixture(autouse=True)
def quiet_logs():
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def fail(capsys, error=AssertionError):
    with pytest.raises(error):
        explore(never_twice, range(1, 9))
    return capsys.readouterr().err


def test_the_failed_run_alone_is_drawn(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("AMQP_REACTOR_PICTURES", str(tmp_path / "pictures"))
    said = fail(capsys)
    file = tmp_path / "pictures" / "never_twice-seed-3.html"
    assert f"the picture of it: {file}\n" in said
    assert list(file.parent.iterdir()) == [file]
    page = file.read_text(encoding="utf-8")
    assert "<title>seed 3</title>" in page and "attach (from jobs)" in page and "crashed" in page


def test_it_is_the_same_run_as_without_the_picture(monkeypatch, tmp_path):
    digests = []
    for folder in ("", str(tmp_path)):
        monkeypatch.setenv("AMQP_REACTOR_PICTURES", folder)
        with World(5) as world:
            never_twice(world)
        digests.append(world.digest)
    assert digests[0] == digests[1]


def test_a_folder_that_cannot_be_written_hides_no_failure(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AMQP_REACTOR_PICTURES", str(tmp_path / "file" / "pictures"))
    assert "no picture of it: cannot write" in fail(capsys)


def test_without_the_variable_nothing_is_drawn(monkeypatch, capsys):
    monkeypatch.delenv("AMQP_REACTOR_PICTURES", raising=False)
    assert "picture" not in fail(capsys)


def test_notebooks_show_a_recorded_world():
    with World(1, record=True) as world:
        never_twice(world)
    assert world._repr_html_().startswith("<iframe ")
    assert world._repr_svg_().startswith("<svg ")
    with World(1) as world:
        assert world._repr_html_() is None and world._repr_svg_() is None
