"""Check: a student's file in a child process, and the report about it."""

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

from examples.lessons.limits import SECONDS

#: The directory that has the package of examples.
TOP = Path(__file__).resolve().parents[3]

WORLDS = 200

#: Seconds of silence after which a child is given up: one that sleeps, where limits of computing do not help.
PATIENCE = 60.0


def environment():
    """For a child that has to find this package, and the library where this process has found it."""
    places = [str(TOP), *(place for place in sys.path if place)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(places)), "PYTHONIOENCODING": "utf-8"}


def results(command, patience=PATIENCE):
    """The dicts that a child writes, line by line; {"silent": seconds} when it was given up."""
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    silent = threading.Event()
    errors = []
    reader = threading.Thread(target=lambda: errors.append(child.stderr.read()))
    reader.start()

    def give_up():
        silent.set()
        child.kill()

    try:
        while True:
            timer = threading.Timer(patience, give_up)
            timer.start()
            line = child.stdout.readline()
            timer.cancel()
            timer.join()
            if not line:
                break
            yield json.loads(line)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    finally:
        child.kill()  # harmless when it has ended
        child.wait()
        reader.join()
        child.stdout.close()
        child.stderr.close()
    if silent.is_set():
        yield {"silent": patience}
    elif child.returncode:
        last = b"".join(errors).decode("utf-8", "replace").strip().splitlines()[-1:] or ["no word"]
        yield {"died": child.returncode, "error": last[0]}


def check(file, seeds=None, write=print, seconds=SECONDS, patience=None):
    """Run a file in its worlds and write the report; returns whether the promise held. seeds: "17", or "0-199"."""
    seeds = seeds or f"0-{WORLDS - 1}"
    if "-" not in seeds:
        seeds = f"{seeds}-{seeds}"
    module = "examples.lessons.exercises.inmate"
    command = [sys.executable, "-m", module, str(file), seeds, str(seconds)]
    report = Report(file, write)
    for found in results(command, PATIENCE if patience is None else patience):
        report.take(found)
    return report.end()


class Report:
    """Puts the results of a child into words."""

    def __init__(self, file, write):
        self.file, self.write = file, write
        self.held, self.broken = 0, []
        self.failed = False

    def take(self, found):
        if "exercise" in found:
            self.write(f"{found['exercise']}: {found['promise']}\n")
        elif "seed" in found:
            self.held += not found["broken"]
            self.broken += [found["seed"]] * found["broken"]
        elif "shown" in found:
            self._count()
            self._show(found)
        else:
            self.failed = True
            self._stop(found)

    def end(self):
        """Whether all is well."""
        if not self.broken and not self.failed:
            self._count()
        return not self.broken and not self.failed

    def _count(self):
        worlds = self.held + len(self.broken)
        if not self.broken:
            self.write(f"The promise held in {'all ' if worlds > 1 else ''}{worlds} world{'s' * (worlds > 1)}.")
            return
        seeds = ", ".join(map(str, self.broken[:8])) + (" ..." if len(self.broken) > 8 else "")
        self.write(f"In {worlds} stormy worlds the promise held {self.held} times, and broke {len(self.broken)} times.")
        self.write(f"It broke in the worlds {seeds}\n")

    def _show(self, found):
        self.write(f"In world {found['shown']}:\n")
        for line in found["breach"].splitlines():
            self.write(textwrap.fill(line, 78, initial_indent="  ", subsequent_indent="  "))
        if not found["faults"]:
            self.write("\nIt breaks without any storm, too.\n")
        else:
            few = len(found["faults"])
            matter = "one matters" if few == 1 else f"{few} matter, together"
            self.write(f"\nOf the {found['of']} faults of its storm {matter}:\n")
            for fault in found["faults"]:
                self.write(f"  {fault}")
            self.write("")
        for line in found["picture"]:
            self.write(line)
        self.write(f"\nThis one again: python -m examples.lessons check {self.file} --seed {found['shown']}")

    def _stop(self, found):
        if "stopped" in found:
            self.write(found["stopped"])
        elif "silent" in found:
            self.write(
                f"No world came to an end within {found['silent']:g} s. Is there a time.sleep(), or an input(), in a "
                "method? While a method runs nothing else does."
            )
        else:
            self.write(f"The process of {self.file} ended with status {found['died']}: {found['error']}")
