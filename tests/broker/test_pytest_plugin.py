"""The fixture `amqp_broker`, in test files of users: each is run by a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.processes import CHECKOUT, environment

SEND = """
    from handlers import MessagingHandler
    from reactor import Container, Message


    class Send(MessagingHandler):
        def __init__(self, url, **attributes):
            super().__init__()
            self.url, self.attributes = url, attributes

        def on_start(self, event):
            connection = event.container.connect(self.url, reconnect=False)
            event.container.create_sender(connection, "jobs").send(Message("x", **self.attributes))

        def on_accepted(self, event):
            event.connection.close()


    def send(url, **attributes):
        Container(Send(url, **attributes), raise_errors=True).run()
"""


def run(folder: Path, tests: str, *options: str) -> tuple[int, str]:
    """The status and the output of pytest with these tests."""
    (folder / "sending.py").write_text(textwrap.dedent(SEND), encoding="utf-8")
    (folder / "test_user.py").write_text(textwrap.dedent(tests), encoding="utf-8")
    plugin = ["-p", "handlers.broker.pytest_plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers", *plugin, *options]
    variables = environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    done = subprocess.run(command, cwd=folder, env=variables, stdout=subprocess.PIPE, encoding="utf-8", timeout=60)
    return done.returncode, done.stdout


def test_each_test_has_a_broker_of_its_own(tmp_path):
    status, shown = run(tmp_path, """
        from sending import send

        def test_one(amqp_broker):
            send(amqp_broker.url)
            assert amqp_broker.queue("jobs").depth == 1

        def test_two(amqp_broker):
            assert amqp_broker.names() == []
    """)  # fmt: skip
    assert (status, "2 passed" in shown) == (0, True), shown


def test_marks_give_options_and_the_closest_holds(tmp_path):
    status, shown = run(tmp_path, """
        import pytest

        pytestmark = pytest.mark.amqp_broker(queues=["of the module"], topics=["news"])

        def test_of_the_module(amqp_broker):
            assert amqp_broker.names() == ["of the module", "news"]

        @pytest.mark.amqp_broker(queues=["of the class"])
        class TestOne:
            def test_of_the_class(self, amqp_broker):
                assert amqp_broker.names() == ["of the class", "news"]

            @pytest.mark.amqp_broker(queues=["of the test"])
            def test_of_its_own(self, amqp_broker):
                assert amqp_broker.names() == ["of the test", "news"]
    """)  # fmt: skip
    assert (status, "3 passed" in shown) == (0, True), shown


def test_a_relative_store_is_in_the_folder_of_the_test(tmp_path):
    status, shown = run(tmp_path, """
        import pytest
        from handlers.broker import EmbeddedBroker
        from sending import send

        @pytest.mark.amqp_broker(store="jobs.store")
        def test_it_survives(amqp_broker, tmp_path):
            send(amqp_broker.url, durable=True)
            amqp_broker.stop()
            with EmbeddedBroker(store=tmp_path / "jobs.store") as again:
                assert again.queue("jobs").depth == 1
    """)  # fmt: skip
    assert (status, "1 passed" in shown) == (0, True), shown
    assert not list(tmp_path.glob("jobs.store*"))


FAILS = """
    from handlers.broker import Broker
    from sending import send

    def test_it_is_sent(amqp_broker):
        Broker.on_connection_opening = lambda *arguments: 1 / 0
        try:
            send(amqp_broker.url)
        except Exception:
            pass  # a test that does not look
"""


def test_an_internal_error_of_the_broker_is_an_error_of_the_test(tmp_path):
    status, shown = run(tmp_path, FAILS)
    assert status == 1 and "1 error" in shown, shown
    assert "internal errors of the broker: 1" in shown and "ZeroDivisionError" in shown
    assert "ERROR at teardown of test_it_is_sent" in shown


def test_a_broker_whose_thread_fails_is_an_error_of_the_test(tmp_path):
    status, shown = run(tmp_path, """
        from handlers.broker import Broker

        def test_nothing(amqp_broker):
            Broker.on_shutdown = lambda *arguments: 1 / 0
    """)  # fmt: skip
    assert status == 1 and "ERROR at teardown of test_nothing" in shown and "ZeroDivisionError" in shown, shown


@pytest.mark.parametrize("mark, said", [
    ("queue=['jobs']", "unexpected keyword argument 'queue'"),
    ("['jobs']", "takes options by name, such as queues=['jobs'], not (['jobs'],)"),
])  # fmt: skip
def test_a_mark_with_a_mistake_is_an_error_of_the_test(mark, said, tmp_path):
    status, shown = run(tmp_path, f"""
        import pytest

        @pytest.mark.amqp_broker({mark})
        def test_nothing(amqp_broker):
            pass
    """)  # fmt: skip
    assert status == 1 and "ERROR at setup of test_nothing" in shown and said in shown, shown


def test_the_marker_and_the_fixture_explain_themselves(tmp_path):
    _, shown = run(tmp_path, "", "--markers")
    assert "@pytest.mark.amqp_broker(**options): options of the fixture amqp_broker" in shown
    _, shown = run(tmp_path, "", "--fixtures")
    assert "An EmbeddedBroker that runs during the test" in shown


def test_the_broker_needs_no_pytest():
    code = "import sys; sys.modules['pytest'] = None; import handlers.broker, handlers.broker.__main__"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)


def test_the_entry_point_is_the_module():
    """`tox -e package` runs the fixture by it, from the built wheel."""
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    entry = project.partition("[project.entry-points.pytest11]\n")[2].splitlines()[0]
    assert entry == 'amqp_broker = "handlers.broker.pytest_plugin"'
    assert (CHECKOUT / "handlers" / "broker" / "pytest_plugin.py").is_file()
