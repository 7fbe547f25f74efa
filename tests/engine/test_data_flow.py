"""The walks of a message in reactor/ARCHITECTURE.md, "Data flow", held against the calls that are made."""

from __future__ import annotations

from collections import Counter

from reactor.engine.events import Event
from reactor.engine.handler import Dispatcher
from tests.engine.test_call_budget import BATCH, Receiving, Sending, counted, joined, output
from tests.support.chapters import CHAPTERS, in_code

#: Classes in the walks: the call is that of their initialiser.
MADE = {"Delivery", "Message"}
#: Attributes that the handler of these tests reads.
READ = {"sender", "credit"}


def each_message(calls: Counter[str]) -> set[str]:
    """The functions that are called for each message, not for each turn."""
    return {name for name, times in calls.items() if times >= BATCH} - READ


def walk(begin: str, end: str) -> set[str]:
    """The names in the part of the section between these words."""
    text = CHAPTERS["reactor/ARCHITECTURE.md"].section("Data flow")
    assert begin in text and end in text
    names = set(in_code(text.partition(begin)[2].partition(end)[0]))
    return (names - MADE) | ({"__init__"} if names & MADE else set())


def test_the_walks_of_a_message_are_the_calls_that_are_made() -> None:
    pair, sender, receiver = joined()
    sending = Sending()
    dispatcher = Dispatcher(pair.client.collector, None, sending)
    client, server = pair.client.transport, pair.server.transport
    pair.client.collector.put(sender, Event.LINK_FLOW)

    def send() -> None:
        while sending.sent < BATCH:
            dispatcher.run()
            client.pending()

    assert each_message(counted(send)) == walk("One that is sent:", "Its outcome:")

    transfers = output(client)
    receiving = Receiving()
    accepting = Dispatcher(pair.server.collector, None, receiving)

    def receive() -> None:
        server.receive(transfers)
        accepting.run()
        server.pending()

    assert each_message(counted(receive)) == walk("A message that is received", "One that is sent:")
    assert len(receiving.bodies) == BATCH and not receiver.unsettled

    # One outcome for all of them makes one disposition: the walk of each is what its delivery costs.
    outcomes = output(server)

    def settle() -> None:
        client.receive(outcomes)
        dispatcher.run()
        client.pending()

    assert each_message(counted(settle)) == walk("Its outcome:", "The budgets")
    assert sending.accepted == BATCH
