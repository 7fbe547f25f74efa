"""The systems that the tests do not run on, by stand-ins for Python's modules there: Windows, and macOS.

The numbers of errors and signals are those of Python on these systems (learn.microsoft.com, "Windows Sockets Error
Codes"; errno.h of macOS). A container runs over the sockets of this machine with the pollers of those.
"""

from __future__ import annotations

import ast
import errno
import os
import selectors
import signal
import socket
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import Container, Message
from reactor.container import service_manager, signals
from reactor.container.explain import places, questions
from reactor.container.settings import config
from reactor.explain import asking
from reactor.explain.asking import NoAnswer, ask
from reactor.loop import busy_poll, dial, poller, sockets
from reactor.loop.clock import MonotonicClock
from reactor.loop.wires import ConnectError
from reactor.system import HERE, System
from tests.support.processes import CHECKOUT


def no_mode(descriptor: int, mode: int) -> None:
    raise OSError(errno.EINVAL, "fchmod is not for sockets there")


RESET = "An existing connection was forcibly closed by the remote host"

WINDOWS = System(
    "win32",
    posix=False,
    os_module=SimpleNamespace(strerror=lambda code: "Unknown error"),
    errno_module=SimpleNamespace(
        EAGAIN=11, EINTR=4, EPERM=1, EWOULDBLOCK=10035, EINPROGRESS=10036, ENOPROTOOPT=10042, EPROTONOSUPPORT=10043,
        EOPNOTSUPP=10045, EAFNOSUPPORT=10047, EADDRINUSE=10048, EADDRNOTAVAIL=10049, ENETDOWN=10050, ENETUNREACH=10051,
        ECONNABORTED=10053, ECONNRESET=10054, ECONNREFUSED=10061, EHOSTDOWN=10064, EHOSTUNREACH=10065, EMFILE=10024,
    ),
    socket_module=SimpleNamespace(
        SOL_SOCKET=0xFFFF, SO_REUSEADDR=4, SO_EXCLUSIVEADDRUSE=-5, errorTab={10054: RESET, 10061: "Connection refused"}
    ),
    signal_module=SimpleNamespace(SIGINT=2, SIGBREAK=21),
)  # fmt: skip

MACOS = System(
    "darwin",
    os_module=SimpleNamespace(
        strerror=os.strerror, sched_yield=lambda: None, getuid=getattr(os, "getuid", lambda: 0), fchmod=no_mode
    ),
    errno_module=SimpleNamespace(
        EINTR=4, EPERM=1, EAGAIN=35, EWOULDBLOCK=35, EINPROGRESS=36, ENOPROTOOPT=42, EPROTONOSUPPORT=43, EOPNOTSUPP=102,
        EAFNOSUPPORT=47, EADDRINUSE=48, EADDRNOTAVAIL=49, ENETDOWN=50, ENETUNREACH=51, ECONNABORTED=53, ECONNRESET=54,
        ECONNREFUSED=61, EHOSTDOWN=64, EHOSTUNREACH=65, EPROTO=100,
    ),
    socket_module=SimpleNamespace(
        SOL_SOCKET=0xFFFF, SO_REUSEADDR=4, AF_UNIX=getattr(socket, "AF_UNIX", 1), socket=socket.socket
    ),
    signal_module=SimpleNamespace(SIGINT=2, SIGTERM=15, SIGHUP=1, SIGUSR1=30),
)  # fmt: skip


# -- decisions -----------------------------------------------------------------------------------------------


def test_windows() -> None:
    assert not WINDOWS.has_epoll and WINDOWS.longest_wait == 0.5, "select does not end at Ctrl-C there"
    assert WINDOWS.give_way is None and not WINDOWS.posix and WINDOWS.gathered_from == 0
    assert WINDOWS.ending_signals == [2, 21] and WINDOWS.hang_up is None
    assert {0, 10035, 10036} <= WINDOWS.underway and 10061 not in WINDOWS.underway
    assert {10053, 10054} <= WINDOWS.gave_up and 10024 not in WINDOWS.gave_up, "out of sockets is no peer's doing"
    assert {10047, 10049} <= WINDOWS.no_address and 10048 not in WINDOWS.no_address
    assert WINDOWS.explain(10054) == RESET and WINDOWS.explain(5) == "Unknown error"
    assert WINDOWS.settings_folders() == [] and not WINDOWS.reuses_ports
    selector = WINDOWS.selector()
    assert type(selector) is selectors.SelectSelector
    selector.close()


