"""python -m reactor.look: a program runs as it does without it, and leaves a picture; a recording is drawn."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from handlers.broker import Broker
from reactor.look.__main__ import main
from reactor.look.watching import Watching
from reactor.simulation import World
from reactor.tracing.recording import Recording
from tests.support.processes import CHECKOUT, Script
from tests.support.recordings import Worker, recorded
from tests.tracing.test_timeline import UP, frames

LOOK = [sys.executable, "-m", "reactor.look"]

#: A program that sends to itself, over a real socket.
ITSELF = '''
import sys
from handlers import MessagingHandler
from reactor import Container, Message


class Itself(MessagingHandler):
    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        connection = event.container.connect(self.acceptor.url)
        event.container.create_sender(connection, "jobs").send(Message("</script>"))

    def on_accepted(self, event):
        event.connection.close()
        self.acceptor.close()


Container(Itself()).run()
print(sys.argv, __name__, __file__, sys.path[0])
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "itself.py").write_text(ITSELF, encoding="utf-8")
    recorded(3).write(tmp_path / "run.jsonl")
    return tmp_path


def run(command, cwd):
    """(exit status, stdout, stderr); it may take long on a machine that is busy."""
    with Script(command, cwd, life=300) as script:
        return script.finish()


def test_a_program_runs_as_it_does_alone_and_leaves_a_page(here):
    status, out, err = run([*LOOK, "itself.py", "a", "-b", "-o", "run.html"], here)
    folder = here.resolve()
    assert (status, out) == (0, f"['itself.py', 'a', '-b'] __main__ {here / 'itself.py'} {folder}\n")
    assert err.startswith("%s: " % (here / "run.html")) and "1 delivery (1 accepted)" in err
    page = (here / "run.html").read_text(encoding="utf-8")
    assert "<title>itself.py</title>" in page and "&lt;/script&gt;" in page


def test_in_a_checkout_a_file_has_the_library_that_looks_at_it():
    with Script([*LOOK, "--text", "examples/helloworld.py"], CHECKOUT, life=300, PYTHONPATH="") as script:
        status, out, err = script.finish()
    assert (status, err) == (0, "")
    assert "Accepted: the broker has the message" in out and "#0 Hello World!" in out


def test_a_module_keeps_its_exit_status_and_has_all_that_is_behind_it(here):
    (here / "ends.py").write_text(ITSELF + "sys.exit(7)", encoding="utf-8")
    status, out, _ = run([*LOOK, "-o", "seen.svg", "-m", "ends", "-o", "its.own"], here)
    assert status == 7 and "'-o', 'its.own'] __main__" in out
    assert (here / "seen.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_program_that_fails_leaves_its_picture_and_its_traceback(here):
    (here / "fails.py").write_text(ITSELF + "1 / 0", encoding="utf-8")
    status, out, err = run([*LOOK, "fails.py", "--text"], here)
    assert status == 1 and "ZeroDivisionError" in err
    assert "</script>" in out and "accepted #0" in out


def test_a_program_that_is_interrupted_leaves_its_picture(here):
    waits = ITSELF.replace("    def on_accepted(self, event):\n", "    def on_accepted(self, event):\n"
                           "        print('there', flush=True)\n        return\n")  # fmt: skip
    (here / "waits.py").write_text(waits, encoding="utf-8")
    with Script([*LOOK, "-o", "waits.html", "waits.py"], here, life=300) as script:
        script.wait_for("there")
        script.process.send_signal(signal.SIGTERM)
        status, _, _ = script.finish()
    assert status == 128 + signal.SIGTERM
    assert "1 delivery (1 accepted)" in (here / "waits.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [None, 1, 2, 3, 4])
def test_a_world_is_recorded_as_it_is_and_of_several_one(number):
    watching = Watching("worlds", number)
    try:
        for seed in range(1, 4):
            world = World(seed)
            world.start(Broker, "amqp://broker")
            for worker in range(seed):
                world.start(Worker, name="worker %d" % worker)
            world.run_for(5)
    finally:
        recording = watching.stop()
    assert watching.worlds == 3
    if number == 4:
        assert recording.header["cut"] == ["there is no world 4: the program has made 3"] and not recording.records
        return
    shown = number or 3
    assert len(recording.timeline().lanes) == 1 + shown
    sentence = "this is world %d of a program that has made 3 simulated worlds: --world NUMBER shows another world"
    assert recording.header["cut"] == [sentence % shown]
    assert sentence % shown in recording.html() and "--world NUMBER" in " ".join(recording.text().split())
    World(1).start(Broker, "amqp://broker")
    assert watching.worlds == 3  # it watches no more


def test_worlds_that_take_turns_are_told_apart():
    watching = Watching("worlds")
    try:
        worlds = [World(1), World(2)]
        for world in worlds:
            world.start(Broker, "amqp://broker")
        for number, world in enumerate((*worlds, worlds[0])):
            world.start(Worker, name="worker %d" % number)
            world.run_for(5)
    finally:
        recording = watching.stop()
    assert watching.worlds == 2
    assert [lane.name for lane in recording.timeline().lanes] == ["broker", "worker"], "and not two workers"


@pytest.mark.parametrize("number", [None, 1])
def test_a_world_beside_real_connections(number, here):
    simulated = ITSELF + "\nfrom reactor.simulation import World\nWorld(1).start(Itself, name='simulated')\n"
    (here / "both.py").write_text(simulated, encoding="utf-8")
    chosen = [] if number is None else ["--world", "1"]
    status, _, err = run([*LOOK, *chosen, "--text", "both.py"], here)
    part = "the real connections" if number is None else "world 1"
    sentence = "this is %s of a program that has made a simulated world and real connections: --world NUMBER" % part
    assert status == 0 and sentence in err


# -- recordings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["html", "svg", "txt", "jsonl"])
def test_a_recording_is_drawn_in_the_format_of_the_ending(here, ending, capsys):
    assert main(["-o", "out." + ending, "run.jsonl"]) == 0
    recording = Recording.read("run.jsonl")
    wanted = {"html": recording.html, "svg": recording.svg, "txt": recording.text}.get(ending)
    found = (here / ("out." + ending)).read_text(encoding="utf-8")
    assert found == wanted() if wanted else Recording.read("out.jsonl") == recording
    assert "6 deliveries" in capsys.readouterr().err


def test_without_a_name_the_page_has_that_of_the_recording(here):
    assert main(["run.jsonl"]) == 0
    assert (here / "run.html").exists()


def test_as_text(here, capsys):
    assert main(["--text", "run.jsonl"]) == 0
    assert capsys.readouterr().out == recorded(3).text()
    assert not (here / "run.html").exists()


def test_a_capture_is_drawn(here, capsys):
    assert main(["-o", "run.pcapng", "run.jsonl"]) == 0
    assert main(["--text", "run.pcapng"]) == 0
    printed = capsys.readouterr().out
    assert "accepted #0-2" in printed and "attach (from jobs)" in printed and "#0 job 0" in printed


def test_a_part_of_the_time(here, capsys):
    assert main(["--text", "--from", "0.095", "--until", "0.2", "run.jsonl"]) == 0
    printed = capsys.readouterr().out
    assert "accepted #0-2" in printed and "attach" not in printed and "part from 0.095" in printed


def test_a_recording_without_a_title_has_its_name(here, capsys):
    Recording({}, frames(*UP)).write("plain.jsonl")
    assert main(["--text", "--all", "plain.jsonl"]) == 0
    assert capsys.readouterr().out.startswith("plain.jsonl\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.jsonl"], "cannot read nothing.jsonl: No such file"),
        (["nothing.py"], "cannot open nothing.py: No such file"),
        (["bad.jsonl"], "bad.jsonl, line 1: no recording begins like this"),
        (["-o", "run.pdf", "run.jsonl"], "-o run.pdf: the ending of its name is its format: .html, .svg"),
        (["-o", "no/run.html", "run.jsonl"], "there is no folder no"),
        (["-o", "folder.html", "run.jsonl"], "this is a folder"),
        (["-o", "run.jsonl", "run.jsonl"], "this would replace run.jsonl itself"),
        (["run.jsonl", "more"], "a recording takes no arguments: more"),
        (["--world", "2", "run.jsonl"], "--world is for a program"),
        (["--world", "0", "run.py"], "worlds have numbers from 1 on, not 0"),
        (["--width", "20", "run.jsonl"], "40 columns, not 20"),
        ([], "required"),
    ],
)
def test_mistakes_are_explained(here, arguments, sentence, capsys):
    (here / "bad.jsonl").write_text("{}\n", encoding="utf-8")
    (here / "folder.html").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_is_an_error(here, capsys):
    if os.geteuid() == 0:
        os.symlink("/dev/full", here / "full.html")
    else:
        (here / "full.html").touch(mode=0o400)
    assert main(["-o", "full.html", "run.jsonl"]) == 1
    assert "cannot write full.html" in capsys.readouterr().err


