"""What is imported late, or by type checkers alone, is there for the tools that look for it."""

from __future__ import annotations

import modulefinder
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import handlers
import reactor
from reactor.loop import interface, wires

HERE = Path(__file__).parent.parent
HANDLERS = [reactor.Handler, handlers.DuplicateFilter, handlers.EndpointStateHandler, handlers.FlowController]
HANDLERS += [handlers.Handshaker, handlers.IncomingMessageHandler, handlers.MessagingHandler]
HANDLERS += [handlers.OutgoingMessageHandler, handlers.Publisher, handlers.TransactionalClientHandler]


@pytest.mark.parametrize("base", HANDLERS, ids=lambda base: base.__name__)
def test_the_hints_of_an_applications_handler_can_be_read(base):
    """By libraries that inject or convert by them: they read those of all bases, and no room of ours has `typing`."""
    own = type("Own", (base,), {"__annotations__": {"queue": "str"}, "__module__": __name__})
    assert typing.get_type_hints(own)["queue"] is str


@pytest.mark.parametrize(
    "base",
    [base for base in HANDLERS if base not in (reactor.Handler, handlers.DuplicateFilter)],
    ids=lambda base: base.__name__,
)
def test_the_hints_of_what_makes_a_handler_can_be_read(base):
    typing.get_type_hints(base.__init__)


def test_tools_that_freeze_programs_find_what_is_imported_late(tmp_path):
    """They read the imports of modules and run nothing: each late import is one of type checkers, too."""
    program = tmp_path / "program.py"
    program.write_text("import handlers, reactor\n")
    finder = modulefinder.ModuleFinder([str(HERE)])
    finder.run_script(str(program))
    listing = "import sys, handlers, reactor\nfrom reactor.lazily import enter_all\n"
    listing += "enter_all('handlers'), enter_all('reactor')\n"
    listing += "print(*[name for name in sys.modules if name.partition('.')[0] in ('handlers', 'reactor')])\n"
    command = [sys.executable, "-c", listing]
    shown = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, check=True, timeout=300, text=True)
    late = set(shown.stdout.split())
    assert len(late) > 150
    assert late - set(finder.modules) == set()


def test_a_network_of_an_applications_own_finds_all_names_beside_the_protocol_that_it_follows():
    for name in ("READ", "WRITE", "ConnectError"):
        assert getattr(interface, name) is getattr(wires, name)
