"""Clients of other projects, as they are installed: cli-proton-python, azure-servicebus, rhea and amqp10;
implementations of WebSocket: websockets and ws; a loop, tornado; and jaeger-client, with what it needs.

    python -m tests.support.strangers        installs what is missing (pip, npm), says what is there

They lie in $AMQP_REACTOR_STRANGERS, or in `amqp-reactor/strangers` of the user's cache. They are installed only here:
the tests find them, or skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: Seconds for one installation.
PATIENCE = 300.0
PYTHON = {
    "cli-proton-python": "cli-proton-python-sender",
    "azure-servicebus": "azure/servicebus",
    "websockets": "websockets",
    "tornado": "tornado",
    "opentracing": "opentracing",
    "jaeger-client": "jaeger_client",
    "six": "six.py",  # of thrift, which jaeger-client wants: its present release names it no more
}
NODE = ("rhea", "amqp10", "ws")


def folder() -> Path:
    """Where they are."""
    if "AMQP_REACTOR_STRANGERS" in os.environ:
        return Path(os.environ["AMQP_REACTOR_STRANGERS"]).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache if os.path.isabs(cache) else "/var/tmp") / "amqp-reactor" / "strangers"


def programs() -> Path:
    """The programs of the environment of the Python ones."""
    return folder() / "venv" / ("Scripts" if os.name == "nt" else "bin")


def missing(name: str) -> str:
    """Why that client cannot be run here; "" when it can."""
    if name in NODE:
        found = (folder() / "node_modules" / name).is_dir()
        if found and shutil.which("node") is None:
            return "there is no node"
    else:
        mark = PYTHON[name]
        found = bool(list(programs().glob(mark)) or list((folder() / "venv").glob(f"**/site-packages/{mark}")))
    return "" if found else f"not at {folder()}: python -m tests.support.strangers"


def install() -> None:
    """Install what is missing, as far as it can be had."""
    folder().mkdir(parents=True, exist_ok=True)
    wanted = [name for name in PYTHON if missing(name)]
    if wanted:
        _run([sys.executable, "-m", "venv", str(folder() / "venv")])
        for name in wanted:
            _run([str(programs() / "pip"), "install", "-q", name])
    if any(missing(name) for name in NODE) and shutil.which("npm"):
        (folder() / "package.json").write_text('{"private": true}', encoding="utf-8")
        _run(["npm", "install", "--silent", "--no-audit", "--no-fund", *NODE])  # it takes away what is not named


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, cwd=folder(), check=True, timeout=PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{' '.join(command)}: {error}")


def main() -> None:
    install()
    for name in (*PYTHON, *NODE):
        print(f"{name}: {missing(name) or 'there'}")


if __name__ == "__main__":
    main()
