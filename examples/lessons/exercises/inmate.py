"""The child process of a check: runs a student's file in many worlds, and writes the results as lines of JSON.

    python -m examples.lessons.exercises.inmate FILE SEEDS SECONDS

The parent is checking.py. Lines go to what standard output was in the beginning; prints of the file do not.
"""

import json
import os
import sys
from pathlib import Path

from examples.lessons.exercises import catalogue
from examples.lessons.exercises.exercise import run, storm_of
from examples.lessons.exercises.storm import shrink
from examples.lessons.limits import TooLong, computing, explain, limit_memory
from examples.lessons.picture import draw
from examples.lessons.stage import Broken


class Check:
    """One file. tell: takes a dict for each thing that is found out. seconds: of computing, for each world."""

    def __init__(self, source, name, tell, seconds):
        self.name, self.tell, self.seconds = name, tell, seconds
        try:
            with computing(seconds):
                self.kind, self.names = catalogue.read(source, name)
        except TooLong as error:
            raise Broken(explain(error, name, seconds)) from None

    def run(self, seed, faults, watch=False):
        """One world; an endless loop is a breach like others, and MemoryError is one."""
        with computing(self.seconds):
            return run(self.kind, self.names, seed, faults, watch)

    def run_seed(self, seed):
        """The breach in the world of a seed; None where the promise held."""
        return self.run(seed, storm_of(self.kind, seed)).breach

    def all(self, seeds):
        """Every world; then the first that broke, shrunk and drawn."""
        self.tell({"exercise": self.kind.name, "promise": self.kind.promise})
        first = None
        for seed in seeds:
            broken = self.run_seed(seed) is not None
            self.tell({"seed": seed, "broken": broken})
            if broken and first is None:
                first = seed
        if first is not None:
            self.show(first)

    def show(self, seed, width=80):
        """The breach in the world of a seed: the few faults that matter, the sentence about that run, its picture."""
        whole = storm_of(self.kind, seed)
        faults = shrink(whole, lambda fewer: self.run(seed, fewer).breach is not None)
        result = self.run(seed, faults, watch=True)
        self.tell(
            {
                "shown": seed,
                "breach": result.breach,
                "of": len(whole),
                "faults": [str(fault) for fault in faults],
                "picture": draw(result.recording, width, only=result.lanes, about=result.about),
            }
        )


def main(arguments):
    file, seeds, seconds = arguments
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(found):
        print(json.dumps(found), file=lines, flush=True)

    limit_memory()
    name = Path(file).name
    begin, _, end = seeds.partition("-")
    try:
        check = Check(Path(file).read_text(encoding="utf-8"), name, tell, float(seconds))
        try:
            check.all(range(int(begin), int(end) + 1))
        except TooLong as error:
            tell({"stopped": explain(error, name, float(seconds))})
    except Broken as broken:
        tell({"stopped": str(broken)})
    except MemoryError:
        tell({"stopped": f"{name} needs more memory than it may have: does it keep all that it gets?"})
    lines.close()


if __name__ == "__main__":
    main(sys.argv[1:])
