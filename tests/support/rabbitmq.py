"""RabbitMQ as Debian packages it: started, stopped, killed and started again by the tests.

3.10, with its AMQP 1.0 plugin, is a package of the machine's; 4.0 and 4.3 are those of later releases (later.py), and
speak AMQP 1.0 by themselves.

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
import signal
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import Any, Optional

import pytest

from tests.support import later
from tests.support.processes import Script, unused_port
from tests.support.tls import file

#: Where Debian's package has the programs. (/usr/sbin/rabbitmq-server is for the system's own service.)
HOME = Path("/usr/lib/rabbitmq/lib")
USERS = {"guest": "guest", "alice": "secret"}
#: Every version that may be had.
VERSIONS = ["3.10", *later.RELEASES]
#: Queues that are there from the beginning: in 3.10 a client cannot make one that is durable, or of another type.
QUEUES = {"quorum": {"x-queue-type": "quorum"}, "durable": {}, "well": {}}
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
load_definitions = {definitions}
log.console = true
log.console.level = info
log.file = false
disk_free_limit.absolute = 50MB
"""


def missing(version: str = "3.10") -> str:
    """Why that RabbitMQ cannot be started here; "" when it can."""
    if version in later.RELEASES:
        return later.missing(version)
    if program() is None:
        return f"no RabbitMQ below {HOME}: apt-get install --no-install-recommends rabbitmq-server"
    if shutil.which("epmd") is None:
        return "there is no epmd, which comes with Erlang"
    return ""


def need(version: str = "3.10") -> None:
    """Skip the test without that RabbitMQ, and wherever AMQP_REACTOR_RABBITMQ does not ask for it: a server takes long.

    With AMQP_REACTOR_RABBITMQ=required, as in the tox environment, it fails without 3.10, which can be had wherever
    there is Debian. The others want root.
    """
    reason, asked = missing(version), os.environ.get("AMQP_REACTOR_RABBITMQ")
    if not asked:
        reason = "AMQP_REACTOR_RABBITMQ is not set, as it is by tox -e rabbitmq"
    elif reason and asked == "required" and version not in later.RELEASES:
        raise RuntimeError(reason)
    if reason:
        pytest.skip(f"RabbitMQ {version}: {reason}")


