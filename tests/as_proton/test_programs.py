"""python -m reactor.as_proton: programs for the original, each a file in a folder of its own and a real process.

-S keeps packages that are installed away: the original may be among them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest

from handlers.broker import EmbeddedBroker
from tests.support.processes import CHECKOUT, DEADLINE, environment, run

RUN = [sys.executable, "-S", "-m", "reactor.as_proton"]


def write(folder: Path, **files: str) -> Path:
    """Files of those names in the folder, each with the ending `.py`; the program's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder / "program.py"


def said(command: list[str], place: Path, path: Optional[Path] = None) -> str:
    extra = {} if path is None else {"PYTHONPATH": f"{CHECKOUT}{':' if sys.platform != 'win32' else ';'}{path}"}
    status, out, err = run(command, place, **extra)
    assert status == 0, out + err
    return out


HELLO = """
import sys
from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

class HelloWorld(MessagingHandler):
    def __init__(self, server, address):
        super(HelloWorld, self).__init__()
        self.server = server
        self.address = address

    def on_start(self, event):
        conn = event.container.connect(self.server)
        event.container.create_receiver(conn, self.address)
        event.container.create_sender(conn, self.address)

    def on_sendable(self, event):
        event.sender.send(Message(body="Hello World!"))
        event.sender.close()

    def on_message(self, event):
        print(event.message.body)
        event.connection.close()

Container(HelloWorld(*sys.argv[1:])).run()
"""

BLOCKING = """
import sys
from proton import Message
from proton.utils import BlockingConnection

connection = BlockingConnection(sys.argv[1])
receiver = connection.create_receiver(sys.argv[2])
sender = connection.create_sender(sys.argv[2])
sender.send(Message(body="waited for"))
print(receiver.receive(timeout=30).body)
receiver.accept()
connection.close()
"""


@pytest.mark.parametrize(("text", "shown"), [(HELLO, "Hello World!\n"), (BLOCKING, "waited for\n")])
def test_a_program_talks_to_a_broker(text: str, shown: str, tmp_path: Path) -> None:
    program = write(tmp_path, program=text)
    with EmbeddedBroker() as broker:
        assert said([*RUN, str(program), f"127.0.0.1:{broker.port}", "jobs"], tmp_path) == shown


def test_a_program_finds_its_arguments_its_folder_and_its_name(tmp_path: Path) -> None:
    text = "import sys, beside\nprint(__name__, __file__, *sys.argv, sep='|')\nprint(sys.modules['__main__'].beside)\n"
    write(tmp_path / "there", program=text, beside="")
    out = said([*RUN, "there/program.py", "a", "-m", "--instead"], tmp_path)
    place = tmp_path / "there" / "program.py"  # absolute, as with `python there/program.py` since Python 3.9
    assert out.splitlines()[0] == f"__main__|{place}|there/program.py|a|-m|--instead"
    assert "beside.py" in out


def test_a_module_is_run_as_with_python_m(tmp_path: Path) -> None:
    write(tmp_path / "tool", __init__="", __main__="import sys, proton\nprint(__name__, sys.argv[1:])\n")
    assert said([*RUN, "-m", "tool", "x"], tmp_path) == "__main__ ['x']\n"


CLASHING = """
from proton.handlers import MessagingHandler
from proton.reactor import Container
import handlers, reactor
print(handlers.MINE, reactor.MINE, issubclass(handlers.Mine, MessagingHandler), MessagingHandler is not handlers.Mine)

class Now(handlers.Mine):
    def on_start(self, event):
        print("started", isinstance(event.container, Container))

Container(Now()).run()
"""
MINE = "from proton.handlers import MessagingHandler\nMINE = 'a %s'\nclass Mine(MessagingHandler):\n    pass\n"


def test_a_program_with_handlers_and_reactor_of_its_own_has_these(tmp_path: Path) -> None:
    program = write(tmp_path / "app", program=CLASHING, handlers=MINE % "handler", reactor="MINE = 'a reactor'\n")
    assert said([*RUN, str(program)], tmp_path) == "a handler a reactor True True\nstarted True\n"


def test_handlers_of_its_own_in_the_current_folder_are_in_nobody_s_way(tmp_path: Path) -> None:
    program = write(tmp_path, program=CLASHING.replace(", reactor\n", "\nreactor = handlers\n"), handlers=MINE % "h")
    assert said([*RUN, str(program)], tmp_path) == "a h a h True True\nstarted True\n"


def test_reactor_of_its_own_in_the_current_folder_is_passed_over_by_the_command(tmp_path: Path) -> None:
    """`python -m` looks into the current folder first; the installed command does not."""
    program = write(tmp_path, program=CLASHING, handlers=MINE % "h", reactor="MINE = 'r'\n")
    command = "import sys; del sys.path[0]; import reactor.as_proton.__main__ as as_proton\n"
    command += "sys.path.insert(0, 'the folder of the command'); as_proton.main()"
    assert said([sys.executable, "-S", "-c", command, str(program)], tmp_path) == "a h r True True\nstarted True\n"


