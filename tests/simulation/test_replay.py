"""Runs again: the same seed gives the same history anywhere, and a failure says what to type."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reactor.simulation import World, explore
from reactor.simulation.__main__ import main
from reactor.simulation.world.replay import command, importable_name, read_seeds
from tests.support.scenarios import SCENARIOS, nothing_is_lost

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments, **environment):
    """Another process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "AMQP_REACTOR"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


def replayed(seed, hash_seed, scenario="nothing_is_lost"):
    place = f"tests.support.scenarios:{scenario}"
    done = run("-m", "reactor.simulation", place, "--seed", seed, "--trace", PYTHONHASHSEED=hash_seed)
    assert done.returncode == 0, done.stderr
    return done.stdout


#: Each scenario, replayed in one process; a form feed ends a history.
REPLAY = """
import sys
from reactor.simulation.__main__ import main

for place in sys.argv[2:]:
    assert main([place, "--seed", sys.argv[1], "--trace"]) == 0
    print(end="\f")
"""


@pytest.mark.parametrize("seeds", ["0", pytest.param("1-4", marks=pytest.mark.slow)])
def test_equal_seeds_give_equal_histories_in_any_process(seeds):
    places = [f"tests.support.scenarios:{scenario}" for scenario in SCENARIOS]
    first, second = (run("-c", REPLAY, seeds, *places, PYTHONHASHSEED=hash_seed) for hash_seed in ("1", "77777"))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout
    histories = first.stdout.split("\f")[:-1]
    assert len(histories) == len(SCENARIOS)
    count = len(read_seeds(seeds))
    for history in histories:
        assert len(history) > 2000 * count
        assert history.count("\nseed ") + history.startswith("seed ") == count


def test_the_history_is_that_of_this_process_too():
    world = World(3, keep=None)
    with world:
        nothing_is_lost(world)
    text = f"{world.trace()}seed 3: {world.now:.6f} s, {world.history.count} events, {world.digest}\n"
    assert replayed("3", "5") == text


def test_other_seeds_give_other_histories():
    digests = set()
    assert explore(nothing_is_lost, range(5), finished=lambda world: digests.add(world.digest)) == 5
    assert len(digests) == 5


def sources():
    for path in sorted([*(ROOT / "reactor").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


#: Types of values, and sources of chance that an application gives.
KINDS = {"uuid.UUID", "random.Random", "random.SystemRandom", "datetime.datetime", "datetime.timezone"}
KINDS |= {"datetime.fromtimestamp"}  # a date is written, and not asked for: not `now`, nor `today`


def test_nothing_draws_from_the_real_world():
    """Time, chance and names that nobody else has come from the clock and the random source of a container."""
    for path, tree in sources():
        modules = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules.update({alias.asname or alias.name: alias.name for alias in node.names})
            elif isinstance(node, ast.ImportFrom):
                modules.update({f"{node.module}.{alias.name}": f"{node.module}.{alias.name}" for alias in node.names})
                if node.module == "datetime":
                    modules.update({alias.asname or alias.name: alias.name for alias in node.names})
        used = set(modules.values()) - {"random", "uuid", "datetime", "date", "timezone"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used.add(f"{modules.get(node.value.id, '')}.{node.attr}")
        worldly = {name for name in used if name.partition(".")[0] in ("time", "random", "secrets", "uuid", "datetime")}
        worldly |= {name for name in used if name == "os.urandom"}
        if path == "reactor/loop/clock.py":
            worldly -= {"time", "time.monotonic", "time.time", "os.urandom"}  # a simulation replaces both
        if path.startswith("handlers/broker/web/"):
            continue  # threads and sockets of its own, in no simulation
        assert worldly <= KINDS, path


# -- failures -----------------------------------------------------------------------------------------------------


def fails(world: World) -> None:
    """Fails for one seed of three."""
    world.note(f"this is {world.seed}")
    assert world.seed % 3 != 2


def test_the_first_failure_ends_it_and_says_what_to_type(capsys):
    ended = []
    with pytest.raises(AssertionError):
        explore(fails, range(10), finished=lambda world: ended.append(world.seed))
    told = capsys.readouterr().err
    assert ended == [0, 1]
    assert "simulation: seed 2 failed after 0.000000 s: AssertionError" in told
    assert "0.000000 ** this is 2\n" in told
    (typed,) = re.findall(r"to run it again: python (.*)", told)
    assert typed == "-m reactor.simulation tests.simulation.test_replay:fails --seed 2"
    again = run(*typed.split())
    assert again.returncode == 1 and "simulation: seed 2 failed after 0.000000 s: AssertionError" in again.stderr
    assert run(*typed.replace("--seed 2", "--seed 1").split()).returncode == 0


def test_what_no_other_process_can_find_is_named_by_its_test(capsys):
    seen = []

    def local(world):
        seen.append(world.seed)
        assert world.seed < 5

    with pytest.raises(AssertionError):
        explore(local, range(10))
    (typed,) = re.findall(r"to run it again: (.*)", capsys.readouterr().err)
    test = "tests/simulation/test_replay.py::test_what_no_other_process_can_find_is_named_by_its_test"
    assert typed == f"AMQP_REACTOR_SEEDS=5 python -m pytest '{test}'"


def test_the_environment_names_other_seeds(monkeypatch):
    seen = []
    monkeypatch.setenv("AMQP_REACTOR_SEEDS", "7,20-22")
    assert explore(lambda world: seen.append(world.seed), range(3)) == 4
    assert seen == [7, 20, 21, 22]


@pytest.mark.parametrize("text, seeds", [("17", [17]), ("1,3", [1, 3]), ("2-4", [2, 3, 4]), (" 5 , 7-8 ", [5, 7, 8])])
def test_seeds_as_text(text, seeds):
    assert read_seeds(text) == seeds


def test_text_that_is_no_seed():
    with pytest.raises(ValueError):
        read_seeds("many")


def test_without_pytest_it_is_the_program_that_is_run_again(monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(sys, "argv", ["my_test.py", "-v"])
    assert command(None, 3) == "python my_test.py -v"
    assert command(lambda world: None, 3) == "AMQP_REACTOR_SEEDS=3 python my_test.py -v"


def test_a_scenario_of_the_main_module_is_found_where_that_has_a_name(monkeypatch):
    def scenario(world):
        """Nothing."""

    scenario.__module__ = "__main__"
    scenario.__qualname__ = "scenario"
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    assert importable_name(scenario) is None


# -- the command line ---------------------------------------------------------------------------------------------


def test_the_command_says_how_it_went(capsys):
    assert main(["tests.simulation.test_replay:fails", "--seed", "0,1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in out] == ["seed 0", "seed 1"]
    assert re.fullmatch(r"seed 0: 0\.000000 s, 2 events, [0-9a-f]{64}", out[0])


def test_the_command_shows_all_that_happened_also_when_it_fails(capsys):
    with pytest.raises(AssertionError):
        main(["tests.simulation.test_replay:fails", "--seed", "2", "--trace"])
    assert "** this is 2\n" in capsys.readouterr().out
