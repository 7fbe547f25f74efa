"""What most programs never need is not imported before somebody needs it."""

from __future__ import annotations

import re
import sys

import pytest

import reactor.tracing
from reactor.lazily import Lazily, pattern
from reactor.loop.loggers import logger
from tests.support.processes import CHECKOUT, run

#: Of ours, in a program that imports `reactor` and `handlers`: lower it to what was reached.
MOST_MODULES = 135


def printed(program: str, *options: str) -> str:
    """What a program prints that has a process of its own."""
    status, out, err = run([sys.executable, *options, "-c", program], CHECKOUT)
    assert status == 0, err
    return out


def test_a_lazy_module_is_that_module() -> None:
    json = Lazily("json")
    assert json.loads("[1]") == [1]
    with pytest.raises(AttributeError):
        json.no_such_thing  # noqa: B018


def test_a_program_without_tls_and_passwords_does_not_pay_for_them() -> None:
    needless = {"ssl", "json", "dataclasses", "difflib", "urllib.parse", "ipaddress", "unicodedata", "copy"}
    needless |= {"logging", "uuid", "platform", "traceback", "textwrap", "typing", "contextlib", "random"}
    rooms = "codec.data codec.nodes container.unsettled container.explain.far container.settings.screens environment"
    rooms += " engine.sasl.digest engine.sasl.oauth engine.sasl.scram engine.websocket.layer engine.proxy.layer"
    rooms += " engine.tls.certificate engine.endpoints.ledger container.settings.config tracing.text tracing.words"
    rooms += " container.acceptor container.frame_trace container.observing container.service_manager container.signals"
    rooms += " container.explain.links container.explain.look container.explain.questions container.explain.samples"
    rooms += " container.explain.sentences container.sources.injector container.transactions.transaction"
    rooms += " engine.observing tracing engine.proxy engine.websocket engine.tls.ssl engine.tls.layer"
    rooms += " container.settings.proxy engine.sasl.credentials event version"
    needless |= {"reactor." + room for room in rooms.split()} | {"handlers.publisher", "handlers.transaction"}
    if sys.implementation.name == "pypy":
        needless -= {"unicodedata", "traceback"}  # its own `re` has the one, its `threading` the other
    program = "import sys, reactor, handlers; print(*sorted(%r & set(sys.modules)))" % needless
    shown = printed(program, "-S")
    assert shown.split() == []


def test_interfaces_are_for_type_checkers_alone() -> None:
    program = "import sys, reactor, handlers; print(*[name for name in sys.modules if name.endswith('.interface')])"
    shown = printed(program, "-S")
    assert shown.split() == []


def test_the_roots_have_the_names_that_they_import_later() -> None:
    program = "import reactor, handlers\n"
    program += "print(*[name for root in (reactor, handlers) for name in root.__all__ if name not in dir(root)])\n"
    program += "from reactor import *\nfrom handlers import *\n"
    program += "print(*[name for root in (reactor, handlers) for name in root.__all__ if name not in globals()])\n"
    program += "handlers.Publicher"
    _, out, err = run([sys.executable, "-S", "-c", program], CHECKOUT)
    assert out.splitlines() == ["", ""]
    assert "module 'handlers' has no attribute 'Publicher'" in err


def test_modules_that_programs_have_with_the_package_are_there_when_they_are_asked_for() -> None:
    """`import reactor` alone, and then `reactor.tracing.Recorder()`."""
    program = "import reactor\nprint(reactor.tracing.Recorder.__name__, reactor.event.Event is reactor.Event)\n"
    program += "print(reactor.version.VERSION == reactor.VERSION, reactor.tracing.__name__)"
    assert printed(program, "-S").split() == ["Recorder", "True", "True", "reactor.tracing"]


def test_a_listener_needs_no_file_when_a_peer_comes() -> None:
    """Peers can have taken all descriptors by then."""
    rooms = "engine.sasl.digest engine.sasl.oauth engine.sasl.scram engine.websocket.layer engine.tls.causes"
    rooms += " engine.tls.certificate container.explain.far container.explain.holding engine.tls.ssl"
    names = {"reactor." + room for room in rooms.split()}
    program = "import sys, reactor; container = reactor.Container(); container.listen('127.0.0.1:0')\n"
    program += "print(*sorted(%r - set(sys.modules))); container.close()" % names
    shown = printed(program)
    assert shown.split() == []


def test_a_client_needs_no_file_when_a_peer_refuses_a_link() -> None:
    """It may have thousands of connections, and no descriptor left."""
    program = "import sys, reactor; container = reactor.Container(); connection = container.connection()\n"
    program += "sender = connection.session().sender('jobs'); known = set(sys.modules)\n"
    program += "sender.remote_condition = reactor.Condition('amqp:not-found', 'no such node')\n"
    program += "container._explainer.refused(sender); print(*set(sys.modules) - known)\n"
    program += "print([words for *_, words in container._explainer._refused])"
    shown = printed(program)
    assert shown.startswith("\n") and "amqp:not-found: no such node" in shown


def test_every_program_reads_so_many_modules_at_most() -> None:
    """Each takes a tenth of a millisecond."""
    program = "import sys, reactor, handlers\n"
    program += "print(sum(name.startswith(('reactor', 'handlers')) for name in sys.modules))"
    shown = printed(program, "-S")
    assert int(shown) <= MOST_MODULES


def test_a_logger_is_made_when_it_is_first_used(caplog: pytest.LogCaptureFixture) -> None:
    log = logger("reactor.test")
    log.warning("something of %s", "note")
    [record] = caplog.records
    assert (record.name, record.getMessage()) == ("reactor.test", "something of note")
    assert record.funcName == "test_a_logger_is_made_when_it_is_first_used"
    assert log.name == "reactor.test"


def test_a_pattern_is_compiled_when_it_is_first_used() -> None:
    broken = pattern("(")
    with pytest.raises(re.error):
        broken.match("")
    word = pattern("[a-z]+ # a word", re.VERBOSE | re.IGNORECASE)
    assert word.fullmatch("Word") and not word.match("1Word")
    assert word.match("1Word", 1)


def test_a_package_lists_names_of_its_modules() -> None:
    program = "import sys, reactor; print([name for name in sys.modules if name.endswith('tracing.recorder')])"
    shown = printed(program)
    assert shown.strip() == "[]"
    for name in reactor.tracing.__all__:
        assert getattr(reactor.tracing, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Recoder'"):
        reactor.tracing.Recoder  # noqa: B018


def test_packages_that_leave_their_names_to_others_are_whole_before() -> None:
    program = "import sys, handlers, reactor\nfrom reactor.lazily import enter_all\n"
    program += "enter_all('handlers')\nenter_all('reactor')\n"
    program += "names = [name for name in sys.modules if name.partition('.')[0] in ('handlers', 'reactor')]\n"
    program += "aside = [sys.modules.pop(name) for name in names]\n"
    program += "container = reactor.Container(observers=[type('Seen', (), {'connected': print})()])\n"
    program += "injector = container.selectable(reactor.EventInjector())\n"
    program += "container.listen('127.0.0.1:0')\nprint(*sorted(container.explain().kinds))\n"
    program += "container.close()\nprint(handlers.Publisher.__name__)\n"
    shown = printed(program)
    assert shown.split() == ["listening", "own", "sources", "well", "Publisher"]
