"""The network in memory: the manners of TCP, and what a test can do to it."""

from __future__ import annotations

import errno
import os

import pytest

from reactor.loop.wires import READ, WRITE, ConnectError
from reactor.simulation import MemoryNetwork

REFUSED = os.strerror(errno.ECONNREFUSED)


class Watcher:
    def ready(self, mask):
        raise AssertionError("the network itself calls nobody")


@pytest.fixture
def network():
    return MemoryNetwork()


@pytest.fixture
def node(network):
    return network.node("here")


def join(node, host="localhost"):
    """Two ends of a wire."""
    listener = node.listen(host, 0)
    wire = node.connect(host, listener.port)
    node.wait(0)
    peer = listener.accept()
    listener.close()
    assert wire.connected() and peer.connected()
    return wire, peer


def outcome(node, host, port):
    wire = node.connect(host, port)
    assert not wire.connected()
    node.wait(0)
    with pytest.raises(ConnectError) as caught:
        wire.connected()
    return str(caught.value)


# -- connecting -------------------------------------------------------------------------------------------------


def test_nobody_listens(node):
    assert outcome(node, "localhost", 5672) == f"cannot connect to localhost:5672: 127.0.0.1:5672: {REFUSED}"
    assert outcome(node, "broker", 5672) == f"cannot connect to broker:5672: {REFUSED}"


def test_a_name_that_is_unknown_until_it_is_known(network, node):
    node.listen("", 5672)
    network.fail_lookup("broker")
    assert outcome(node, "broker", 5672) == "cannot look up broker: Name or service not known"
    network.fail_lookup("broker", False)
    wire = node.connect("broker", 5672)
    node.wait(0)
    assert wire.connected()


def test_no_port(node):
    assert "a port lies between" in outcome(node, "localhost", 0)


def test_somebody_who_does_not_answer_until_he_does(network, node):
    node.listen("", 5672)
    network.silence("far")
    wire = node.connect("far", 5672)
    watcher = Watcher()
    node.watch(wire, WRITE, watcher)
    assert node.wait(0) == []
    assert network.quiet
    network.silence("far", False)
    assert node.wait(0) == [(watcher, WRITE)]
    assert wire.connected()


def test_who_starts_to_listen_in_the_same_turn_is_found(node):
    wire = node.connect("localhost", 5672)
    node.listen("localhost", 5672)
    node.wait(0)
    assert wire.connected()


@pytest.mark.parametrize("listens", ["", None, "0.0.0.0", "::", "localhost", "127.0.0.1", "::1"])
@pytest.mark.parametrize("connects", ["", "localhost", "127.0.0.1", "::1"])
def test_this_machine_has_many_names(node, listens, connects):
    node.listen(listens, 5672)
    wire = node.connect(connects, 5672)
    node.wait(0)
    assert wire.connected()


def test_a_host_of_its_own(node):
    node.listen("broker-a", 5672)
    node.listen("broker-b", 5672)
    assert REFUSED in outcome(node, "localhost", 5672)
    wire = node.connect("broker-b", 5672)
    node.wait(0)
    assert wire.remote_address == "broker-b:5672"


@pytest.mark.parametrize("first, second", [("", "localhost"), ("localhost", ""), ("::1", "127.0.0.1")])
def test_a_port_that_is_in_use(node, first, second):
    listener = node.listen(first, 5672)
    with pytest.raises(OSError, match=r"cannot listen on .*:5672: ") as caught:
        node.listen(second, 5672)
    assert caught.value.errno == errno.EADDRINUSE
    listener.close()
    listener.close()
    node.listen(second, 5672)


def test_a_port_of_the_networks_choice(node):
    assert node.listen("", 0).port != node.listen("", 0).port
    assert node.listen("localhost", 0).address.startswith("localhost:")


def test_ports_come_round(network, node):
    first = node.listen("", 0)
    network._last_port = 65534
    assert node.listen("", 0).port == 65535
    assert node.listen("", 0).port == first.port + 1