def test_macos() -> None:
    assert not MACOS.has_epoll and MACOS.longest_wait > 3600 and MACOS.give_way is not None and MACOS.posix
    assert MACOS.ending_signals == [2, 15] and MACOS.hang_up == 1
    assert {0, 35, 36} <= MACOS.underway and 61 not in MACOS.underway
    assert {53, 54, 100} <= MACOS.gave_up and {47, 49} <= MACOS.no_address
    assert MACOS.explain(errno.ECONNRESET) == os.strerror(errno.ECONNRESET)
    assert MACOS.settings_folders()[-1] == "/etc/messaging" and MACOS.reuses_ports


def test_this_one() -> None:
    assert {0, errno.EINPROGRESS, errno.EAGAIN} <= HERE.underway and errno.ECONNRESET in HERE.gave_up
    assert signal.SIGINT in HERE.ending_signals and errno.EADDRNOTAVAIL in HERE.no_address


@pytest.mark.parametrize("system, option", [(WINDOWS, -5), (MACOS, 4)], ids=["Windows", "macOS"])
def test_a_port_is_taken_by_no_other_program(system: System, option: int) -> None:
    set_options = []
    system.claim(SimpleNamespace(setsockopt=lambda *given: set_options.append(given)))
    assert set_options == [(0xFFFF, option, 1)]


def test_settings_are_looked_for_where_the_system_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.VARIABLE, raising=False)
    monkeypatch.setattr(config, "HERE", WINDOWS)
    with pytest.raises(ValueError, match=r"looked for connect\.json; "):
        Container().connect()


# -- signals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system, numbers", [(WINDOWS, [2, 21]), (MACOS, [2, 15])], ids=["Windows", "macOS"])
def test_signals_that_there_are_end_a_run(monkeypatch: pytest.MonkeyPatch, system: System, numbers: Any) -> None:
    handlers: dict[int, Any] = {}
    stand_in = SimpleNamespace(
        signal=lambda number, handler: handlers.__setitem__(number, handler),
        set_wakeup_fd=lambda descriptor, warn_on_full_buffer=False: -1,
        SIG_DFL="default",
        Signals=lambda number: SimpleNamespace(name="SIG%d" % number),
    )
    monkeypatch.setattr(signals, "signal", stand_in)
    monkeypatch.setattr(signals, "HERE", system)
    stopped: list[Any] = []
    lines: list[str] = []
    with signals.Signals(stopped.append, lambda log, given: lines.append(given[0] % given[1:]), -1, 10.0) as run:
        assert list(handlers) == numbers
        handlers[numbers[-1]](numbers[-1], None)
        handlers[numbers[0]](numbers[0], None)
        with pytest.raises(KeyboardInterrupt):
            handlers[numbers[0]](numbers[0], None)
    assert stopped == [10.0, None] and run.status(True) == 128 + numbers[-1]
    assert lines == ["SIG%d: ending, within 10 seconds" % numbers[-1], "SIG%d: ending at once" % numbers[0]]
    assert set(handlers.values()) == {"default"}, "none was there before"


# -- sockets -------------------------------------------------------------------------------------------------


