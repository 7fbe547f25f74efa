"""The queues that nothing was put into yet: shared by all, and always empty."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import pytest

from reactor.engine.endpoints import queues

KINDS = {
    "pending": queues.NONE_PENDING,
    "waiting": queues.NONE_WAITING,
    "incoming": queues.NONE_INCOMING,
    "queue": queues.NONE_OUTGOING,
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("call", ["append", "extend", "extendleft"])
def test_the_first_delivery_makes_a_queue_of_its_owner_alone(name, call):
    unused = KINDS[name]
    outgoing = SimpleNamespace(queue=unused)
    link = SimpleNamespace(channel=SimpleNamespace(outgoing=outgoing), pending=unused, waiting=unused, incoming=unused)
    first, second = SimpleNamespace(link=link), SimpleNamespace(link=link)
    if call == "append":
        unused.append(first)
    else:
        getattr(unused, call)(iter((first, second)))
    made = getattr(outgoing if name == "queue" else link, name)
    assert type(made) is deque
    assert list(made) == {"append": [first], "extend": [first, second], "extendleft": [second, first]}[call]
    assert len(unused) == 0


@pytest.mark.parametrize("unused", KINDS.values(), ids=KINDS)
def test_nothing_put_in_makes_nothing(unused):
    unused.extend([])
    unused.extendleft(())
    unused.clear()
    assert not unused and list(unused) == []


def test_the_dict_of_all_takes_nothing_in():
    with pytest.raises(TypeError, match="stays empty"):
        queues.NOTHING["key"] = 1
    queues.NOTHING.clear()
    assert queues.NOTHING.pop("key", None) is None and not queues.NOTHING