def test_without_a_file_of_that_name_our_own_packages_are_the_same_classes(tmp_path: Path) -> None:
    text = "import proton, proton.handlers, reactor, handlers\n"
    text += "print(reactor.Message is proton.Message, handlers.Reject is proton.handlers.Reject)\n"
    assert said([*RUN, str(write(tmp_path, program=text))], tmp_path) == "True True\n"


def test_the_exit_status_and_the_traceback_are_those_of_the_program(tmp_path: Path) -> None:
    assert run([*RUN, str(write(tmp_path, program="import sys\nsys.exit(7)\n"))], tmp_path)[0] == 7
    status, _, err = run([*RUN, str(write(tmp_path, program="import proton\n1 / 0\n"))], tmp_path)
    assert status == 1 and "program.py\", line 2" in err and "ZeroDivisionError" in err


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    status, _, err = run([*RUN, "no.py"], tmp_path)
    assert status == 2 and "cannot open 'no.py'" in err


# -- beside the original


@pytest.mark.parametrize("name", ["proton", "cproton"])
def test_where_the_original_is_installed_it_refuses_unless_told_to(name: str, tmp_path: Path) -> None:
    write(tmp_path / "site", **{name: "VERSION = 'the original'\n"})
    program = write(tmp_path, program="import proton\nprint(proton.VERSION)\n")
    path = {"PYTHONPATH": f"{tmp_path / 'site'}{';' if sys.platform == 'win32' else ':'}{CHECKOUT}"}
    status, out, err = run([*RUN, str(program)], tmp_path, **path)
    assert (status, out) == (2, "")
    assert f"{name} is installed, at {tmp_path / 'site' / name}.py" in err and "--instead" in err
    status, out, err = run([*RUN, "--instead", str(program)], tmp_path, **path)
    assert (status, out) == (0, "(0, 40, 0)\n"), err


def python(text: str, place: Path, **extra: str) -> str:
    done = subprocess.run(
        [sys.executable, "-S", "-c", text], cwd=place, env=environment(**extra), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=DEADLINE, encoding="utf-8", check=False,
    )  # fmt: skip
    return done.stdout


def test_install_refuses_when_the_original_is_imported(tmp_path: Path) -> None:
    text = "import sys, types, reactor.as_proton\nsys.modules['proton'] = original = types.ModuleType('proton')\n"
    text += "original.__file__ = 'here.py'\n"
    text += "try: reactor.as_proton.install()\nexcept ImportError as error: print(error)\n"
    text += "import proton; print(proton is original)\n"
    text += "reactor.as_proton.install(instead=True); import proton; print(proton is original, proton.VERSION)\n"
    first, *rest = python(text, tmp_path).splitlines()
    assert first.startswith("proton is imported already, from here.py; say install(instead=True)")
    assert rest == ["True", "False (0, 40, 0)"]


def test_install_says_once_what_it_did(tmp_path: Path) -> None:
    text = "import logging, reactor.as_proton\nlogging.basicConfig(level=logging.INFO)\n"
    text += "reactor.as_proton.install(); reactor.as_proton.install()\n"
    (line,) = python(text, tmp_path).splitlines()
    assert line.startswith("INFO:reactor.as_proton.modules:proton, proton.handlers, proton.reactor")


def test_events_have_the_names_that_they_have_there(tmp_path: Path) -> None:
    text = "import reactor.as_proton\nreactor.as_proton.install()\nfrom proton import *\n"
    text += "collector, connection = Collector(), Connection()\nconnection.collect(collector)\n"
    text += "event = collector.peek()\nprint(event.type, event.type.name, event.type.method, str(event)[:19])\n"
    text += "print(EventType('pn_mine').name, Event.DELIVERY)\n"
    name = "PN_CONNECTION_INIT"
    assert python(text, tmp_path) == f"{name} {name} on_connection_init {name}(\npn_mine PN_DELIVERY\n"


@pytest.mark.parametrize("name", ["cproton", "_cproton", "cproton_ffi"])
def test_a_module_that_is_not_here_names_what_to_use(name: str, tmp_path: Path) -> None:
    text = "import reactor.as_proton\nreactor.as_proton.install()\n"
    text += f"try: import {name}\nexcept ImportError as error: print(error.name, '|', error)\n"
    shown = python(text, tmp_path)
    assert shown.startswith(f"{name} | no module named '{name}': ") and ("reactor" in shown)


def test_other_modules_of_proton_are_not_found(tmp_path: Path) -> None:
    text = "import reactor.as_proton\nreactor.as_proton.install()\n"
    text += "try: import proton.nothing\nexcept ModuleNotFoundError as error: print(error)\n"
    assert python(text, tmp_path) == "No module named 'proton.nothing'\n"


def test_nothing_called_proton_is_there_without_it(tmp_path: Path) -> None:
    text = "import reactor, handlers\ntry: import proton\nexcept ModuleNotFoundError as error: print(error)\n"
    assert python(text, tmp_path) == "No module named 'proton'\n"
