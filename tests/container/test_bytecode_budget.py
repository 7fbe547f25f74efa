"""How many bytecodes of Python a message and a turn take, counted by sys.settrace: the same on every machine and under
any load.

Calls are the wrong count for what a turn costs: half as many of them have moved nothing. Each version of CPython has
bytecodes of its own, so the numbers are those of one version. A turn that brings one message is counted with all that
it runs: the wait, the frames, the handlers, the answer.
"""

from __future__ import annotations

import gc
import platform
import sys
from collections import Counter

import pytest

from handlers import MessagingHandler
from reactor.codec.frame_plans import plans
from reactor.codec.message import Message
from reactor.container.container import Container
from tests.engine.test_call_budget import BATCH, OneByOne, Receiving, Sending, messages, outcomes, sending, taking

pytestmark = pytest.mark.skipif(
    platform.python_implementation() != "CPython" or sys.version_info[:2] != (3, 11),
    reason="bytecodes are counted with CPython 3.11: each version has its own",
)

#: Per message, where many share a turn. As measured: to be lowered with the code, and not to be raised.
RECEIVE, RECEIVE_SETTLED, SEND, SEND_ONE, OUTCOME = 955, 827, 552, 1080, 296
#: Per turn, where each has one message: a request or its answer, its outcome, and the outcome of the one before.
ASK, ANSWER = 3685, 4100

TRIPS = 20  # a multiple of those between two flows


@pytest.fixture(autouse=True)
def no_frames_known():
    """What other tests have read must not count: shapes that are much alike are tried one after the other."""
    plans.clear()


def stepped(act):
    """How many bytecodes each Python function has run while `act` did; its own frame is not counted."""
    steps = Counter()
    names = {}

    def enter(frame, event, argument):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        code = frame.f_code
        if code is act.__code__:
            return None
        name = names.setdefault(code, "%s in %s" % (code.co_qualname, code.co_filename.rpartition("/")[2]))

        def step(frame, event, argument):
            if event == "opcode":
                steps[name] += 1
            return step

        return step

    before = sys.gettrace()
    gc.disable()
    sys.settrace(enter)
    try:
        act()
    finally:
        sys.settrace(before)
        gc.enable()
    return steps


def assert_within(budget, steps, count):
    taken = sum(steps.values()) / count
    assert taken <= budget, [(name, of / count) for name, of in steps.most_common(20)]


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


class Answering(MessagingHandler):
    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.requests = 0

    def on_link_opening(self, event):
        if event.link.is_sender:
            event.link.source.address = "replies"
            self.replies = event.link
        else:
            event.link.target.address = event.link.remote_target.address

    def on_message(self, event):
        request = event.message
        reply = Message(request.body, address=request.reply_to, correlation_id=request.correlation_id)
        self.replies.send(reply)
        self.requests += 1


class Asking(MessagingHandler):
    def __init__(self, url):
        super().__init__()
        self.url = url
        self.answers = 0
        self.ready = False

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        self.sender = event.container.create_sender(connection, "requests")
        self.receiver = event.container.create_receiver(connection, None, dynamic=True)

    def on_link_opened(self, event):
        if event.link is self.receiver:
            self.ask()

    def ask(self):
        reply_to = self.receiver.remote_source.address
        self.sender.send(Message("x" * 100, reply_to=reply_to, correlation_id=self.answers))

    def on_message(self, event):
        self.body = event.message.body
        self.answers += 1
        self.ask()


@pytest.fixture
def ends():
    """Two containers over a socket, in this thread: after some answers, one is on its way."""
    answering = Answering()
    server = Container(answering, busy_poll=0)
    server.timeout = 0
    server.process()
    asking = Asking(answering.acceptor.url)
    client = Container(asking, busy_poll=0)
    client.timeout = 0
    while asking.answers < TRIPS:
        client.process()
        server.process()
    while answering.requests == asking.answers:
        server.process()
    # From here on each turn waits for what the other one has written, however long that takes.
    client.timeout = server.timeout = None
    yield client, server, asking
    for container in (client, server):
        container.close()


def test_a_turn_with_one_message(ends):
    client, server, asking = ends
    ask, answer = Counter(), Counter()

    def turn_of_client():
        client.process()

    def turn_of_server():
        server.process()

    before = asking.answers
    for _ in range(TRIPS):
        ask += stepped(turn_of_client)
        answer += stepped(turn_of_server)
    assert asking.answers == before + TRIPS, "each turn brings a message"
    assert_within(ASK, ask, TRIPS)
    assert_within(ANSWER, answer, TRIPS)
