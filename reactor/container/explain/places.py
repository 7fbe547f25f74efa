"""Places: where a container listens for questions, and where it is found by the number of its process.

A Unix socket that only its user may open, or a port of the loopback address. It knows files and sockets, and no
container.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat

from reactor.hosts import is_loopback
from reactor.lazily import TYPE_CHECKING, Lazily
from reactor.system import HERE

if TYPE_CHECKING:
    import tempfile
    from typing import Optional
else:
    tempfile = Lazily("tempfile")

#: Askers that the system lets wait.
BACKLOG = 16

NO_UNIX_SOCKETS = "this system has no Unix sockets: listen_for_questions('127.0.0.1:0') is for loopback, with a token"


def directory() -> str:
    """The directory of the sockets of this user's processes: ``$XDG_RUNTIME_DIR/amqp-reactor``, or
    ``/tmp/amqp-reactor-UID`` where the system has no such directory."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        return os.path.join(runtime, "amqp-reactor")
    return os.path.join(tempfile.gettempdir(), "amqp-reactor-%d" % HERE.user)


def checked_directory() -> str:
    """The same, made if it is not there. PermissionError when others could write into it, or it is another user's."""
    path = directory()
    try:
        os.mkdir(path, mode=0o700)
    except FileExistsError:
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != HERE.user or found.st_mode & 0o077:
            text = "%s is no directory of this user alone (drwx------), and other users could answer for it: remove it"
            raise PermissionError(text % path) from None
    return path


def of_process(pid: int) -> list[str]:
    """The sockets of the containers of a process."""
    where = directory()
    names = sorted(os.listdir(where)) if os.path.isdir(where) else []
    return [os.path.join(where, name) for name in names if re.fullmatch(r"%d(-\d+)?\.sock" % pid, name)]


def as_loopback(text: str) -> Optional[tuple[str, int]]:
    """Host and port of ``127.0.0.1:5999`` or ``tcp://[::1]:5999``; None for a path. ValueError for a host that is not
    this machine."""
    found = re.fullmatch(r"(?:tcp://)?(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})", text)
    if found is None:
        return None
    host = found[1].strip("[]")
    if not is_loopback(host) or int(found[2]) > 0xFFFF:
        text = "questions are listened for on this machine alone, as at 127.0.0.1:5999, and not at %r"
        raise ValueError(text % found[0])
    return host, int(found[2])


def listen_at_port(host: str, port: int) -> socket.socket:
    """A listener on loopback."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        HERE.claim(listener)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def unix_socket() -> socket.socket:
    """A Unix socket. OSError where the system has none."""
    made = HERE.unix_socket()
    if made is None:
        raise OSError(errno.EAFNOSUPPORT, NO_UNIX_SOCKETS)
    return made


class SocketFile:
    """A Unix socket that is listened at, and its file. path: None for one of this process, in the user's directory.

    A file of a process that has died is taken away; anything else that is there is left, and is an error:
    FileExistsError for a file that is no socket, OSError for a socket at which another process listens.
    """

    def __init__(self, path: Optional[str] = None) -> None:
        unix_socket().close()  # OSError where there are none, before a directory is made
        if path is not None:
            self._bind(path)
            return
        where = checked_directory()
        for number in range(1, 1000):
            name = "%d.sock" % os.getpid() if number == 1 else "%d-%d.sock" % (os.getpid(), number)
            try:
                return self._bind(os.path.join(where, name))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, "a thousand containers of this process listen for questions")

    def _bind(self, path: str) -> None:
        self.path = path
        _take_away_stale(path)
        self.listener = unix_socket()
        try:
            _bind_for_the_user_alone(self.listener, path)
            found = os.lstat(path)
            self._inode = (found.st_dev, found.st_ino)
            self.listener.listen(BACKLOG)
        except BaseException:
            self.listener.close()
            raise

    def close(self) -> None:
        """Close it, and remove its file, if that is still ours."""
        self.listener.close()
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return
        if (found.st_dev, found.st_ino) == self._inode:
            os.unlink(self.path)


def _bind_for_the_user_alone(listener: socket.socket, path: str) -> None:
    """Bind, with a file that is never open to others: not for a moment."""
    # Linux makes the file with the mode of the socket.
    before = None if HERE.keep_private(listener.fileno()) else os.umask(0o177)
    try:
        listener.bind(path)
    except OSError as error:
        if len(os.fsencode(path)) > 100:
            raise OSError(error.errno, "%s is too long for the path of a socket: %s" % (path, error)) from None
        raise OSError(error.errno, "cannot listen for questions at %s: %s" % (path, error.strerror)) from None
    finally:
        if before is not None:
            os.umask(before)
    os.chmod(path, 0o600)


def _take_away_stale(path: str) -> None:
    """Remove the socket of a process that has died. FileExistsError for a file that is no socket, OSError for a socket
    at which a process listens."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "%s is there, and is no socket: it is left as it is" % path)
    with unix_socket() as asker:
        asker.setblocking(False)
        try:
            asker.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # its backlog is full: it lives
            pass
    raise OSError(errno.EADDRINUSE, "another container listens for questions at %s" % path)