class FakeSocket:
    """A socket that does what it is given: values, or exceptions, for each call."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> Any:
            answer = self.answers[name].pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    def setblocking(self, blocking: bool) -> None:
        assert not blocking

    def fileno(self) -> int:
        return 5

    def close(self) -> None:
        self.closed = True


def test_a_peer_that_gave_up_while_it_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "HERE", WINDOWS)
    network = sockets.SocketNetwork()
    try:
        waiting = FakeSocket(
            accept=[ConnectionResetError(10054, RESET), BlockingIOError(10035, "x"), OSError(10024, "too many")],
            getsockname=[("127.0.0.1", 5), ("127.0.0.1", 5)],
        )
        listener = sockets.SocketListener(network, [waiting])  # type: ignore[list-item]
        assert listener.accept() is None
        with pytest.raises(OSError, match="too many"):
            listener.accept()
    finally:
        network.close()


def test_a_wire_that_is_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = FakeSocket(
        recv=[BlockingIOError(10035, "later"), ConnectionResetError(10054, RESET)],
        send=[BlockingIOError(10035, "later"), ConnectionAbortedError(10053, "aborted")],
        shutdown=[OSError(57, "Socket is not connected")],  # of macOS, where the peer was faster
    )
    wire = sockets.SocketWire(SimpleNamespace(unwatch=lambda thing: None), broken, "peer:5672")  # type: ignore[arg-type]
    assert wire.read(10) is None and wire.write(b"x") == 0
    with pytest.raises(ConnectionResetError, match="forcibly closed"):
        wire.read(10)
    with pytest.raises(ConnectionAbortedError):
        wire.write(b"x")
    wire.finish()
    wire.close()
    assert broken.closed


def test_an_attempt_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """WSAEWOULDBLOCK is an attempt that goes on, WSAECONNREFUSED one that has failed, with its text."""
    monkeypatch.setattr(dial, "HERE", WINDOWS)
    made: list[FakeSocket] = []
    codes = [10061, 10035]

    def make(*given: Any) -> FakeSocket:
        made.append(FakeSocket(connect_ex=[codes.pop(0)]))
        return made[-1]

    monkeypatch.setattr(dial.socket, "socket", make)
    results: list[Any] = []
    watched: list[Any] = []
    stand_in = SimpleNamespace(watch=lambda *given: watched.append(given), unwatch=lambda thing: None)
    timer = SimpleNamespace(cancel=lambda: None)
    attempt = dial.Dial(
        "peer", 5672, stand_in, lambda delay, call: timer, lambda *given: results.append(given)  # type: ignore[arg-type]
    )
    where = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 5672))
    attempt.found([where, where])
    assert made[0].closed and not made[1].closed and len(watched) == 1 and results == []
    attempt.cancel()
    codes.append(10061)
    again = dial.Dial(
        "peer", 5672, stand_in, lambda delay, call: timer, lambda *given: results.append(given)  # type: ignore[arg-type]
    )
    again.found([where])
    error = results[0][2]
    assert isinstance(error, ConnectError) and "Connection refused" in str(error)


class Once(MessagingHandler):
    """Sends one message to `jobs`, takes it, and closes."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.taken: list[Any] = []

    def on_start(self, event: Any) -> None:
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, "jobs")
        event.container.create_sender(connection, "jobs").send(Message("hello"))

    def on_message(self, event: Any) -> None:
        self.taken.append(event.message.body)
        event.connection.close()


class Kin(System):
    """This machine, with the pollers and the waits of another system."""

    def __init__(self, platform: str, kind: type[selectors.BaseSelector], longest_wait: float) -> None:
        super().__init__(platform)
        self.kind = kind
        self.longest_wait = longest_wait
        self.give_way = None

    def selector(self) -> selectors.BaseSelector:
        return self.kind()