def test_a_backlog_that_is_full_lets_others_wait(node):
    listener = node.listen("localhost", 5672, backlog=1)
    first, second = node.connect("localhost", 5672), node.connect("localhost", 5672)
    node.wait(0)
    assert (first.connected(), second.connected()) == (True, False)
    listener.accept()
    node.wait(0)
    assert second.connected()


def test_a_listener_that_goes_resets_who_was_waiting(node):
    listener = node.listen("localhost", 5672)
    wire = node.connect("localhost", 5672)
    node.wait(0)
    listener.close()
    with pytest.raises(ConnectionResetError):
        wire.read(1)


def test_addresses(node):
    wire, peer = join(node)
    assert wire.local_address == peer.remote_address
    assert wire.remote_address == peer.local_address
    assert wire.local_address != wire.remote_address
    assert wire.fileno() == -1


def test_closing_an_attempt(network, node):
    wire = node.connect("localhost", 5672)
    wire.close()
    listener = node.listen("localhost", 5672)
    node.wait(0)
    assert listener.accept() is None
    assert network.dialing == []


# -- bytes ------------------------------------------------------------------------------------------------------


def test_bytes_arrive_in_order_and_then_the_end(node):
    wire, peer = join(node)
    assert peer.read(10) is None
    assert wire.write(b"abc") == 3
    assert wire.write(memoryview(b"def")) == 3
    wire.finish()
    wire.finish()
    assert peer.read(4) == b"abcd"
    assert peer.read(4) == b"ef"
    assert peer.read(4) == b""
    assert peer.write(b"still open") == 10
    assert wire.read(20) == b"still open"
    with pytest.raises(BrokenPipeError):
        wire.write(b"x")


def test_a_full_wire_takes_nothing_until_it_is_read(network, node):
    network.capacity = 10
    wire, peer = join(node)
    assert wire.write(bytes(15)) == 10
    assert wire.write(b"x") == 0
    watcher = Watcher()
    node.watch(wire, WRITE, watcher)
    assert node.wait(0) == []
    peer.read(3)
    assert node.wait(0) == [(watcher, WRITE)]
    assert wire.write(bytes(15)) == 3


@pytest.mark.parametrize(
    "chunk, pieces",
    [
        (None, [b"abcdefgh"]),
        (3, [b"abc", b"def", b"gh"]),
        ([1, 4], [b"a", b"bcde", b"f", b"gh"]),
        (iter([1, 2]), [b"a", b"bc", b"defgh"]),
        ([0], [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]),
    ],
)
def test_reads_come_in_pieces(chunk, pieces):
    node = MemoryNetwork(chunk=chunk).node()
    wire, peer = join(node)
    wire.write(b"abcdefgh")
    assert [peer.read(100) for _ in pieces] == pieces
    assert peer.read(100) is None


def test_pieces_are_never_larger_than_asked_for(network, node):
    network.split(5)
    wire, peer = join(node)
    wire.write(b"abcdefgh")
    assert peer.read(2) == b"ab"


def test_who_goes_with_everything_read_ends_the_wire(network, node):
    wire, peer = join(node)
    wire.write(b"bye")
    wire.close()
    wire.close()
    assert peer.read(10) == b"bye"
    assert peer.read(10) == b""
    assert peer.write(b"anybody?") == 8  # taken, and answered with a reset
    with pytest.raises(ConnectionResetError):
        peer.read(10)
    with pytest.raises(BrokenPipeError):
        peer.write(b"x")
    peer.close()
    assert network.wires == []


def test_who_goes_with_something_unread_resets_the_peer(node):
    wire, peer = join(node)
    peer.write(b"unread")
    wire.write(b"bye")
    wire.close()
    assert peer.read(10) == b"bye"
    with pytest.raises(ConnectionResetError):
        peer.read(10)


def test_a_cut_is_seen_by_both(network, node):
    wire, peer = join(node)
    for end in list(network.wires):
        end.reset()
    for end in (wire, peer):
        with pytest.raises(ConnectionResetError):
            end.read(1)


