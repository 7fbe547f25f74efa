"""System: the differences between Linux, macOS and Windows, in one room.

Every room from the loop upwards may enter, and asks `HERE`; no other room asks which system this is. A System is made
of Python's own modules, or of stand-ins for them: so the tests have those of Windows and macOS. It knows no wire and no
container.

    Linux      epoll; all signals
    macOS      kqueue, by Python's `selectors`; all signals
    Windows    select, which takes sockets alone, and does not end at Ctrl-C; its own numbers of errors (WSAECONNRESET
               is 10054); SIGINT and SIGBREAK; no SIGHUP, no file modes, no `sched_yield`
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import sys

from reactor.lazily import TYPE_CHECKING, Lazily

if TYPE_CHECKING:
    import signal
    from typing import Any, Callable, Optional
else:
    signal = Lazily("signal")

__all__ = ["HERE", "System"]

#: Errors of accept() for a peer that gave up while it waited, and of networks that failed beneath it: see accept(2).
_GAVE_UP = (
    "ECONNABORTED ECONNRESET EPERM EPROTO ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP ENETUNREACH"
)
#: An IPv6 socket for both families, or an address, cannot be had here; any other error of it is a real one. macOS has
#: EADDRNOTAVAIL for an address of a network that is down.
_NO_ADDRESS = "EAFNOSUPPORT EADDRNOTAVAIL ENOPROTOOPT EPROTONOSUPPORT"
#: The results of connect_ex while there is no answer yet; that of Windows is WSAEWOULDBLOCK.
_UNDERWAY = "EINPROGRESS EWOULDBLOCK EAGAIN EINTR"
#: The signals by which a program is asked to end: the last one is of Windows, for Ctrl-Break and consoles that close.
_ENDING = "SIGINT SIGTERM SIGBREAK"


class System:
    """One system.

    platform: as `sys.platform`. posix: whether files have modes and owners. os_module ... signal_module: Python's.

    longest_wait: seconds. underway: results of connect_ex for an attempt that goes on. gave_up: errors of accept for a
        peer that is gone. no_address: errors of an address that this machine lacks.
    gathered_from: bytes from which on the pieces of a message are put together as they come; 0 for never.
    give_way: the call that leaves the processor to others; None: there is none, and to look again would keep the peer
        from working.
    """

    def __init__(
        self,
        platform: str = sys.platform,
        posix: bool = os.name == "posix",
        os_module: Any = os,
        errno_module: Any = errno,
        socket_module: Any = socket,
        signal_module: Any = signal,
    ) -> None:
        self.platform = platform
        self.posix = posix
        self._os = os_module
        self._socket = socket_module
        self._signal = signal_module
        self._strerror: Callable[[int], str] = os_module.strerror
        # select() on Windows does not end when Ctrl-C is pressed. For the others it is a limit that the system's own
        # call accepts in any unit.
        self.longest_wait = 0.5 if platform == "win32" else 86400.0
        self.underway = frozenset([0, *_there(errno_module, _UNDERWAY)])
        self.gave_up = frozenset(_there(errno_module, _GAVE_UP))
        self.no_address = frozenset(_there(errno_module, _NO_ADDRESS))
        self.give_way: Optional[Callable[[], object]] = getattr(os_module, "sched_yield", None)
        # The C library of Linux lets a large block grow without a copy (mremap); the others copy it each time.
        self.gathered_from = 4 * 1024 * 1024 if platform == "linux" else 0

    # -- sockets -----------------------------------------------------------------------------------------

    @property
    def has_epoll(self) -> bool:
        """Whether the poller may ask epoll itself; the others go by `selectors`."""
        return self.platform == "linux"

    def selector(self) -> selectors.BaseSelector:
        """The best one that Python has for this system; select alone on Windows."""
        return selectors.SelectSelector() if self.platform == "win32" else selectors.DefaultSelector()

    def claim(self, sock: Any) -> None:
        """Have a socket that is going to listen take a port which was in use a moment ago, and no other program take it
        from us."""
        exclusive = getattr(self._socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is not None:
            # On Windows the other option lets a second process take the port over.
            sock.setsockopt(self._socket.SOL_SOCKET, exclusive, 1)
        else:
            sock.setsockopt(self._socket.SOL_SOCKET, self._socket.SO_REUSEADDR, 1)

    @property
    def reuses_ports(self) -> bool:
        """Whether SO_REUSEADDR means no more than that a port may be taken which was in use a moment ago."""
        return getattr(self._socket, "SO_EXCLUSIVEADDRUSE", None) is None

    def unix_socket(self, kind: int = socket.SOCK_STREAM) -> Optional[socket.socket]:
        """A new socket whose address is a path; None where Python has none for this system. kind: of the socket."""
        family = getattr(self._socket, "AF_UNIX", None)
        return None if family is None else self._socket.socket(family, kind)

    def explain(self, code: int) -> str:
        """The text of an error number; on Windows os.strerror does not know those of sockets."""
        texts: dict[int, str] = getattr(self._socket, "errorTab", {})
        return texts.get(code) or self._strerror(code)

    # -- signals -----------------------------------------------------------------------------------------

    @property
    def ending_signals(self) -> list[int]:
        """The signals that ask a program to end."""
        return _there(self._signal, _ENDING)

    @property
    def hang_up(self) -> Optional[int]:
        """SIGHUP, by which a server is asked to read its settings again; None where there is none."""
        return next(iter(_there(self._signal, "SIGHUP")), None)

    @property
    def asking_signal(self) -> Optional[int]:
        """SIGUSR1, by which a program is asked why nothing moves; None where there is none."""
        return next(iter(_there(self._signal, "SIGUSR1")), None)

    # -- processes and users -----------------------------------------------------------------------------

    @property
    def user(self) -> int:
        """The number of the user of this process; 0 where users have none."""
        number = getattr(self._os, "getuid", None)
        return 0 if number is None else int(number())

    def check_process(self, pid: int) -> None:
        """ProcessLookupError where there is no process of that number, PermissionError where it is another user's. On
        Windows nothing: the call that asks elsewhere would end it there."""
        if self.posix:
            self._os.kill(pid, 0)

    # -- files -------------------------------------------------------------------------------------------

    def keep_private(self, descriptor: int) -> bool:
        """Have what is made of an open file or socket be its user's alone. False where the system cannot say so."""
        change = getattr(self._os, "fchmod", None)
        if change is None:
            return False
        try:
            change(descriptor, 0o600)
        except OSError:  # macOS has it for files, and not for sockets
            return False
        return True

    def settings_folders(self) -> list[str]:
        """Where a program's settings may be, beside the folder that it was started in: of the user, of the machine."""
        home = os.path.expanduser("~")
        places = [(home, ".config", "messaging"), (os.sep, "etc", "messaging")]
        return [os.path.join(*place) for place in places] if self.posix else []


def _there(module: Any, names: str) -> list[int]:
    """The values of those names that the module has."""
    found = (getattr(module, name, None) for name in names.split())
    return [value for value in found if value is not None]


#: The system that this program runs on.
HERE = System()
