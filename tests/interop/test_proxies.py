"""Our clients by way of HTTP proxies of others: proxy.py from PyPI, Debian's tinyproxy and Squid, where they are here;
`tox -e proxy` runs this."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from handlers.broker import EmbeddedBroker
from reactor import ConnectionException, Message
from reactor.utils import BlockingConnection
from tests.support.processes import unused_port
from tests.support.tls import client_domain, server_domain

ASKED = os.environ.get("AMQP_REACTOR_PROXIES")

if ASKED != "required":
    pytest.skip("AMQP_REACTOR_PROXIES is not set, as it is by tox -e proxy", allow_module_level=True)

#: Each is asked for this user and password.
USER, PASSWORD = "bob", "p4ssword"

TINYPROXY = """Port %(port)d
Listen 127.0.0.1
Timeout 600
MaxClients 20
BasicAuth bob p4ssword
"""

SQUID = """http_port 127.0.0.1:%(port)d
auth_param basic program %(checker)s
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access deny !known
acl closed port 1
http_access deny closed
http_access allow all
pid_filename none
cache_log %(folder)s/cache.log
access_log none
cache deny all
coredump_dir %(folder)s
netdb_filename none
shutdown_lifetime 0 seconds
"""

CHECKER = """#!/bin/sh
while read -r line; do
    if [ "$line" = "bob p4ssword" ]; then echo OK; else echo ERR; fi
done
"""


def command(name: str, port: int, folder: Path) -> list[str]:
    """What starts a proxy; skips the test where it is not here."""
    if name == "proxy.py":
        if util.find_spec("proxy") is None:
            pytest.skip("needs proxy.py: tox -e proxy has it")
        return [
            sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", str(port), "--num-workers", "1",
            "--num-acceptors", "1", "--basic-auth", "%s:%s" % (USER, PASSWORD), "--data-dir", str(folder),
        ]  # fmt: skip
    program = shutil.which(name, path="/usr/bin:/usr/sbin")
    if program is None:
        pytest.skip("needs Debian's %s" % name)
    checker = folder / "checker.py"
    checker.write_text(CHECKER)
    checker.chmod(0o755)
    folder.chmod(0o777)
    configuration = folder / "configuration"
    known = {"port": port, "folder": folder, "checker": checker}
    configuration.write_text((TINYPROXY if name == "tinyproxy" else SQUID) % known)
    options = ["-d", "-c"] if name == "tinyproxy" else ["-N", "-f"]
    return [program, *options, str(configuration)]


@contextmanager
def running(name: str, folder: Path) -> Iterator[int]:
    """The port of a proxy, which runs."""
    port = unused_port()
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command(name, port, folder), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 60).close()
                break
            except ConnectionRefusedError:
                try:
                    status = process.wait(0.05)  # the one place where a program of others is waited for
                except subprocess.TimeoutExpired:
                    continue
                raise AssertionError("%s: status %s\n%s" % (name, status, (folder / "log").read_text())) from None
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=["proxy.py", "tinyproxy", "squid"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    # The folders of pytest are for their owner alone, and Squid becomes another user.
    with TemporaryDirectory() as folder, running(request.param, Path(folder)) as port:
        yield "http://%%s@127.0.0.1:%d" % port


GOOD, BAD = "bob:p4ssword", "bob:wrong"


@pytest.mark.parametrize("scheme", ["amqp", "amqps", "amqpws", "amqpwss"])
def test_messages_pass(way: str, scheme: str) -> None:
    sealed = scheme in ("amqps", "amqpwss")
    options: Any = {"ssl_domain": server_domain()} if sealed else {}
    known: Any = {"ssl_domain": client_domain()} if sealed else {}
    with EmbeddedBroker("%s://127.0.0.1:0" % scheme, **options) as broker:
        url = "%s://localhost:%d" % (scheme, broker.port)
        connection = BlockingConnection(url, timeout=60, proxy=way % GOOD, **known)
        receiver = connection.create_receiver("jobs")
        sender = connection.create_sender("jobs")
        for size in (10, 1_000_000):
            sender.send(Message(b"x" * size))
            assert len(receiver.receive(60).body) == size
            receiver.accept()
        connection.close()


@pytest.mark.parametrize(
    "user, text", [(BAD + "@", "it refuses the password of 'bob', or the user"), ("", "it wants a user and a password")]
)
def test_a_log_in_that_fails(way: str, user: str, text: str) -> None:
    # tinyproxy has 401 for a wrong password.
    with pytest.raises(ConnectionException, match=r"it answers 40[17] ") as caught:
        BlockingConnection("amqp://localhost", timeout=60, proxy=(way % "").replace("@", user), reconnect=False)
    assert text in str(caught.value) and "wrong" not in str(caught.value)


def test_a_peer_that_is_not_there(way: str) -> None:
    with pytest.raises(ConnectionException, match="no tunnel through the proxy http://bob:") as caught:
        BlockingConnection("amqp://localhost:%d" % unused_port(), timeout=60, proxy=way % GOOD, reconnect=False)
    assert "it answers 50" in str(caught.value) or "it hung up" in str(caught.value)
