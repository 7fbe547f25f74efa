"""How many bytecodes of Python a message and a turn take, counted by sys.settrace: the same on every machine and under
any load.

Calls are the wrong count for what a turn costs: half as many of them have moved nothing. Each version of CPython has
bytecodes of its own, so the numbers are those of one version. A turn that brings one message is counted with all that
it runs: the wait, the frames, the handlers, the answer.
"""

from __future__ import annotations

import platform
import sys

import pytest

from reactor.codec.frame_plans import plans
from tests.engine.test_call_budget import BATCH, OneByOne, Receiving, Sending, messages, outcomes, sending, taking
from tests.support.steps import TRIPS, ends, stepped, turns

pytestmark = pytest.mark.skipif(
    platform.python_implementation() != "CPython" or sys.version_info[:2] != (3, 11),
    reason="bytecodes are counted with CPython 3.11: each version has its own",
)

#: Per message, where many share a turn. As measured: to be lowered with the code, and not to be raised.
RECEIVE, RECEIVE_SETTLED, SEND, SEND_ONE, OUTCOME = 777, 660, 538, 1071, 252
#: Per turn, where each has one message: a request or its answer, its outcome, and the outcome of the one before.
ASK, ANSWER = 3672, 4086

@pytest.fixture(autouse=True)
def no_frames_known():
    """What other tests have read must not count: shapes that are much alike are tried one after the other."""
    plans.clear()


def assert_within(budget, steps, count):
    taken = sum(steps.values()) / count
    assert taken <= budget, [(code.co_qualname, code.co_filename, of / count) for code, of in steps.most_common(20)]


@pytest.mark.parametrize("pre_settled", [False, True], ids=["at least once", "at most once"])
def test_receiving_a_message(pre_settled):
    pair, _, data = messages(pre_settled)
    handler = Receiving()
    steps = stepped(taking(pair.server, handler, data))
    assert len(handler.bodies) == BATCH
    assert_within(RECEIVE_SETTLED if pre_settled else RECEIVE, steps, BATCH)


def test_sending_a_message():
    handler = Sending()
    _, until = sending(handler)
    steps = stepped(until(BATCH))
    assert handler.sent == BATCH
    assert_within(SEND, steps, BATCH)


def test_sending_one_message_each_time():
    handler = OneByOne()
    _, until = sending(handler)
    before = BATCH // 2
    until(before)()
    steps = stepped(until(BATCH))
    assert handler.sent == BATCH
    assert_within(SEND_ONE, steps, BATCH - before)


def test_an_outcome_that_comes_back():
    pair, _, data = outcomes()
    handler = Sending(0)
    steps = stepped(taking(pair.client, handler, data))
    assert handler.accepted == BATCH
    assert_within(OUTCOME, steps, BATCH)


def test_a_turn_with_one_message():
    with ends() as (client, server, asking):
        before = asking.answers
        ask, answer = turns(client, server)
        assert asking.answers == before + TRIPS, "each turn brings a message"
    assert_within(ASK, ask, TRIPS)
    assert_within(ANSWER, answer, TRIPS)
