"""A running program answers other processes: by a Unix socket, by loopback with a token, by a signal."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Container
from reactor.container.explain import places, questions
from reactor.explain import __main__ as command
from reactor.explain.asking import NoAnswer, ask
from reactor.simulation import World
from tests.support.holding import Serves
from tests.support.processes import DEADLINE

#: Options of the command: no answer is too late.
PATIENT = ["--timeout", str(DEADLINE)]

unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Unix sockets are asked by")


class Running:
    """A container in a thread."""

    def __init__(self) -> None:
        self.handler = Serves()
        self.container = Container(self.handler, container_id="here")
        self.thread = threading.Thread(target=self.container.run)
        self.thread.start()
        assert self.handler.ready.wait(DEADLINE)

    def listen(self, *args: Any, **options: Any) -> Any:
        """Listen for questions; it answers whenever its loop does, however busy this machine is."""
        patience = options.pop("patience", DEADLINE)
        listening = self.container.listen_for_questions(*args, **options)
        listening.patience = patience
        return listening

    def stop(self) -> None:
        self.handler.go_on.set()
        self.container.stop()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is."""
    monkeypatch.setattr(questions, "SECONDS", DEADLINE)


@pytest.fixture
def running(runtime_dir: Path) -> Any:
    one = Running()
    yield one
    one.stop()


def raw(place: str, sent: bytes, shut: bool = False) -> bytes:
    """What comes for these bytes, up to the end."""
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(DEADLINE)
        asker.connect(place)
        asker.sendall(sent)
        if shut:
            asker.shutdown(socket.SHUT_WR)
        data = b""
        try:
            while True:
                piece = asker.recv(65536)
                if not piece:
                    return data
                data += piece
        except ConnectionResetError:
            return data


# -- answers ---------------------------------------------------------------------------------------------------------


