"""The benchmarks run, and print a table; what stands in it is nobody's business here."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from pathlib import Path

import pytest

from tests.benchmarks import polling, rows
from tests.benchmarks import table as tables
from tests.benchmarks.abuse import Cost, cost, exponent, verdict
from tests.benchmarks.attacks import ATTACKS, Attack
from tests.benchmarks.rows import BEFORE, QUIET, ROWS, DidNotFinish, Row
from tests.benchmarks.sizes import growth
from tests.benchmarks.taking_turns import Taken, in_turns
from tests.benchmarks.turns import table
from tests.support.libraries import OURS, THEIRS
from tests.support.processes import CHECKOUT, Script, run

BENCHMARKS = [sys.executable, "-m", "tests.benchmarks", "--runs", "1", "--seconds", "0.01"]
#: Seconds, for what has many processes: nothing is judged by it.
LONG = 300.0


@pytest.mark.parametrize(
    "name",
    ["direct-10", "floor", *(pytest.param(name, marks=pytest.mark.slow) for name in ("tls", "embedded"))],
)
def test_a_row_of_the_table(name: str) -> None:
    (row,) = [row for row in ROWS if row.name == name]
    status, out, err = run([*BENCHMARKS, "--only", row.name], CHECKOUT)
    assert (status, err) == (0, "")
    header, rule, line = [text for text in out.splitlines() if text.startswith("|")]
    assert header.startswith("| | amqp-reactor")
    assert set(rule) == {"|", "-", ":"}
    title, ours = line.strip("| ").split(" | ")[:2]
    assert title == row.title
    assert re.search(r"\d", ours), line


def test_the_curves_of_costs_by_size() -> None:
    status, out, err = run([sys.executable, "-m", "tests.benchmarks.sizes", "--quick", "--only", "links"], CHECKOUT)
    assert (status, err) == (0, "")
    bars = [line for line in out.splitlines() if re.fullmatch(r" *[\d,]+ \| +[\d,.]+ \| #+", line)]
    assert len(bars) == 2, out
    grown = r"least at 10|\d+\.\d\d times from 1 to 10; the logarithm would allow 3.32"
    assert re.fullmatch(grown, out.splitlines()[-1])


def test_the_floor_of_a_message() -> None:
    status, out, err = run([sys.executable, "-m", "tests.benchmarks.bare", "300000", "3"], CHECKOUT)
    assert (status, err) == (0, "")
    assert json.loads(out)["rate"] > 0


def test_how_much_a_unit_costs_more_at_the_largest_size() -> None:
    assert growth({10: 5.0, 100: 2.0, 10_000: 3.0}) == "1.50 times from 100 to 10,000; the logarithm would allow 2.00"
    assert growth({1: 1.0, 4: 3.0}) == "3.00 times from 1 to 4; the logarithm would allow 2.00"
    assert growth({1: 3.0, 10: 2.0}) == "least at 10"


@pytest.mark.slow
def test_the_table_of_all_in_one_run(tmp_path: Path) -> None:
    into = tmp_path / "table.md"
    command = [*BENCHMARKS, "--table", "--against", str(CHECKOUT), "--into", str(into), "--only", "floor"]
    with Script([*command, "--only", "turn"], CHECKOUT, LONG) as script:
        status, out, err = script.finish()
    assert status == 0, err
    assert out == into.read_text(encoding="utf-8")
    about, _, header, rule, *lines = out.splitlines()
    assert about.endswith("; median of 1 (import: 3), of 0.01 s each.")
    assert header.startswith("| | amqp-reactor, ") and " | before, " in header
    assert len(lines) == 3
    assert len({line.count("|") for line in (header, rule, *lines)}) == 1, out
    figures = r"\| bytecodes of a turn that (asks|answers) \| [\d,]+ \| [\d,]+ \| 1.00 \|.*"
    assert all(re.fullmatch(figures, line) for line in lines[1:]), out


def test_a_row_of_that_table_has_a_line_without_busy_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = [row for row in ROWS if row.name == "round-trip"]
    p50 = {OURS: 100.0, QUIET: 200.0, BEFORE: 210.0, THEIRS: 800.0}

    def measured(_row: Row, libraries: list[str], runs: int, seconds: float) -> dict[str, Taken]:
        assert (libraries, runs, seconds) == (list(p50), 7, 0.5)
        return {name: Taken([{"p50": p50[name] / 1e6, "p99": 0.001}]) for name in libraries}

    monkeypatch.setattr(tables, "measured", measured)
    monkeypatch.setattr(tables, "version", lambda name: "9.9")
    monkeypatch.setitem(rows.TREES, BEFORE, CHECKOUT)
    assert tables.Table(CHECKOUT, 7, 0.5, 0, []).row(row) == [
        f"| {row.title} | 100 / 1,000 | 210 / 1,000 | 2.10 | 800 / 1,000 | 8.0 |",
        "| the same with `busy_poll=0` | 200 / 1,000 | 210 / 1,000 | 1.05 | 800 / 1,000 | 4.0 |",
    ]


def test_without_busy_polling_the_same_programs_run() -> None:
    assert json.loads(rows.worker_in_python(QUIET, "send", "amqp://h", {})[-1])["busy_poll"] == 0
    assert rows.direct(QUIET, 20, 10, warm=5)["rate"] > 0


@pytest.mark.slow
def test_where_the_time_of_a_round_trip_goes() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.turns", "--seconds", "0.1", "--runs", "1", "--top", "3"]
    with Script(command, CHECKOUT, LONG) as script:
        status, out, err = script.finish()
    assert (status, err) == (0, "")
    _, *sides = out.split("\n\n")
    assert len(sides) == 2
    for title, side in zip(("asking", "answering"), sides):
        header, rule, *_, rest, both = side.splitlines()
        assert header == f"| amqp-reactor, {title} | us | bytecodes |"
        assert set(rule) == {"|", "-", ":"}
        assert rest.startswith("| all others | ")
        assert re.fullmatch(r"\| a round trip \| \d+\.\d \| ([\d,]+|-) \|", both), both


def test_functions_stand_beside_each_other_in_the_order_of_their_time() -> None:
    steps = {"read, a": 20.0, "write, b": 30.0, "of no time, d": 5.0}
    now = (OURS, 9.0, {"read, a": 2.0, "write, b": 6.0, "wait, c": 1.0}, steps)
    before = (BEFORE, 7.0, {"read, a": 7.0}, {})
    assert table("asking", [now, before], 2) == [
        "| amqp-reactor, asking | us | bytecodes | amqp-reactor before, asking | us | bytecodes |",
        "|---|---:|---:|---|---:|---:|",
        "| `write, b` | 6.0 | 30 | `read, a` | 7.0 | - |",
        "| `read, a` | 2.0 | 20 |  |  |  |",
        "| all others | 1.0 | 5 | all others | 0.0 | - |",
        "| a round trip | 9.0 | 55 | a round trip | 7.0 | - |",
    ]


def test_one_that_fails_is_left_out_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    runs: list[str] = []

    def works(count: int) -> dict[str, float]:
        runs.append("works")
        return {"rate": float(count * len(runs))}

    def fails(count: int) -> dict[str, float]:
        runs.append("fails")
        raise DidNotFinish("no end")

    def starts_badly(name: str) -> int:
        if name == "late" and "works" not in runs:
            raise DidNotFinish("no beginning")
        return 10

    taken = in_turns({"broken": fails, "well": works, "late": works}, starts_badly, 3)
    assert runs == ["fails", "works", "works"] * 2 + ["works", "works"]
    assert [len(it.runs) for it in taken.values()] == [0, 3, 3]
    show = "{rate:.0f}".format_map
    assert [it.show(show) for it in taken.values()] == ["failed: no end", "50", "60 (1 failed)"]
    assert capsys.readouterr().err.splitlines() == ["late: no beginning", "broken: no end", "broken: no end"]


def test_a_process_that_does_not_finish_says_why() -> None:
    with rows.Worker(OURS, "nonsense", "amqp://127.0.0.1") as worker:
        with pytest.raises(DidNotFinish, match=r"^nonsense did not finish: it ended with status 1$"):
            worker.hear("started")
    with rows.Worker(OURS, "receive", rows.local_url(), limit=0.6, count=1, prefetch=1) as worker:
        with pytest.raises(DidNotFinish, match=r"^receive did not finish in 0\.6 s, and was ended$"):
            worker.report()


def test_another_port_is_tried_where_another_program_has_taken_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    usual = rows.local_url
    with socket.create_server(("127.0.0.1", 0)) as taken:

        def first_the_taken_one(scheme: str) -> str:
            tried.append(usual(scheme) if tried else f"amqp://127.0.0.1:{taken.getsockname()[1]}")
            return tried[-1]

        monkeypatch.setattr(rows, "local_url", first_the_taken_one)
        with rows.listening(OURS, "receive", count=1, prefetch=1) as (_, url):
            assert url == tried[-1] != tried[0]


@pytest.mark.slow
def test_a_row_beside_another_checkout() -> None:
    status, out, err = run([*BENCHMARKS, "--only", "direct-10", "--beside", str(CHECKOUT)], CHECKOUT)
    assert (status, err) == (0, "")
    header, _, line = [text for text in out.splitlines() if text.startswith("|")]
    assert "| amqp-reactor before |" in header
    *_, ours, before, ratio = line.strip("| ").split(" | ")
    assert re.search(r"\d", ours) and re.search(r"\d", before) and re.fullmatch(r"\d+\.\d\d", ratio), line


@pytest.mark.slow
def test_what_cannot_be_had_for_the_table_of_other_languages_is_named(tmp_path) -> None:
    command = [*BENCHMARKS, "--cpp", "--rhea", "--pypy", "--warm", "100"]
    with Script(command, CHECKOUT, LONG, PATH=str(tmp_path), AMQP_REACTOR_STRANGERS=str(tmp_path)) as script:
        status, out, err = script.finish()
    assert status == 0, err
    for why in ("Proton C++ is left out: there is no g++", "rhea is left out: not at", "PyPy is left out: there is no"):
        assert why in err
    directs, trips = [line for line in out.splitlines() if line.startswith("| amqp-reactor")]
    assert re.fullmatch(r"\| amqp-reactor \| amqp-reactor \| [\d,]+ \([\d.]+ \+ [\d.]+\) \| 1.00 \|", directs)
    assert re.fullmatch(r"\| amqp-reactor \| amqp-reactor \| [\d,]+ / [\d,]+ \| [\d,]+ \|", trips)


@pytest.mark.slow
def test_the_table_of_recoveries() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.recovery", "--runs", "1", "--broker", "handlers.broker"]
    status, out, err = run(command, CHECKOUT)
    assert (status, err) == (0, "")
    header, _, *lines = [text for text in out.splitlines() if text.startswith("|")]
    assert header.startswith("| broker | delays | amqp-reactor")
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"[\d,]+ \([\d,]+\)", line.strip("| ").split(" | ")[2]), line


@pytest.mark.slow
def test_a_broker_that_is_killed_again_and_again() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.killed", "--kills", "5", "--every", "60"]
    status, out, err = run(command, CHECKOUT)
    assert (status, err) == (0, "")
    figures = r"\d kills in \d+ s: 360 sent, 360 confirmed, 360 received, \d+ of them doubled, 0 lost"
    assert re.fullmatch(figures, out.splitlines()[-1])


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no such call")
def test_busy_programs_are_not_started_where_they_would_never_let_go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "sched_getscheduler", lambda process: os.SCHED_FIFO)
    monkeypatch.setattr(sys, "argv", ["polling"])
    with pytest.raises(SystemExit):
        polling.main()
    assert "without chrt" in capsys.readouterr().err


@pytest.mark.slow
def test_the_costs_of_queued_messages() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.broker_costs", "--depths", "1000,3000", "--durable", "2000"]
    status, out, err = run(command, CHECKOUT)
    assert (status, err) == (0, "")
    *_, first, second, _, last = out.splitlines()
    figures = r"\| [13],000 \| \d+\.\d\d, \d+\.\d\d \| \d+\.\d\d, \d+\.\d\d \| \d+ \|"
    assert re.fullmatch(figures, first) and re.fullmatch(figures, second)
    assert re.match(r"2,000 durable messages: \d+ bytes each in memory, \d+ in the file; \d+\.\d s ", last)


def test_what_recording_costs() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.recording", "--runs", "1", "--messages", "200"]
    status, out, err = run(command, CHECKOUT)
    assert (status, err) == (0, "")
    _, _, off, *others = out.splitlines()
    assert re.fullmatch(r"\| off \| \d+\.\d\d \| 100 % \|", off)
    assert [line.split(" | ")[0] for line in others] == [
        "| summary", "| summary, to a file", "| frames", "| frames, to a file",
    ]  # fmt: skip


@pytest.mark.skipif(polling.at_real_time(), reason="it refuses to run at real-time priority")
def test_what_busy_polling_gains_and_costs() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.polling", "--runs", "1", "--seconds", "0.02"]
    status, out, err = run([*command, "--only", "1,000 messages/s"], CHECKOUT)
    assert (status, err) == (0, "")
    assert re.fullmatch(r"\| 1,000 messages/s \|( \d+ \+ \d+ \([\d,]+/s\) \|){2}", out.splitlines()[-1])
    status, _, err = run([*command, "--only", "nonsense"], CHECKOUT)
    assert status == 2
    assert "no row has these words: nonsense" in err


def test_an_unknown_row_is_refused_with_the_known_ones() -> None:
    status, _, err = run([*BENCHMARKS, "--only", "nonsense"], CHECKOUT)
    assert status == 2
    assert "no such row: nonsense" in err


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_comes_to_its_end(attack: Attack) -> None:
    """At a tenth of its size, on a fresh victim; what it costs is nobody's business here."""
    it = cost(attack, CHECKOUT, 1, 10)
    assert it.cpu is not None
    assert it.sent > 0


