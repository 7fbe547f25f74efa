"""A script for the environment `sdist` of tox: the source distribution holds all of the checkout, and runs its tests.

Its first argument is the checkout; the others are those of pytest. The distribution lies in the current directory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path


def unpack(place: Path) -> Path:
    """The folder that the only distribution there unpacks to."""
    (archive,) = place.glob("amqp_reactor-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(place / "unpacked")
    (folder,) = (place / "unpacked").iterdir()
    return folder


def missing(folder: Path, checkout: Path) -> list[str]:
    """The files under version control that the folder does not have, as far as git tells."""
    names: list[str] = []
    if shutil.which("git"):
        listed = subprocess.run(["git", "-C", checkout, "ls-files", "-z"], stdout=subprocess.PIPE, text=True)
        names = [name for name in listed.stdout.split("\0") if name and (checkout / name).exists()]
    if not names:
        print(f"skipped: git does not list the files of {checkout}, so that nothing is compared with them")
    return [name for name in names if not (folder / name).exists()]


def main() -> None:
    folder = unpack(Path.cwd())
    left_out = missing(folder, Path(sys.argv[1]))
    if left_out:
        raise SystemExit(f"the source distribution has no {', '.join(left_out)}: see MANIFEST.in")
    os.chdir(folder)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", *sys.argv[2:]])


if __name__ == "__main__":
    main()
