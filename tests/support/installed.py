"""A script for the environment `package` of tox: the installed package is whole, away from the checkout.

It is run with ``python -I``, and imports nothing of the checkout.
"""

import re
import subprocess
import sys
import tempfile
import urllib.request
from importlib import metadata
from pathlib import Path

import handlers
import reactor
import reactor.help
from handlers.broker import EmbeddedBroker

#: A user's test file, with the fixture that pytest finds by the package's entry point.
TEST = """
import pytest

@pytest.mark.amqp_broker(queues=["jobs"])
def test_the_fixture(amqp_broker):
    assert amqp_broker.names() == ["jobs"] and amqp_broker.port
"""

CHAPTERS_OF_A_WHEEL = reactor.help.CHAPTERS.keys() - {"development"}


def main() -> None:
    """Print what there is; AssertionError for what there is not."""
    for package in (reactor, handlers):
        place = Path(str(package.__file__)).parent
        assert Path(sys.prefix) in place.parents, place
        assert (place / "py.typed").is_file(), place
    page = metadata.distribution("amqp-reactor").read_text("METADATA") or ""
    targets = re.findall(r"\]\(([^)\s]+)\)", page)
    assert "# amqp-reactor" in page
    assert not [target for target in targets if not target.startswith(("#", "https://"))], targets
    for chapter in CHAPTERS_OF_A_WHEEL:
        command = [sys.executable, "-I", "-m", "reactor.help", chapter]
        shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
        assert shown.startswith("# "), chapter
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_user.py").write_text(TEST, encoding="utf-8")
        command = [sys.executable, "-I", "-m", "pytest", "-q", "--strict-markers", "-W", "error", "test_user.py"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8")
        assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
    with EmbeddedBroker(web=True) as broker, urllib.request.urlopen(broker.web_url) as answer:
        assert b"</html>" in answer.read()
    print("amqp-reactor", reactor.__version__, "with the chapters", *sorted(CHAPTERS_OF_A_WHEEL))


if __name__ == "__main__":
    main()