@pytest.mark.slow
def test_the_table_of_attacks() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.abuse", "--quick", "--only", "a body of", "--factors", "1,2"]
    status, out, err = run([*command, "--checkout", str(CHECKOUT)], CHECKOUT)
    assert (status, err) == (0, "")
    header, rule, line = [text for text in out.splitlines() if text.startswith("|")]
    assert header.startswith("| attack, at its largest | sent | before: CPU | ")
    assert header.count("|") == rule.count("|") == line.count("|")
    figures = r" \d+\.\d\d s \| \d+ MB \| (-|-?\d+\.\d) \| (ok|steep|dear|steep, dear) \|"
    assert re.fullmatch(r"\| a body of arrays of nulls \| 1,012 \|" + 2 * figures, line), line


def test_how_a_cost_grows_and_what_is_said_of_it() -> None:
    def costs(power: float, last: float, size: int = 65536) -> list[Cost]:
        return [Cost(size * factor // 8, last * (factor / 8) ** power) for factor in (1, 2, 4, 8)]

    assert exponent(costs(2, 4.0)) == pytest.approx(2)
    assert exponent(costs(1, 0.4)) == pytest.approx(1)
    assert exponent(costs(2, 0.03)) is None, "nobody can tell"
    assert verdict(costs(1, 0.4)) == "ok"
    assert verdict(costs(2, 0.4)) == "steep"
    assert verdict(costs(1, 0.6)) == "dear"
    assert verdict(costs(1, 0.6, 131072)) == "ok"
    assert verdict(costs(2, 1.2, 131072)) == "steep, dear"
    assert verdict([*costs(1, 0.1), Cost(0, None)]) == "no end"


def test_an_attack_that_nobody_knows_is_refused() -> None:
    status, _, err = run([sys.executable, "-m", "tests.benchmarks.abuse", "--only", "nonsense"], CHECKOUT)
    assert status == 2
    assert "no attack has such a name" in err
