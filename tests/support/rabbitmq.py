"""RabbitMQ with its AMQP 1.0 plugin, as Debian packages it: started, killed and started again by the tests.

Everything it writes lies in a directory of the test's, it listens on loopback alone, on ports of its own, and has a
name service (epmd) of its own: a RabbitMQ that already runs on the machine is not touched. The processes are those of
this module, and ended by their ids.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import Any, Optional

import pytest

from tests.support.processes import Script, unused_port
from tests.support.tls import file

#: Where Debian's package has the programs. (/usr/sbin/rabbitmq-server is for the system's own service.)
HOME = Path("/usr/lib/rabbitmq/lib")
USERS = {"guest": "guest", "alice": "secret"}
#: Queues that a client cannot make by an address: `/amq/queue/NAME` attaches to them.
QUEUES = {"quorum": {"x-queue-type": "quorum"}, "durable": {}}
#: Seconds that a server may live: a test session is done before, and none is left behind for ever.
LIFE = 1800.0

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
listeners.ssl.1 = 127.0.0.1:{tls_port}
ssl_options.cacertfile = {authority}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
ssl_cert_login_from = common_name
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = ANONYMOUS
auth_mechanisms.3 = EXTERNAL
amqp1_0.default_user = guest
load_definitions = {definitions}
log.console = true
log.console.level = info
log.file = false
disk_free_limit.absolute = 50MB
"""


def missing() -> str:
    """Why RabbitMQ cannot be started here; "" when it can."""
    if program() is None:
        return f"no RabbitMQ below {HOME}: apt-get install --no-install-recommends rabbitmq-server"
    if shutil.which("epmd") is None:
        return "there is no epmd, which comes with Erlang"
    return ""


def need() -> None:
    """Skip the test without RabbitMQ; fail it with AMQP_REACTOR_RABBITMQ=required, as in the tox environment."""
    reason = missing()
    if reason and os.environ.get("AMQP_REACTOR_RABBITMQ") == "required":
        raise RuntimeError(reason)
    if reason:
        pytest.skip(reason)


def program() -> Optional[Path]:
    """The program of the newest version that is installed, or None."""
    found = sorted(HOME.glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    return found[-1] if found else None


def definitions() -> dict[str, Any]:
    """The users and queues that are there from the beginning, as RabbitMQ reads them."""
    everything = {"configure": ".*", "write": ".*", "read": ".*", "vhost": "/"}
    return {
        "vhosts": [{"name": "/"}],
        "users": [{"name": user, "password_hash": hashed(password), "tags": ""} for user, password in USERS.items()],
        "permissions": [{"user": user, **everything} for user in USERS],
        "queues": [
            {"name": name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": arguments}
            for name, arguments in QUEUES.items()
        ],
    }


def hashed(password: str) -> str:
    salt = b"salt"
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


class RabbitMQ:
    """A server, started; as a context manager it leaves no process behind.

    place: a directory for all that it writes. url, tls_url: where it listens. log: what it said last.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port, self.tls_port = unused_port(), unused_port()
        self.url = f"amqp://127.0.0.1:{self.port}"
        self.tls_url = f"amqps://localhost:{self.tls_port}"
        self.log: deque[str] = deque(maxlen=200)
        self.reader: Optional[threading.Thread] = None
        (place / "definitions.json").write_text(json.dumps(definitions()), encoding="utf-8")
        (place / "rabbitmq.conf").write_text(
            CONFIGURATION.format(
                port=self.port,
                tls_port=self.tls_port,
                authority=file("authority.pem"),
                certificate=file("server.pem"),
                key=file("server.key"),
                definitions=place / "definitions.json",
            ),
            encoding="utf-8",
        )
        (place / "enabled_plugins").write_text("[rabbitmq_amqp1_0,rabbitmq_auth_mechanism_ssl].", encoding="utf-8")
        names = str(unused_port())
        self.names = Script(["epmd", "-address", "127.0.0.1", "-port", names], place, LIFE)
        self.environment = {
            "HOME": str(place),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": names,
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(unused_port()),
            "RABBITMQ_MNESIA_BASE": str(place / "mnesia"),
            "RABBITMQ_LOG_BASE": str(place / "logs"),
            "RABBITMQ_CONFIG_FILE": str(place / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(place / "no-such-file"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
            # The script then becomes the server, and does not stay its parent: what is killed is the server. It
            # reads its input, and ends at the end of it: when these tests are killed, it does not stay behind.
            "RABBITMQ_ALLOW_INPUT": "true",
        }
        try:
            self.start()
        except BaseException:
            self.names.__exit__()
            raise

    def start(self) -> None:
        """Start it, with what it has kept on disk, on the ports that it had; returns when it listens."""
        self.script = Script([str(program())], self.place, LIFE, subprocess.PIPE, **self.environment)
        try:
            self.script.wait_for("Server startup complete")
        except BaseException:
            self.script.__exit__()
            raise
        # What it says is read, so that it never waits for that.
        self.reader = threading.Thread(target=self.log.extend, args=(self.script.lines(),), daemon=True)
        self.reader.start()

    def kill(self) -> None:
        """End it at once: it has no time to say good-bye to anybody."""
        self.script.process.kill()
        self.script.process.wait()
        if self.reader is not None:
            self.reader.join()
            self.reader = None
        self.script.__exit__()

    def __enter__(self) -> RabbitMQ:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.kill()
        self.names.__exit__()
