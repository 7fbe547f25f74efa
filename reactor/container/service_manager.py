"""Service manager: READY, STATUS, WATCHDOG and STOPPING to the manager that has started the process, such as systemd.

`Container.run(notify=True)` makes one. It is a few datagrams to the socket that ``NOTIFY_SOCKET`` names, as
[sd_notify(3)](https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html) describes them; where the
environment names none nothing is sent. It knows the turns of a container by the function that makes one.
"""

from __future__ import annotations

import os
import socket

from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import logger
from reactor.system import HERE

if TYPE_CHECKING:
    from typing import Callable, Optional

    from reactor.loop.interface import Clock

log = logger(__name__)

#: Bytes of a status: it is one line for a person.
LONGEST = 400


class ServiceManager:
    """The manager that has started this process, if there is one.

    status: a line about the container as it is now. clock: of the container.
    interval: seconds between two signs of life that the manager wants, at most; None: it wants none.
    """

    def __init__(self, clock: Clock, status: Callable[[], str]) -> None:
        self._clock = clock
        self._status = status
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._due = 0.0
        self.interval = _watchdog_interval() if self._address else None

    @property
    def wait(self) -> Optional[float]:
        """Seconds that a turn waits at most: half of the interval, as sd_watchdog_enabled(3) wants; None: no bound."""
        return None if self.interval is None else self.interval / 2

    def ready(self) -> None:
        """The container has started."""
        self._send("READY=1\nSTATUS=%s" % self._line())
        self._due = self._clock.now()

    def alive(self) -> None:
        """A turn has ended: the loop goes round."""
        if self.interval is not None and self._clock.now() >= self._due:
            self._due = self._clock.now() + self.interval / 2
            self._send("WATCHDOG=1\nSTATUS=%s" % self._line())

    def stopping(self) -> None:
        """The run ends."""
        self._send("STOPPING=1")

    def _line(self) -> str:
        return self._status().partition("\n")[0][:LONGEST]

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]  # a name without a file
        try:
            way = HERE.unix_socket(socket.SOCK_DGRAM)
            if way is not None:
                with way:
                    way.setblocking(False)
                    way.sendto(text.encode("utf-8", "replace"), address)
        except OSError as error:
            log.warning("the service manager at %s does not take %r: %s", self._address, text.partition("\n")[0], error)


def _watchdog_interval() -> Optional[float]:
    """Seconds, from ``WATCHDOG_USEC``; None where it is not meant for this process."""
    text, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return None
    if not text.isdecimal() or not int(text):
        if text:
            log.warning("WATCHDOG_USEC is %r, and no number of microseconds: no sign of life is sent", text)
        return None
    return int(text) / 1e6