def test_a_closed_wire_is_of_no_use(node):
    wire, _ = join(node)
    wire.close()
    for use in (lambda: wire.read(1), lambda: wire.write(b"x")):
        with pytest.raises(OSError):
            use()


# -- waiting ----------------------------------------------------------------------------------------------------


def test_readiness_is_a_level(node):
    wire, peer = join(node)
    watcher = Watcher()
    node.watch(peer, READ, watcher)
    assert node.wait(0) == []
    wire.write(b"ab")
    assert node.wait(0) == node.wait(None) == [(watcher, READ)]
    peer.read(1)
    assert node.wait(0) == [(watcher, READ)]
    peer.read(1)
    assert node.wait(0) == []
    wire.finish()
    assert node.wait(0) == [(watcher, READ)]


def test_interest_is_replaced_and_ended(node):
    wire, peer = join(node)
    wire.write(b"x")
    first, second = Watcher(), Watcher()
    node.watch(peer, READ, first)
    node.watch(peer, READ | WRITE, second)
    assert node.wait(0) == [(second, READ | WRITE)]
    node.watch(peer, 0, second)
    assert node.wait(0) == []
    node.watch(peer, WRITE, first)
    assert node.wait(0) == [(first, WRITE)]
    peer.close()
    assert node.wait(0) == []


def test_lost_and_failed_wires_are_ready_for_anything(node):
    wire, _ = join(node)
    failed = node.connect("localhost", 1)
    first, second = Watcher(), Watcher()
    node.watch(wire, READ, first)
    node.watch(failed, WRITE, second)
    wire.reset()
    assert node.wait(0) == [(first, READ), (second, WRITE)]


def test_descriptors_of_others_are_ready_when_a_test_says_so(node):
    class Thing:
        def fileno(self):
            return 77

    thing, watcher = Thing(), Watcher()
    node.watch(thing, READ | WRITE, watcher)
    assert node.wait(0) == []
    node.poke(thing, READ)
    assert node.wait(0) == [(watcher, READ)]
    node.poke(thing, 0)
    assert node.wait(0) == []


def test_a_wake_ends_one_wait(network, node):
    node.wake()
    assert not network.quiet
    assert node.wait(None) == []
    assert network.quiet


def test_closing_a_node_leaves_the_others(network, node):
    other = network.node()
    listener = other.listen("localhost", 5672)
    node.listen("localhost", 5673)
    wire = node.connect("localhost", 5672)
    node.wait(0)
    peer = listener.accept()
    node.watch(wire, READ, Watcher())
    pending = node.connect("localhost", 5672)
    node.close()
    assert wire.closed and pending.closed
    assert peer.read(1) == b""
    assert network.listeners == [listener]
    assert other.name == "node 2"


# -- time -------------------------------------------------------------------------------------------------------


def test_time_passes_for_whoever_waits_alone(network, node):
    start = network.clock.now()
    assert node.wait(2.5) == []
    assert network.clock.now() == start + 2.5
    assert node.wait(0) == []
    assert network.clock.now() == start + 2.5


def test_waiting_for_ever_alone_is_an_error_and_not_a_hang(node):
    with pytest.raises(RuntimeError, match="here waits for ever: it has no deadline, and all is quiet"):
        node.wait(None)


def test_waiting_for_somebody_whom_nobody_runs_is_an_error_and_not_a_hang(network, node):
    other = network.node("there")
    wire, peer = join(other)
    other.watch(peer, READ, Watcher())
    wire.write(b"do something")
    start = network.clock.now()
    with pytest.raises(RuntimeError, match="here waits for ever for there, which nothing runs: use a Stepper"):
        while True:
            node.wait(1.0)
    assert network.clock.now() == start


def test_wires_tell_how_they_are(node):
    wire, peer = join(node)
    wire.write(b"abc")
    assert repr(peer) == f"<here: {peer.local_address} to {peer.remote_address}, open, 3 bytes unread>"
    wire.finish()
    assert ", finished, " in repr(wire)
    wire.reset()
    assert ", reset, " in repr(wire)
    wire.close()
    assert ", closed, " in repr(wire)
