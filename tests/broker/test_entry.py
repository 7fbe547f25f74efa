"""One message in one queue: its memory of consumers that must not get it again."""

from __future__ import annotations

from handlers.broker.nodes.consumer import serials
from handlers.broker.nodes.entry import ENTRY_COST, MOST_REFUSERS, Entry


def test_a_new_one_was_nowhere_before():
    entry = Entry(7, None, b"body", 0.0)
    assert (entry.place, entry.number, entry.delivery_count, entry.redelivered) == (7, 0, 0, False)
    assert entry.size == len(b"body") + ENTRY_COST
    assert entry.plainly_waits


def test_it_remembers_some_that_refused_it_and_then_bars_all_that_are_there():
    entry = Entry(1, None, b"", 0.0)
    there = {next(serials) for _ in range(MOST_REFUSERS + 1)}
    older = next(serials)
    for serial in sorted(there)[:-1]:
        entry.refuse(serial, there)
        assert not entry.may_go_to(serial) and not entry.bar and not entry.plainly_waits
    assert entry.may_go_to(older)
    entry.refuse(max(there), there)
    assert entry.bar and entry.refused is None
    assert not any(entry.may_go_to(serial) for serial in (*there, older)), "those that came before the bar"
    assert not entry.may_go_to(entry.bar)
    newer = next(serials)
    assert entry.may_go_to(newer)
    entry.refuse(newer, {newer})
    assert not entry.may_go_to(newer) and entry.may_go_to(next(serials))


def test_those_that_have_gone_are_forgotten_before_a_bar_is_needed():
    entry = Entry(1, None, b"", 0.0)
    gone = [next(serials) for _ in range(MOST_REFUSERS)]
    for serial in gone:
        entry.refuse(serial, set(gone))
    last = next(serials)
    entry.refuse(last, {last})
    assert (entry.refused, entry.bar) == ({last}, 0)


def test_after_a_restart_it_is_no_first_delivery():
    entry = Entry(1, None, b"", 0.0, 12)
    entry.again(3)
    assert (entry.redelivered, entry.delivery_count, entry.number) == (True, 3, 12)
