"""A storm as a list of faults, drawn from a seed, so that it can be had again without some of them; and its "
"shrinking."""

from random import Random
from typing import NamedTuple


class Fault(NamedTuple):
    """One fault.

    at: when, in seconds. kind: "cut" (the connections of the victim), "kill" (it is started again after `seconds`),
    "stand still" (for `seconds`), "lose" (its next frame of that name is lost, with the connection).
    """

    at: float
    kind: str
    victim: str
    seconds: float = 0.0
    frame: str = ""

    def plan(self, world):
        """Have it happen in that world, when its time comes."""
        world.after(self.at, lambda: getattr(self, self.kind.replace(" ", "_"))(world))

    def cut(self, world):
        world.cut(self.victim)

    def kill(self, world):
        program = world.programs[self.victim]
        if program.running:
            program.crash()
            world.after(self.seconds, lambda: program.running or program.restart())

    def stand_still(self, world):
        program = world.programs[self.victim]
        program.pause()
        world.after(self.seconds, program.resume)

    def lose(self, world):
        world.when(self.frame, sender=self.victim).cut(lost=True)

    def __str__(self):
        words = {
            "cut": f"the connection of the {self.victim} is cut",
            "kill": f"the {self.victim} is killed, and started again {self.seconds:.2f} s later",
            "stand still": f"the {self.victim} stands still for {self.seconds:.2f} s",
            "lose": f"the next {self.frame} of the {self.victim} is lost, and its connection with it",
        }
        return f"{self.at:.3f} s: {words[self.kind]}"


def draw(seed, kinds, span):
    """The faults of one storm. kinds: rows of kind, victim and frame. span: seconds from the first to the last."""
    random = Random(f"{seed}/faults")
    faults = []
    for _ in range(random.randint(3, 6)):
        kind, victim, frame = random.choice(kinds)
        faults.append(Fault(random.uniform(0.05, span), kind, victim, random.uniform(0.05, 0.6), frame))
    return sorted(faults)


def shrink(faults, breaks):
    """The few faults that matter: of these none can be left out. breaks: whether the promise breaks under so many.

    It is delta debugging (Zeller and Hildebrandt, 2002): leave out halves, quarters ... for as long as it still breaks.
    """
    if breaks([]):
        return []
    parts = 2
    while len(faults) > 1:
        size = -(-len(faults) // parts)
        for start in range(0, len(faults), size):
            fewer = faults[:start] + faults[start + size :]
            if breaks(fewer):
                faults, parts = fewer, max(2, parts - 1)
                break
        else:
            if parts >= len(faults):
                break
            parts = min(len(faults), parts * 2)
    return faults