def program() -> Optional[Path]:
    """The program of the newest 3.x that is installed, or None."""
    found = sorted(HOME.glob("rabbitmq_server-3*/sbin/rabbitmq-server"))
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

    place: a directory for all that it writes. version: one of VERSIONS. url, tls_url: where it listens. log: what it
    said last. joins: a node whose cluster it becomes a part of; it has to live as long as this one.
    schedulers: of Erlang: on how many processors it may run at a time.
    """

    def __init__(
        self, place: Path, version: str = "3.10", joins: Optional[RabbitMQ] = None, schedulers: int = 1
    ) -> None:
        self.place = place
        self.version = version
        self.later = version in later.RELEASES
        self.port, self.tls_port = unused_port(), unused_port()
        self.url = f"amqp://127.0.0.1:{self.port}"
        self.tls_url = f"amqps://localhost:{self.tls_port}"
        self.log: deque[str] = deque(maxlen=200)
        self.reader: Optional[threading.Thread] = None
        seen = Path("/srv") if self.later else place  # how the server sees its place
        configuration = CONFIGURATION if self.later else CONFIGURATION + "amqp1_0.default_user = guest\n"
        for name in ("authority.pem", "server.pem", "server.key"):
            shutil.copy(file(name), place)
        (place / "definitions.json").write_text(json.dumps(definitions()), encoding="utf-8")
        (place / "rabbitmq.conf").write_text(
            configuration.format(
                port=self.port,
                tls_port=self.tls_port,
                authority=seen / "authority.pem",
                certificate=seen / "server.pem",
                key=seen / "server.key",
                definitions=seen / "definitions.json",
            ),
            encoding="utf-8",
        )
        plugins = ["rabbitmq_auth_mechanism_ssl", *([] if self.later else ["rabbitmq_amqp1_0"])]
        (place / "enabled_plugins").write_text(f"[{','.join(plugins)}].", encoding="utf-8")
        cookie = place / ".erlang.cookie"  # the secret of a cluster
        cookie.write_text("AMQPREACTOR", encoding="ascii")
        cookie.chmod(0o400)
        names = str(unused_port()) if joins is None else joins.environment["ERL_EPMD_PORT"]
        self.environment = {
            "HOME": str(seen),
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": names,
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(unused_port()),
            "RABBITMQ_MNESIA_BASE": str(seen / "mnesia"),
            "RABBITMQ_LOG_BASE": str(seen / "logs"),
            "RABBITMQ_CONFIG_FILE": str(seen / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(seen / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(seen / "no-such-file"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} +S {schedulers}",
            # The script then becomes the server, and does not stay its parent: what is killed is the server. It
            # reads its input, and ends at the end of it: when these tests are killed, it does not stay behind.
            "RABBITMQ_ALLOW_INPUT": "true",
        }
        self.names = None if joins else self.script_of("epmd", "-address", "127.0.0.1", "-port", names)
        try:
            self.start()
            if joins is not None:
                self.join(joins)
        except BaseException:
            self.__exit__()
            raise

    def command(self, *words: str) -> list[str]:
        """A command where the server is: on the machine, or in the folder of its release."""
        inside = later.entering(self.version, self.place, self.environment) if self.later else []
        return [*inside, *words]

    def script_of(self, *words: str, stdin: int = subprocess.DEVNULL) -> Script:
        return Script(self.command(*words), self.place, LIFE, stdin, **({} if self.later else self.environment))

    def address(self, queue: str) -> str:
        """How a client names a queue that is there."""
        return f"/queues/{queue}" if self.later else f"/amq/queue/{queue}"

    def control(self, *words: str) -> str:
        """What `rabbitmqctl` says."""
        tool = str(Path(str(self.program())).with_name("rabbitmqctl"))
        script = self.script_of(tool, "-q", *words)
        with script:
            status, said, wrong = script.finish()
        assert status == 0, f"rabbitmqctl {' '.join(words)}: {said}{wrong}"
        return said

    def program(self) -> str:
        return str(later.program(self.version) if self.later else program())

    def start(self) -> None:
        """Start it, with what it has kept on disk, on the ports that it had; returns when it listens."""
        self.script = self.script_of(self.program(), stdin=subprocess.PIPE)
        try:
            self.script.wait_for("Server startup complete")
        except BaseException:
            self.script.__exit__()
            raise
        # What it says is read, so that it never waits for that.
        self.reader = threading.Thread(target=self.log.extend, args=(self.script.lines(),), daemon=True)
        self.reader.start()

    def join(self, other: RabbitMQ) -> None:
        """Become a part of the cluster of `other`."""
        for words in (["stop_app"], ["reset"], ["join_cluster", other.environment["RABBITMQ_NODENAME"]], ["start_app"]):
            self.control(*words)

    def stop(self) -> None:
        """End it as its operator does: it tells everybody."""
        self.end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once: it has no time to say good-bye to anybody."""
        self.end(signal.SIGKILL)

    def end(self, how: int) -> None:
        self.script.process.send_signal(how)
        self.script.process.wait()
        if self.reader is not None:
            self.reader.join()
            self.reader = None
        self.script.__exit__()

    def __enter__(self) -> RabbitMQ:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.kill()
        if self.names is not None:
            self.names.__exit__()


class Cluster:
    """Three nodes on loopback, of which one may be killed. url: that of each, in one."""

    def __init__(self, place: Path, version: str) -> None:
        self.nodes: list[RabbitMQ] = []
        try:
            for name in ("one", "two", "three"):
                (place / name).mkdir()
                self.nodes.append(RabbitMQ(place / name, version, *self.nodes[:1]))
        except BaseException:
            self.__exit__()
            raise
        self.url = ",".join(node.url for node in self.nodes)

    def kill(self) -> None:
        """End the first node at once; nothing else is ended."""
        self.nodes[0].kill()

    def start(self) -> None:
        """It is not started again: the others go on."""

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc: Any) -> None:
        for node in reversed(self.nodes):
            node.__exit__()
