"""The classifier "OS Independent": no name that only some systems have is used, but where a condition asks for it.

This reads the sources; `tox -e types` checks them for Windows and macOS, too. Neither runs them there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.processes import CHECKOUT

SOURCES = [
    path.relative_to(CHECKOUT).as_posix()
    for folder in ("reactor", "handlers", "examples")
    for path in sorted((CHECKOUT / folder).rglob("*.py"))
]

#: Modules that are missing on Windows, and those that are only there.
MODULES = set(
    """crypt curses fcntl grp nis posix pty pwd readline resource spwd syslog termios tty
    msvcrt winreg winsound nt _winapi""".split()
)

#: Names that one of Linux, macOS and Windows does not have, or, as SO_REUSEADDR, means otherwise. os.pipe is
#: everywhere, but select() takes its ends on POSIX alone.
NAMES = {
    "os": """fork forkpty pipe pipe2 openpty mkfifo mknod chroot chown fchown lchown fchmod lchmod fchdir
        getuid geteuid getgid getegid getgroups getresuid getresgid setuid seteuid setgid setegid setgroups setreuid
        setregid initgroups getpgid getpgrp setpgid setpgrp getsid setsid killpg nice getpriority setpriority wait wait3
        wait4 waitid WNOHANG WIFEXITED WEXITSTATUS WIFSIGNALED WTERMSIG posix_spawn posix_spawnp register_at_fork
        sched_yield sched_getaffinity sched_setaffinity sysconf confstr pathconf fpathconf uname getloadavg ctermid
        ttyname tcgetpgrp tcsetpgrp sendfile readv writev pread pwrite preadv pwritev statvfs fstatvfs sync fdatasync
        posix_fallocate posix_fadvise lockf eventfd memfd_create getrandom getxattr setxattr listxattr set_blocking
        get_blocking startfile add_dll_directory O_NONBLOCK O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_SYNC O_DSYNC O_TMPFILE
        O_PATH O_BINARY PRIO_PROCESS""",
    "signal": """SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGPROF SIGQUIT SIGSTOP SIGSYS SIGTRAP
        SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ SIGBREAK CTRL_C_EVENT
        CTRL_BREAK_EVENT alarm setitimer getitimer pause pthread_kill pthread_sigmask sigpending sigwait sigwaitinfo
        sigtimedwait siginterrupt""",
    "socket": """AF_UNIX AF_PACKET AF_NETLINK AF_VSOCK MSG_DONTWAIT MSG_NOSIGNAL MSG_CMSG_CLOEXEC SCM_RIGHTS
        SOCK_CLOEXEC SOCK_NONBLOCK SO_REUSEADDR SO_REUSEPORT SO_EXCLUSIVEADDRUSE SO_BINDTODEVICE SO_PEERCRED SO_DOMAIN
        SO_PROTOCOL TCP_CORK TCP_DEFER_ACCEPT TCP_INFO TCP_KEEPALIVE TCP_KEEPCNT TCP_KEEPIDLE TCP_KEEPINTVL TCP_QUICKACK
        TCP_USER_TIMEOUT CMSG_LEN CMSG_SPACE send_fds recv_fds fromshare ioctl sethostname""",
    "select": "poll epoll kqueue kevent devpoll EPOLLIN POLLIN",
    "selectors": "PollSelector EpollSelector KqueueSelector DevpollSelector",
    "time": "clock_gettime clock_gettime_ns clock_settime clock_getres CLOCK_MONOTONIC CLOCK_REALTIME tzset",
    "sys": "getwindowsversion winver setdlopenflags getdlopenflags abiflags",
    "threading": "pthread_kill",
}
ONLY_SOME = {f"{module}.{name}" for module, names in NAMES.items() for name in names.split()}
#: Methods and keywords, of whatever object, that only some systems have.
ATTRIBUTES = set("sendmsg recvmsg recvmsg_into add_signal_handler preexec_fn start_new_session pass_fds".split())
PLACES = re.compile(r"/(dev|etc|proc|run|sys|tmp|usr|var)(/|$)|[A-Za-z]:\\")
GUARDS = re.compile(r"\bsys\.platform\b|\bos\.name\b|\bplatform\.system\(|\bhasattr\(")


def is_guard(node: ast.AST) -> bool:
    """Whether what stands below the statement has asked for the system, or for the name."""
    if isinstance(node, (ast.If, ast.IfExp)):
        return bool(GUARDS.search(ast.unparse(node.test)))
    if isinstance(node, ast.Try):
        caught = " ".join(ast.unparse(handler.type) for handler in node.handlers if handler.type)
        return bool(re.search(r"\b(AttributeError|ImportError|ModuleNotFoundError)\b", caught))
    return False


def unguarded(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module that no guard stands before."""
    yield node
    if not is_guard(node):
        for child in ast.iter_child_nodes(node):
            yield from unguarded(child)


