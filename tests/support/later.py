"""RabbitMQ of later Debian releases: each release in a folder of its own, which is entered by chroot.

    python -m tests.support.later            makes what is missing (about a minute each, 500 MB), says what is there

The folders lie in $AMQP_REACTOR_ROOTS, or in `amqp-reactor` of the user's cache. They are made once, and only here: the
tests find them, or skip. What enters one gets a mount namespace of its own, so that what is mounted in it goes when its
process ends, and nothing has to be taken away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional

#: RabbitMQ's version -> the Debian release that has it.
RELEASES = {"4.0": "trixie", "4.3": "forky"}
#: Seconds for one command that installs. A mirror that has not answered by then is taken for one that does not.
PATIENCE = 240.0
#: What a chroot begins with: our place in it, and what Erlang wants to see of the machine.
ENTER = 'mount -t proc proc "$1/proc" && mount --bind "$2" "$1/srv" && shift 2 && exec "$@"'
PACKAGES = ("debootstrap", "util-linux")


class Unavailable(Exception):
    """Why a release cannot be had here."""


def folder() -> Path:
    """Where the releases are."""
    if "AMQP_REACTOR_ROOTS" in os.environ:
        return Path(os.environ["AMQP_REACTOR_ROOTS"]).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache if os.path.isabs(cache) else "/var/tmp") / "amqp-reactor"


def root(version: str) -> Path:
    """The folder of a RabbitMQ, whether it is there or not."""
    return folder() / f"rabbitmq-{version}"


def program(version: str) -> Optional[str]:
    """The path of its program, as its release sees it; None where it is not there."""
    found = sorted(root(version).glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))
    return "/" + str(found[-1].relative_to(root(version))) if found else None


def missing(version: str) -> str:
    """Why it cannot be started here; "" when it can."""
    if program(version) is None:
        return f"nothing at {root(version)}: python -m tests.support.later"
    return "" if os.geteuid() == 0 else "not root: its folder is entered by chroot"


def entering(version: str, place: Path, environment: dict[str, str]) -> list[str]:
    """The beginning of a command that runs inside, where /srv is `place`; the process stays the same one."""
    words = [f"{key}={value}" for key, value in environment.items()]
    inside = ["chroot", str(root(version)), "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *words]
    return ["unshare", "--mount", "sh", "-c", ENTER, "sh", str(root(version)), str(place), *inside]


def make(version: str) -> None:
    """Make the folder of one, if it is not there; Unavailable says why it cannot be. One at a time makes it."""
    folder().mkdir(parents=True, exist_ok=True)
    with open(folder() / f"rabbitmq-{version}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program(version) is not None:
            return
        half = folder() / f"rabbitmq-{version}.half"
        shutil.rmtree(half, ignore_errors=True)
        log = folder() / f"rabbitmq-{version}.log"
        log.write_text("", encoding="utf-8")
        _install(version, half, log)
        shutil.rmtree(root(version), ignore_errors=True)
        half.rename(root(version))  # only a whole one has its name


def _install(version: str, half: Path, log: Path) -> None:
    if os.geteuid() != 0:
        raise Unavailable("not root")
    if shutil.which("apt-get") is None:
        raise Unavailable("there is no apt-get")
    if shutil.which("debootstrap") is None or shutil.which("unshare") is None:
        _run("apt-get update", log, ["apt-get", "update", "-qq"])
        _run("installing debootstrap", log, ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *PACKAGES])
    release = RELEASES[version]
    # The script of `sid` is that of all later releases, of which this debootstrap may not know the name.
    scripted = [release, str(half), mirror(), "/usr/share/debootstrap/scripts/sid"]
    _run("debootstrap", log, ["debootstrap", "--variant=minbase", "--include=ca-certificates", *scripted])
    services = half / "usr/sbin/policy-rc.d"  # no service is started in it
    services.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    services.chmod(0o755)
    (half / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
    if os.path.exists("/etc/resolv.conf"):
        shutil.copy("/etc/resolv.conf", half / "etc/resolv.conf")
    # An index of a testing release can be older than it says that it may be; its signature is looked at all the same.
    within = ["chroot", str(half), "apt-get", "-qq", "-y", "-o", "Acquire::Check-Valid-Until=false"]
    _run("apt-get update in it", log, [*within, "update"])
    _run("installing rabbitmq-server", log, [*within, "install", "--no-install-recommends", "rabbitmq-server"])


def mirror() -> str:
    """The archive of Debian that this machine installs from, as apt knows it."""
    asked = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    told = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", timeout=60)
    for site in told.stdout.split():
        if site.rstrip("/").endswith("/debian"):
            return site
    raise Unavailable("apt knows no archive of Debian")


def _run(what: str, log: Path, command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with open(log, "a", encoding="utf-8") as output:
        try:
            ended = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{what} was not done after {PATIENCE:g} s, see {log}") from None
    if ended.returncode != 0:
        raise Unavailable(f"{what} failed with status {ended.returncode}, see {log}")


def main() -> None:
    for version in RELEASES:
        try:
            make(version)
        except Unavailable as reason:
            print(f"skipped RabbitMQ {version} of Debian {RELEASES[version]}: {reason}", flush=True)
        else:
            print(f"RabbitMQ {version} of Debian {RELEASES[version]}: {root(version)}{program(version)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
