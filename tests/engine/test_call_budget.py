"""How many Python calls a message costs, counted by sys.setprofile: the same on every machine and under any load.

Speed follows from it. A batch of messages is one turn, so that what a turn costs does not count; the broker's
budget is in test_broker_budget.py.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter

import pytest

from handlers import MessagingHandler
from reactor.codec.message import Message
from reactor.engine.events import Event
from reactor.engine.handler import Dispatcher
from tests.support.pair import Pair

BATCH = 200
RECEIVE, SEND, OUTCOME = 11, 9, 4
#: Where a handler sends one message in each `on_sendable`, a message costs what a turn costs.
SEND_ONE = 14


class Receiving(MessagingHandler):
    def __init__(self, **options):
        super().__init__(prefetch=0, **options)
        self.bodies = []

    def on_message(self, event):
        self.bodies.append(event.message.body)


class Sending(MessagingHandler):
    def __init__(self, most=BATCH):
        super().__init__(prefetch=0)
        self.most = most
        self.sent = 0
        self.accepted = 0

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.most:
            event.sender.send(Message("message"))
            self.sent += 1

    def on_accepted(self, event):
        self.accepted += 1


class OneByOne(Sending):
    def on_sendable(self, event):
        if self.sent < self.most:
            event.sender.send(Message("message"))
            self.sent += 1


def counted(act):
    """How often which Python function was called while `act` ran; its own frame is not counted."""
    calls = Counter()

    def count(frame, event, argument):
        # On PyPy the collector cannot be switched off whole, and Hypothesis, where a run has it, looks on at it.
        if event == "call" and not frame.f_globals.get("__name__", "").startswith("hypothesis"):
            calls[frame.f_code.co_name] += 1

    before = sys.getprofile()
    gc.disable()  # what it finds of other tests may have Python code to call
    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(before)
        gc.enable()
    calls[act.__code__.co_name] -= 1
    return calls


def per_message(calls):
    return sum(calls.values()) / BATCH


def joined(pre_settled=False):
    """A link with credit for a batch, the events of both ends taken."""
    pair = Pair()
    setup = (lambda link: setattr(link, "snd_settle_mode", link.SND_SETTLED)) if pre_settled else None
    sender, receiver = pair.way(True, BATCH, setup)
    pair.client.take()
    pair.server.take()
    return pair, sender, receiver


def output(transport):
    transport.pending()
    data = bytes(transport.output)
    transport.pop(len(data))
    return data


def taking(end, handler, data):
    """A turn of one end: it takes `data`, calls the handler, and writes."""
    dispatcher = Dispatcher(end.collector, None, handler)
    transport = end.transport

    def turn():
        transport.receive(data)
        dispatcher.run()
        transport.pending()

    return turn


def messages(pre_settled=False):
    """A batch of messages: (the pair, the receiver, the bytes for its end)."""
    pair, sender, receiver = joined(pre_settled)
    for number in range(BATCH):
        sender.send(Message("message %d" % number))
    return pair, receiver, output(pair.client.transport)


def outcomes():
    """The outcomes of a batch: (the pair, the sender, the bytes for its end)."""
    pair, sender, receiver = joined()
    for _ in range(BATCH):
        sender.send(Message("message"))
    pair.pump()
    for delivery in list(receiver.unsettled_deliveries):
        delivery.take()
        delivery.update(delivery.ACCEPTED)
        delivery.settle()
    pair.client.take()
    return pair, sender, output(pair.server.transport)


def sending(handler):
    """(A sender with credit, a function that gives the turns until the handler has sent so many.)"""
    pair, sender, _ = joined()
    dispatcher = Dispatcher(pair.client.collector, None, handler)
    transport = pair.client.transport
    pair.client.collector.put(sender, Event.LINK_FLOW)

    def until(number):
        def turns():
            while handler.sent < number:
                dispatcher.run()
                transport.pending()

        return turns

    return sender, until


@pytest.mark.parametrize("pre_settled", [False, True], ids=["at least once", "at most once"])
def test_receiving_a_message(pre_settled):
    pair, receiver, data = messages(pre_settled)
    handler = Receiving()
    calls = counted(taking(pair.server, handler, data))
    assert handler.bodies == ["message %d" % number for number in range(BATCH)]
    assert receiver.unsettled == 0
    assert calls["on_delivery"] == BATCH, "the part for outgoing deliveries is not called"
    assert per_message(calls) <= RECEIVE, calls.most_common(20)


def test_receiving_with_a_window_of_credit():
    pair, sender, receiver = joined()
    receiver.prefetch = 10
    pair.pump()
    handler = Receiving()
    dispatcher = Dispatcher(pair.server.collector, None, handler)
    transport = pair.server.transport
    calls = Counter()
    while len(handler.bodies) < BATCH:
        for _ in range(5):
            sender.send(Message("message"))
        data = output(pair.client.transport)

        def turn(data=data):
            transport.receive(data)
            dispatcher.run()
            transport.pending()

        calls += counted(turn)
        pair.client.transport.receive(output(transport))
    assert per_message(calls) <= RECEIVE + 2, calls.most_common(20)


def test_sending_a_message():
    handler = Sending()
    sender, until = sending(handler)
    calls = counted(until(BATCH))
    assert handler.sent == BATCH
    assert sender.queued == 0
    assert per_message(calls) <= SEND, calls.most_common(20)


def test_sending_one_message_each_time():
    handler = OneByOne()
    sender, until = sending(handler)
    before = BATCH // 2
    until(before)()  # the first one looks the methods up, and tags of another length another writer of frames
    calls = counted(until(BATCH))
    assert handler.sent == BATCH
    assert sender.queued == 0
    assert sum(calls.values()) <= SEND_ONE * (BATCH - before), calls.most_common(20)


def test_an_outcome_that_comes_back():
    pair, sender, data = outcomes()
    handler = Sending(0)
    calls = counted(taking(pair.client, handler, data))
    assert handler.accepted == BATCH
    assert sender.unsettled == 0
    assert calls["on_delivery"] == BATCH, "the part for incoming deliveries is not called"
    assert per_message(calls) <= OUTCOME, calls.most_common(20)


def test_each_outcome_in_a_frame_of_its_own():
    """From a peer that does not put them together."""
    pair, sender, receiver = joined()
    for _ in range(BATCH):
        sender.send(Message("message"))
    pair.pump()
    data = b""
    for delivery in list(receiver.unsettled_deliveries):
        delivery.take()
        delivery.update(delivery.ACCEPTED)
        delivery.settle()
        data += output(pair.server.transport)
    pair.client.take()
    handler = Sending(0)
    dispatcher = Dispatcher(pair.client.collector, None, handler)
    transport = pair.client.transport

    def turn():
        transport.receive(data)
        dispatcher.run()
        transport.pending()

    calls = counted(turn)
    assert handler.accepted == BATCH
    assert per_message(calls) <= OUTCOME + 1, calls.most_common(20)


def test_what_nobody_listens_to_is_not_built():
    """An application without methods for outcomes pays next to nothing for them."""
    pair, sender, receiver = joined()
    for _ in range(BATCH):
        sender.send(Message("message"))
    pair.pump()
    for delivery in list(receiver.unsettled_deliveries):
        delivery.take()
        delivery.update(delivery.ACCEPTED)
        delivery.settle()
    pair.client.take()
    data = output(pair.server.transport)
    dispatcher = Dispatcher(pair.client.collector, None, object())
    transport = pair.client.transport

    def turn():
        transport.receive(data)
        dispatcher.run()

    assert per_message(counted(turn)) < 1


@pytest.mark.parametrize("links", [50, 400])
def test_a_link_costs_the_same_among_many(links):
    pair = Pair().open()
    session = pair.client.connection.session()
    session.open()
    pair.pump()

    def turn():
        for number in range(links):
            session.sender("link %d" % number).open()
        pair.pump()

    calls = counted(turn)
    assert len(list(pair.server.connection.links(0))) == links
    assert sum(calls.values()) / links <= 500, calls.most_common(10)
