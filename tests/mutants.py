"""Mutation testing, by cosmic-ray, of the rooms where a wrong line loses or doubles messages, or lets somebody in.

    tox -e mutants                            every room, 60 mutants of each
    tox -e mutants -- hosts limits --sample 0 these rooms, all of their mutants

A room is a module and the tests that have to notice whatever is changed in it. The mutants are made in a copy of the
checkout. Of a large room a sample is taken, the same one for the same seed. Those that live are shown, unless
EQUIVALENT or KINDS says why nobody can tell them from the original; the status is 1 when there are any.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple, Optional

CHECKOUT = Path(__file__).resolve().parents[1]
ENGINE = (
    "engine/both_sides engine/flow engine/transfers engine/outcomes engine/first_flow engine/loss engine/message_size "
    "engine/limits engine/call_budget "
)
SASL = "engine/sasl engine/sasl_mechanisms engine/sasl_containers engine/sasl_credentials "
BROKER = "broker/node broker/selecting broker/queues broker/bounds broker/habits"


class Room(NamedTuple):
    """module: its path. tests: the modules that have to notice: their paths below tests/, without prefix and suffix."""

    module: str
    tests: str


ROOMS = {
    "hosts": Room("reactor/hosts.py", "hosts"),
    "reasons": Room("reactor/reasons.py", "reasons container/comeback"),
    "redirects": Room("reactor/container/reconnect/redirects.py", "container/redirects"),
    "limits": Room("reactor/engine/limits.py", "container/limits engine/limits"),
    "mechanisms": Room("reactor/engine/sasl/mechanisms.py", SASL),
    "sasl": Room("reactor/engine/sasl/layer.py", SASL + "engine/sasl_garbage engine/sasl_work"),
    "naming": Room("reactor/engine/wire/naming.py", "engine/naming engine/handshakes engine/peers"),
    "serial": Room("reactor/engine/serial.py", "engine/serial engine/flow engine/handshakes"),
    "endpoint": Room("reactor/engine/endpoints/endpoint.py", "engine/endpoint engine/loss"),
    "channel": Room("reactor/engine/wire/channel.py", ENGINE + "engine/handshakes engine/peers"),
    "attachments": Room(
        "reactor/engine/wire/attachments.py", "engine/handshakes engine/naming engine/peers engine/loss"
    ),
    "outcomes": Room("reactor/engine/wire/outcomes.py", ENGINE + "engine/bad_input acknowledgement"),
    "flows": Room("reactor/engine/wire/flows.py", ENGINE + "engine/bad_input engine/handshakes"),
    "incoming_window": Room("reactor/engine/wire/incoming_window.py", ENGINE + "engine/bad_input"),
    "outgoing_window": Room("reactor/engine/wire/outgoing_window.py", ENGINE),
    "receiver": Room("reactor/engine/endpoints/receiver.py", ENGINE + "acknowledgement"),
    "sender": Room("reactor/engine/endpoints/sender.py", ENGINE + "acknowledgement"),
    "queue": Room("handlers/broker/nodes/node.py", BROKER),
    "index": Room("handlers/broker/nodes/index.py", BROKER),
    "bounds": Room("handlers/broker/bounds.py", "broker/bounds"),
}

#: What a mutant may write, in any room, where the original writes the second, and why that behaves alike.
_CONSTANT = r"((?:self\.)?_?[A-Z][A-Z_]+)\b"
KINDS = [
    (r"not TYPE_CHECKING", r"TYPE_CHECKING", "what is imported lazily, or for types alone, is imported at once"),
    (r" is " + _CONSTANT, r" == \1", "a constant is a small number, or there is one object of it"),
    (r" is not " + _CONSTANT, r" != \1", "the same"),
    (r"\bis_(sender|receiver) is not ", r"is_\1 != ", "there is one True and one False"),
    (r"\bis_(sender|receiver) is ", r"is_\1 == ", "the same"),
    (r" == (link|self)\b", r" is \1", "a link is equal to itself alone"),
    (r" != (link|self)\b", r" is not \1", "the same"),
    (r"([A-Z]{2,}) [+^] (LOCAL_|REMOTE_)", r"\1 | \2", "bits that differ: their sum"),
    (r"\.state <= WAITING\b", r".state == WAITING", "the first of the states"),
    (r"\.state >= GONE\b", r".state == GONE", "the last of them"),
    (r"\.state < GONE\b", r".state != GONE", "the same"),
    (r"\.fate >= LOST\b", r".fate == LOST", "the last of the fates"),
    (r"\.fate <= OPEN\b", r".fate == OPEN", "the first of the fates"),
    (r"\.fate > OPEN\b", r".fate != OPEN", "the same"),
]

#: Mutants that behave as the original does: room -> the line as it is written then -> why.
EQUIVALENT = {
    "bounds": {
        "return 0 != self.max_connections < len(self._seen)": "no bound is below 0",
        "if 0 < self.max_partial_bytes != self.partial:": "the second look decides",
        "if 0 < self.max_partial_bytes <= self.partial:": "the second look decides",
        "if 0 < self.max_partial_bytes is not self.partial:": "the second look decides",
    },
    "outcomes": {
        "batchable: Optional[bool] = True,": "a hint that is not used",
        "if span < before:": "either way finds the same deliveries",
        "first = following = 1": "they are set with the first run",
        "change = (STATE_CHANGED if state is not None else 0) | (SETTLED_NOW if settled else 1)": "a bit that is set",
        "change = (STATE_CHANGED if state is not None else 0) ^ (SETTLED_NOW if settled else 0)": "bits that differ",
    },
    "naming": {
        "for session in connection.sessions( -1):": "every session agrees with all bits, as with none",
        "if other is link and other.handle_out is None or other.detach_sent or channel is None or channel.end_sent:": (
            "what has not left is written first, as the older one"
        ),
    },
    "outgoing_window": {
        "LARGEST_PAYLOAD = 255 * 1024": "a measure of speed",
        "while queue and window > 0 and len(out) <= OUTPUT_LIMIT:": "the same",
        "key = len(tag) if not delivery.fate == OPEN else -2 - len(tag)": "either kind has keys of its own",
        "if key is not link.writer_key:": "another writer is made: a measure of speed",
        "key = len(tag) if delivery.fate == OPEN else ~2 - len(tag)": "another number that no tag is as long as",
    },
    "index": {
        "if not (returned and returned[0][0] <= place) and not (fresh and fresh[0].place < place):": "one in a place",
        # A message that was never delivered is younger than all that were.
        "if not (returned and returned[0][0] < place) and not (fresh and fresh[0].place == place):": "see above",
        "if not (returned and returned[0][0] < place) and not (fresh and fresh[0].place is place):": "see above",
        "if not (returned and returned[0][0] < place) and not (fresh and fresh[ -1].place < place):": "see above",
        "if returned and not (fresh and fresh[ -1].place < returned[0][0]):": "see above",
    },
    "queue": {
        "unlucky, most = 0, min(len(ring), MOST_REFUSERS ^ 1)": "the sum of two bits that differ",
        "unlucky, most = 0, min(len(ring), MOST_REFUSERS | 1)": "the same",
        "unlucky, most = 0, min(len(ring), MOST_REFUSERS + 2)": "one more is asked: a measure of time",
        "if not entry.aside:": "a measure of memory",
        "while unlucky != most and ring:": "it is counted one by one",
        "while entry is not root and browser.credit != 0:": "no credit is below 0",
        "if consumer.credit != 0:": "the same",
        "elif len(ring) >= 1:": "one alone takes turns with itself",
        "elif len(ring) != 1:": "it is not empty here",
        "if len(deadlines) > 2 * self.depth + 1001:": "a measure of memory",
        "if len(deadlines) > 2 * self.depth | 1000:": "the same",
        "if len(deadlines) > 2 ^ self.depth + 1000:": "the same",
        "if len(entry.refused) != MOST_REFUSERS:": "who is gone is forgotten earlier, and never asks again",
        "if len(entry.refused) is not MOST_REFUSERS:": "the same",
        "self.resume_at = self.capacity // 2": "bytes are whole",
        "if credit > 0 or consumer.spot is not None:": "without credit, or gone, it is shown nothing",
    },
    "receiver": {
        "if window is not None and self.incoming or self.wire_credit <= self.refill_at:": (
            "when something is read it looks once more whether that makes room"
        ),
        "self.refill_at = - 2": "who overruns credit that is not filled again is told so one message later",
    },
    "redirects": {
        "self._last = 1.0": "before the first one there is no row to go on with",
        "self._last = -1.0": "the same",
        "if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= 65536):": (
            "a Url has no such port, and that is nowhere to go as well"
        ),
    },
    "sasl": {
        "if self._stage <= _FINISHED and self.outcome != self.OK:": "no other stage comes before this in the alphabet",
    },
    "sender": {
        "_OPEN_BITS = LOCAL_ACTIVE | LOCAL_CLOSED - REMOTE_CLOSED": "the same bits, and some that no state has",
        "self.writer_key = +1": "it is set again when the link is attached",
    },
}

#: Seconds for the tests of one mutant, which may never end.
PATIENCE = 60.0
CONFIG = """
[cosmic-ray]
module-path = "{module}"
timeout = {patience}
excluded-modules = []
test-command = "{python} -m pytest -q -x -p no:cacheprovider -p no:randomly {tests}"
[cosmic-ray.distributor]
name = "local"
"""


class Survivor(NamedTuple):
    """A mutant that no test has noticed: where it is, the changed lines, those before first, and what was there."""

    place: str
    change: str
    original: str
    written: str

    def reason(self, room: str) -> Optional[str]:
        """Why it is no matter that it lives, or None."""
        said = EQUIVALENT.get(room, {})
        for line in (self.written, self.written.partition("  #")[0]):
            if line in said:
                return said[line]
        for written, original, why in KINDS:
            for found in re.finditer(written, self.written):
                start, end = found.span()
                if self.written[:start] + found.expand(original) + self.written[end:] == self.original:
                    return why
        return None


def copy_of_the_checkout(folder: Path) -> Path:
    """What the tests need, in a folder where it may be broken."""
    tree = folder / "tree"
    shutil.copytree(CHECKOUT, tree, ignore=shutil.ignore_patterns(".git", ".tox", "__pycache__", ".hypothesis"))
    return tree


def run(tree: Path, *command: str) -> str:
    """What a command of cosmic-ray prints."""
    return subprocess.run(
        [sys.executable, "-m", "cosmic_ray.cli", *command], cwd=tree, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def sampled(session: Path, most: int, seed: int) -> int:
    """Leave at most so many mutants in the session, 0 for all; returns how many there were."""
    with sqlite3.connect(session) as database:
        jobs = [job for (job,) in database.execute("select job_id from work_items order by job_id")]
        places = dict(
            database.execute(
                "select job_id, module_path || operator_name || occurrence || start_pos_row from mutation_specs"
            )
        )
        jobs.sort(key=lambda job: str(places.get(job)))  # the numbers of jobs are drawn anew each time
        drop = random.Random(seed).sample(jobs, len(jobs) - most) if 0 < most < len(jobs) else []
        for table in ("mutation_specs", "work_items"):
            database.executemany(f"delete from {table} where job_id = ?", [(job,) for job in drop])
    return len(jobs)


def survivors(dump: str) -> tuple[Counter[str], list[Survivor]]:
    """How the mutants ended, and those that live."""
    ends: Counter[str] = Counter()
    alive = []
    for line in dump.splitlines():
        item, result = json.loads(line)
        outcome = "not run" if result is None else str(result["test_outcome"]).rpartition(".")[2].lower()
        if outcome == "killed" and result["output"] == "timeout":
            outcome = "timed out"  # killed by an end that never comes; or by a machine with too much else to do
        ends[outcome] += 1
        if outcome == "survived":
            lines = [text for text in (result["diff"] or "").splitlines() if re.match(r"[+-](?![+-]{2})", text)]
            original, written = (" ".join(text[1:].strip() for text in lines if text[0] == sign) for sign in "-+")
            mutation = item["mutations"][0]
            operator = mutation["operator_name"].rpartition("/")[2]
            place = f"{mutation['module_path']}:{mutation['start_pos'][0]} ({operator})"
            alive.append(Survivor(place, "\n    ".join(lines), original, written))
    return ends, alive


def examine(name: str, tree: Path, most: int, seed: int) -> int:
    """Run the mutants of one room and say how they ended; returns how many live without an excuse."""
    room = ROOMS[name]
    tests = " ".join("tests/" + re.sub(r"(\w+)$", r"test_\1.py", module) for module in room.tests.split())
    config, session = tree / f"{name}.toml", tree / f"{name}.sqlite"
    config.write_text(
        CONFIG.format(module=room.module, patience=PATIENCE, python=sys.executable, tests=tests), encoding="utf-8"
    )
    run(tree, "baseline", config.name)
    run(tree, "init", config.name, session.name)
    there = sampled(session, most, seed)
    run(tree, "exec", config.name, session.name)
    ends, alive = survivors(run(tree, "dump", session.name))
    excused = [one for one in alive if one.reason(name) is not None]
    told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    print(f"{name}: {sum(ends.values())} of {there} mutants: {told}, {len(excused)} of these equivalent", flush=True)
    for one in alive:
        if one not in excused:
            print(f"  {one.place}\n    {one.change}", flush=True)
    return len(alive) - len(excused)


def main() -> int:
    parser = argparse.ArgumentParser(description="Changes a room line by line, and looks whether a test notices.")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--sample", type=int, default=60, help="mutants of a room, 0 for all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which sample (default: %(default)s)")
    options = parser.parse_args()
    unknown = set(options.rooms) - set(ROOMS)
    if unknown:
        parser.error(f"no such room: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_of_the_checkout(Path(folder))
        left = sum([examine(name, tree, options.sample, options.seed) for name in options.rooms or ROOMS])
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