# kqueue is not here; what it has in common with poll is that it is asked by `selectors`.
@pytest.mark.parametrize(
    "kin",
    [
        Kin("win32", selectors.SelectSelector, 0.5),
        Kin("darwin", getattr(selectors, "PollSelector", selectors.SelectSelector), 86400.0),
    ],
    ids=["Windows", "macOS"],
)
def test_a_broker_and_a_client_by_the_pollers_of(kin: Kin, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (poller, sockets, dial):
        monkeypatch.setattr(module, "HERE", kin)
    monkeypatch.setattr(busy_poll, "give_way", kin.give_way)
    with EmbeddedBroker() as broker:
        client = Once(broker.url)
        container = Container(client)
        assert type(container.loop.network.poller) is poller.SelectorPoller  # type: ignore[attr-defined]
        container.run()
        assert client.taken == ["hello"]


# -- questions to a container ----------------------------------------------------------------------------------


@pytest.fixture(params=[WINDOWS, MACOS], ids=["Windows", "macOS"])
def other(request: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> System:
    """The system of the rooms that ask and answer."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for module in (places, asking, questions, service_manager):
        monkeypatch.setattr(module, "HERE", request.param)
    monkeypatch.setattr(request.param, "claim", lambda listener: None)  # their options are not those of this machine
    system: System = request.param
    return system


def umask() -> int:
    present = os.umask(0o077)
    os.umask(present)
    return present


def test_a_container_that_listens_for_questions(other: System, tmp_path: Path) -> None:
    container, before = Container(), umask()
    if other is WINDOWS:
        with pytest.raises(OSError, match=r"no Unix sockets: listen_for_questions\('127.0.0.1:0'\)"):
            container.listen_for_questions()
        assert not list(tmp_path.iterdir()), "no directory is left"
        with pytest.raises(NoAnswer, match="no Unix sockets"):
            ask(str(tmp_path / "1.sock"), None, False, 1)
    else:
        try:
            container.listen_for_questions()
            found = asking.of_process(os.getpid())
            assert len(found) == 1 and stat.S_IMODE(os.lstat(found[0]).st_mode) == 0o600
        finally:
            container.close()
    assert umask() == before


def test_a_container_that_is_asked_by_a_signal(other: System, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []
    stand_in = SimpleNamespace(signal=lambda number, handler: numbers.append(number), SIG_DFL="default")
    monkeypatch.setattr(questions, "signal", stand_in)
    container = Container()
    try:
        if other is WINDOWS:
            with pytest.raises(ValueError, match="this system has no SIGUSR1"):
                container.listen_for_questions("127.0.0.1:0", by_signal=True)
        else:
            container.listen_for_questions("127.0.0.1:0", by_signal=True).close()
    finally:
        container.close()
    assert numbers == ([] if other is WINDOWS else [30, 30]), "once for the handler, and once for the one before"


def test_a_process_that_does_not_listen(other: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """To ask whether it is there would end it on Windows."""
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(other._os, "kill", lambda *given: killed.append(given), raising=False)
    with pytest.raises(NoAnswer, match="process 12345 does not listen for questions"):
        asking.of_process(12345)
    assert killed == ([] if other is WINDOWS else [(12345, 0)])


def test_a_port_for_questions_is_taken_by_no_other_program(other: System, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed: list[Any] = []
    monkeypatch.setattr(other, "claim", claimed.append)
    listener = places.listen_at_port("127.0.0.1", 0)
    listener.close()
    assert claimed == [listener]


def test_a_service_manager_is_told_where_the_system_has_its_socket(other: System, monkeypatch: Any) -> None:
    told: list[Any] = []

    class Way(socket.socket):
        def sendto(self, *given: Any) -> int:
            told.append(given)
            return 0

    monkeypatch.setenv("NOTIFY_SOCKET", "@manager")
    monkeypatch.setattr(other, "_socket", SimpleNamespace(**{**vars(other._socket), "socket": Way}))
    service_manager.ServiceManager(MonotonicClock(), lambda: "").stopping()
    assert told == ([] if other is WINDOWS else [(b"STOPPING=1", "\0manager")])


# -- one room ------------------------------------------------------------------------------------------------

ATTRIBUTES = ("sys.platform", "os.name")
QUESTIONS = (
    "hasattr(os,", "hasattr(signal,", "hasattr(socket,", "platform.", "getattr(signal,", "getattr(os,",
    "getattr(socket,", "os.getuid",
)  # fmt: skip

#: Questions that stand elsewhere, so that a type checker sees them.
FOR_TYPE_CHECKERS = {"reactor/loop/poller.py", "handlers/broker/access/userfile.py"}


def test_no_other_room_asks_which_system_this_is() -> None:
    asking = set()
    for folder in ("reactor", "handlers"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if not any(question in source for question in (*ATTRIBUTES, *QUESTIONS)):
                continue
            for node in ast.walk(ast.parse(source)):
                text = ast.unparse(node) if isinstance(node, (ast.Attribute, ast.Call)) else ""
                if text in ATTRIBUTES or text.startswith(QUESTIONS):
                    asking.add(path.relative_to(CHECKOUT).as_posix())
    assert asking == {"reactor/system.py"} | FOR_TYPE_CHECKERS