@unix
def test_a_process_is_asked_by_its_number(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    listening = running.listen()
    assert Path(listening.address).name == "%d.sock" % os.getpid() and listening.token is None
    assert command.main([str(os.getpid()), *PATIENT]) == command.WELL
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "nothing stands in the way: 0 connections with 0 links"
    assert out[1].startswith("waits for peers that connect to 127.0.0.1:")
    assert command.main([str(os.getpid()), "--json", "--near", *PATIENT]) == command.WELL
    [answer] = json.loads(capsys.readouterr().out)
    assert answer["sentences"][0]["kind"] == "well" and answer["container"].endswith("container here")


@unix
def test_several_containers_of_a_process(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    other = Running()
    try:
        first, second = running.listen(), other.listen()
        assert Path(second.address).name == "%d-2.sock" % os.getpid() != Path(first.address).name
        assert command.main([str(os.getpid()), *PATIENT]) == command.WELL
        assert capsys.readouterr().out.count("container here:") == 2
    finally:
        other.stop()
    assert not Path(second.address).exists() and Path(first.address).exists()


@unix
def test_the_handler_that_holds_the_loop_is_named(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    listening = running.listen(patience=0.2)
    running.container.call_soon_threadsafe(running.handler.hold)
    assert running.handler.holds.wait(DEADLINE)
    assert command.main([listening.address, *PATIENT]) == command.STUCK
    assert "the handler holding.py:Serves.hold has held the loop for at least" in capsys.readouterr().out


def test_loopback_wants_the_token(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    listening = running.listen("127.0.0.1:0")
    assert len(listening.token) > 30
    assert command.main([listening.address, "--token", listening.token, *PATIENT]) == command.WELL
    for wrong in ([], ["--token", "x" * 40], ["--token", "é"]):
        assert command.main([listening.address, *wrong, *PATIENT]) == command.NO_ANSWER
        assert "the token is wrong" in capsys.readouterr().err


@unix
def test_the_end_of_the_run_ends_it(running: Running) -> None:
    listening = running.listen()
    running.stop()
    assert not Path(listening.address).exists()
    listening.close()
    with pytest.raises(NoAnswer, match="No such file"):
        ask(listening.address, None, False, 1)


@unix
def test_the_environment_switches_it_on(runtime_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQP_REACTOR_QUESTIONS", "1")
    running = Running()
    assert [Path(path).name for path in places.of_process(os.getpid())] == ["%d.sock" % os.getpid()]
    running.stop()
    assert places.of_process(os.getpid()) == []


def test_a_simulated_container_hears_no_other_process() -> None:
    with pytest.raises(RuntimeError, match=r"world\.explain\(\)"):
        World().container().listen_for_questions()


@unix
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="a signal is sent")
def test_a_signal_prints_the_answer(
    runtime_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    shown: list[str] = []

    class Asks(MessagingHandler):
        def on_start(self, event: Any) -> None:
            self.listening = event.container.listen_for_questions(by_signal=True)
            self.listening.patience = DEADLINE
            self.last = event.container.schedule(3600, self)
            event.container.schedule(0, self)

        def on_timer_task(self, event: Any) -> None:
            if not shown:
                os.kill(os.getpid(), signal.SIGUSR1)
                shown.append("")
            shown[0] += capfd.readouterr().err
            if "\n  " not in shown[0]:
                event.container.schedule(0.01, self)
            else:
                self.last.cancel()

    Container(Asks(), container_id="here").run()
    assert shown[0].startswith("why nothing moves in here:\n  waits only for ")
    assert signal.getsignal(signal.SIGUSR1) == before


@unix
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="a signal is sent")
def test_a_signal_is_for_the_main_thread(running: Running) -> None:
    errors: list[str] = []

    def listen() -> None:
        try:
            running.container.listen_for_questions(by_signal=True)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join(DEADLINE)
    assert errors == ["by_signal=True is for the main thread, in which Python's signals are"]
    assert places.of_process(os.getpid()) == []


# -- askers that do their worst --------------------------------------------------------------------------------------


@unix
@pytest.mark.parametrize(
    "line", [b"\n", b"explain\n", b"[]\n", b"null\n", b'{"question": 7}\n', b"\xff\x00\n", b"[" * 1000 + b"\n"]
)
def test_a_question_that_is_none_gets_an_error(running: Running, line: bytes) -> None:
    listening = running.listen()
    assert b'{"error": "a question is a line such as' in raw(listening.address, line)


@unix
def test_half_a_question_and_too_much_of_one_get_nothing(running: Running) -> None:
    listening = running.listen()
    assert raw(listening.address, b'{"question"', shut=True) == b""
    assert raw(listening.address, b"x" * 5000) == b""
    assert b'"end": true' in raw(listening.address, b'{"question": "explain"}\n')


@unix
def test_askers_that_say_nothing_do_not_keep_others_waiting(running: Running) -> None:
    listening = running.listen()
    silent = [socket.socket(socket.AF_UNIX) for _ in range(questions.MOST_ASKERS - 1)]
    try:
        for one in silent:
            one.connect(listening.address)
        assert b'"end": true' in raw(listening.address, b'{"question": "explain"}\n')
    finally:
        for one in silent:
            one.close()


@unix
def test_several_askers_at_once_are_all_answered(running: Running) -> None:
    listening = running.listen()
    answers: list[bytes] = []
    asking = lambda: answers.append(raw(listening.address, b'{"question": "explain"}\n'))  # noqa: E731
    threads = [threading.Thread(target=asking) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(answers) == 8 and all(b'"end": true' in answer for answer in answers)


@unix
def test_a_silent_asker_is_let_go_in_time(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "SECONDS", 0.05)
    assert raw(running.listen().address, b"{") == b""


# -- files -----------------------------------------------------------------------------------------------------------


@unix
def test_the_socket_is_the_user_s_alone(running: Running, runtime_dir: Path) -> None:
    path = runtime_dir / "mine"
    with running.listen(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_ISSOCK(path.stat().st_mode)
    running.listen()
    assert stat.S_IMODE((runtime_dir / "amqp-reactor").stat().st_mode) == 0o700


@unix
def test_no_file_is_overwritten(running: Running, runtime_dir: Path) -> None:
    path = runtime_dir / "notes"
    path.write_text("dear diary")
    with pytest.raises(FileExistsError, match="is no socket: it is left as it is"):
        running.listen(str(path))
    assert path.read_text() == "dear diary"
    (runtime_dir / "link").symlink_to(path)
    with pytest.raises(FileExistsError):
        running.listen(str(runtime_dir / "link"))


@unix
def test_a_socket_that_lives_is_left_and_a_stale_one_taken_away(running: Running, runtime_dir: Path) -> None:
    path = runtime_dir / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(OSError, match="another container listens for questions"):
            running.listen(str(path))
    assert path.exists()  # nothing listens there any more
    listening = running.listen(str(path))
    assert b'"end": true' in raw(str(path), b'{"question": "explain"}\n')
    path.unlink()
    path.write_text("something else by now")
    listening.close()
    assert path.exists()


@unix
def test_a_directory_of_others_is_not_used(runtime_dir: Path, running: Running) -> None:
    (runtime_dir / "amqp-reactor").mkdir(mode=0o777)
    (runtime_dir / "amqp-reactor").chmod(0o777)
    with pytest.raises(PermissionError, match="no directory of this user alone"):
        running.listen()


@unix
def test_a_path_that_is_too_long_or_not_there(running: Running, runtime_dir: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        running.listen(str(runtime_dir / ("x" * 200)))
    with pytest.raises(OSError, match="cannot listen for questions at"):
        running.listen(str(runtime_dir / "none" / "s"))


@pytest.mark.parametrize(("place", "token", "text"), [
    ("example.com:80", None, "on this machine alone"), ("0.0.0.0:0", None, "on this machine alone"),
    ("127.0.0.1:0", "short", "16 characters"), (None, "t" * 20, "for an address"),
])  # fmt: skip
def test_places_and_tokens_that_are_wrong(running: Running, place: Any, token: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        running.listen(place, token=token)


# -- the command -----------------------------------------------------------------------------------------------------


@unix
def test_processes_that_are_not_there_or_do_not_listen(
    runtime_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(os.getpid()), *PATIENT]) == command.NO_ANSWER
    assert "does not listen for questions, and cannot be made to now: a program that" in capsys.readouterr().err
    assert command.main(["99999999"]) == command.NO_ANSWER
    assert "there is no process 99999999" in capsys.readouterr().err
    assert command.main([str(runtime_dir / "none")]) == command.NO_ANSWER


@pytest.mark.parametrize("options", [[], ["amqp://127.0.0.1"], ["1", "--timeout", "0"], ["8.8.8.8:1"]])
def test_mistakes_in_the_options(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        command.main(options)
    assert exit.value.code == command.USAGE


@unix
@pytest.mark.parametrize("answer", [b"", b"hello\n", b"[]\n", b'{"amqp-reactor": 1}\n',
                                    b'{"amqp-reactor": 2, "pid": 1}\n{"end": true}\n', b'{"error": 7}\n'])  # fmt: skip
def test_an_answer_of_another_program_is_no_answer(runtime_dir: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(runtime_dir / "s"))
        other.listen()

        def serve() -> None:
            wire, _ = other.accept()
            with wire, wire.makefile("rb") as asked:
                asked.readline()  # all of it: to close before would be a reset
                wire.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(NoAnswer, match="no answer of a container"):
            ask(str(runtime_dir / "s"), None, True, DEADLINE)
        thread.join(DEADLINE)


@unix
def test_without_a_thread_nothing_is_left_behind(runtime_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    container, before = Container(), signal.getsignal(signal.SIGUSR1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            container.listen_for_questions(by_signal=True)
    assert list(runtime_dir.rglob("*.sock")) == [] and signal.getsignal(signal.SIGUSR1) == before
    container.listen_for_questions().close()
    container.close()