def docstrings(tree: ast.Module) -> set[int]:
    """The ids of the constants that are documentation."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, owners)]
    return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}


def found(source: str) -> list[str]:
    """What a program uses that not every system has, each with its line."""
    tree = ast.parse(source)
    called = {}  # what a name stands for: "socket" -> "socket", "AF" -> "socket.AF_UNIX"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            called.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and not node.level:
            called.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    told, documentation = [], docstrings(tree)
    for node in unguarded(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = str(node.module)
            names = [f"{module}.{alias.name}" for alias in node.names if f"{module}.{alias.name}" in ONLY_SOME]
            names += [module] if module.partition(".")[0] in MODULES else []
        elif isinstance(node, ast.Attribute):
            owner = called.get(node.value.id, "") if isinstance(node.value, ast.Name) else ""
            names = [name for name in [f"{owner}.{node.attr}"] if name in ONLY_SOME]
            names += [node.attr] if node.attr in ATTRIBUTES else []
        elif isinstance(node, ast.keyword):
            names = [node.arg] if node.arg in ATTRIBUTES else []
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            names = [repr(node.value)] if PLACES.match(node.value) else []
        told += [f"line {getattr(node, 'lineno', '?')}: {name}" for name in names]
    return told


@pytest.mark.parametrize("path", SOURCES)
def test_every_system_has_it(path: str) -> None:
    assert found((CHECKOUT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source, told",
    [
        ("import os\nos.fork()", ["line 2: os.fork"]),
        ("import os as system\nsystem.geteuid", ["line 2: os.geteuid"]),
        ("import os\nread, write = os.pipe()", ["line 2: os.pipe"]),
        ("from signal import SIGHUP as HANG_UP, SIGTERM", ["line 1: signal.SIGHUP"]),
        ("def f():\n    import signal\n    signal.signal(signal.SIGUSR1, f)", ["line 3: signal.SIGUSR1"]),
        ("import socket\nsocket.socket(socket.AF_UNIX)", ["line 2: socket.AF_UNIX"]),
        ("import resource", ["line 1: resource"]),
        ("from fcntl import flock", ["line 1: fcntl"]),
        ("import select\nselect.epoll()", ["line 2: select.epoll"]),
        ("run(preexec_fn=f)", ["line 1: preexec_fn"]),
        ("sock.sendmsg([b''])", ["line 1: sendmsg"]),
        ("open('/dev/null')", ["line 1: '/dev/null'"]),
        ("import sys, os\nif sys.argv:\n    os.fork()", ["line 3: os.fork"]),
        ("try:\n    import pwd\nexcept ValueError:\n    pass", ["line 2: pwd"]),
        ("import sys, os\nif sys.platform != 'win32':\n    os.fork()", []),
        ("import os\nif hasattr(os, 'geteuid'):\n    os.geteuid()", []),
        ("import os\nroot = os.geteuid() == 0 if os.name == 'posix' else False", []),
        ("try:\n    import resource\nexcept ImportError:\n    resource = None", []),
        ("import signal\ngetattr(signal, 'SIGHUP', None)", []),
        ('"/dev/null is documentation"', []),
        ("import socket, signal\nsocket.socketpair()\nsignal.signal(signal.SIGTERM, f)", []),
    ],
)
def test_what_is_found(source: str, told: list[str]) -> None:
    assert found(source) == told
