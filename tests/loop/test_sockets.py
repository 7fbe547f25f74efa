"""Real sockets: names and addresses, listeners, and what happens when the system runs out of something."""

from __future__ import annotations

import errno
import os
import socket
import threading

import pytest

from reactor.loop.dial import HEAD_START
from reactor.loop.driver import ListenerDriver
from reactor.loop.loop import Loop
from reactor.loop.sockets import SocketNetwork
from reactor.loop.wires import READ, WRITE, ConnectError
from reactor.simulation import VirtualClock

REFUSED = os.strerror(errno.ECONNREFUSED)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here")


class Names:
    """Stands in for getaddrinfo: a name leads where the test says; each question is kept with its thread."""

    def __init__(self, **names) -> None:
        self.names = names
        self.asked = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, host, port, type=0, flags=0):
        self.asked.append((host, threading.current_thread()))
        assert self.gate.wait(30)
        found = self.names[host.decode() if isinstance(host, bytes) else host]
        if isinstance(found, Exception):
            raise found
        return [row for address in found for row in socket.getaddrinfo(*self.place(address, port), type=type)]

    @staticmethod
    def place(address, port):
        return address if isinstance(address, tuple) else (address, port)


class Told:
    def __init__(self):
        self.count = 0

    def ready(self, mask):
        self.count += 1


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def names():
    return Names()


@pytest.fixture
def network(clock, names):
    network = SocketNetwork(clock, names)
    yield network
    network.close()


def settle(network, wire):
    """Turn until an attempt to connect has ended, whichever way."""
    told = Told()
    network.watch(wire, WRITE, told)
    while not told.count:
        for watcher, mask in network.wait(30.0):
            watcher.ready(mask)
    network.unwatch(wire)
    return wire.connected()


def peek(network, turns=20):
    for _ in range(turns):
        for watcher, mask in network.wait(0.001):
            watcher.ready(mask)


def accept(network, listener):
    """The next wire that comes in."""
    told = Told()
    network.watch(listener, READ, told)
    while True:
        wire = listener.accept()
        if wire is not None:
            network.unwatch(listener)
            return wire
        for watcher, mask in network.wait(30.0):
            watcher.ready(mask)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


# -- names ------------------------------------------------------------------------------------------------------


def test_a_name_is_looked_up_in_another_thread(network, names):
    listener = network.listen("127.0.0.1", 0)
    names.names["broker"] = ["127.0.0.1"]
    wire = network.connect("broker", listener.port)
    assert wire.remote_address == f"broker:{listener.port}"
    assert settle(network, wire)
    assert wire.remote_address == f"127.0.0.1:{listener.port}"
    (host, thread), = names.asked
    assert host == b"broker"
    assert thread is not threading.current_thread()
    assert thread.daemon
    wire.close()


def test_an_address_needs_no_thread(network, names):
    listener = network.listen("127.0.0.1", 0)
    wire = network.connect("127.0.0.1", listener.port)
    assert not wire.connected()
    assert settle(network, wire)
    assert names.asked == []
    wire.close()


def test_an_address_is_connected_to_before_any_wait(network):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        wires = [network.connect("127.0.0.1", server.getsockname()[1]) for _ in range(3)]
        for _ in wires:
            server.accept()[0].close()  # nothing has run here since
        for wire in wires:
            assert not wire.connected()  # known from a wait on
            wire.close()


def test_closing_before_any_wait_gives_the_address_up(network):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        wire = network.connect("127.0.0.1", server.getsockname()[1])
        wire.close()
        peer, _ = server.accept()
        with peer:
            peer.settimeout(30)
            assert peer.recv(1) == b""
        assert network.wait(0) == []


def test_no_host_is_this_machine(network, names):
    listener = network.listen("localhost", 0)
    wire = network.connect("", listener.port)
    assert settle(network, wire)
    assert names.asked == []
    wire.close()


def test_a_name_that_is_unknown(network, names):
    names.names["nowhere"] = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    wire = network.connect("nowhere", 5672)
    with pytest.raises(ConnectError, match=r"^cannot look up nowhere: Name or service not known$") as caught:
        settle(network, wire)
    assert caught.value.unresolved
    wire.close()


def test_a_name_with_no_address(network, names):
    names.names["empty"] = []
    with pytest.raises(ConnectError, match=r"^cannot look up empty: it has no address$"):
        settle(network, network.connect("empty", 5672))


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "..", "nul\0", "\u00fc" * 70])
def test_what_is_no_name_at_all(clock, host):
    network = SocketNetwork(clock)
    with pytest.raises(ConnectError, match=r"^cannot look up "):
        settle(network, network.connect(host, 5672))
    network.close()


@pytest.mark.parametrize("port", [0, -1, 65536, 1 << 40])
def test_what_is_no_port(network, port):
    with pytest.raises(ConnectError, match="a port lies between 1 and 65535"):
        settle(network, network.connect("127.0.0.1", port))


def test_closing_during_the_lookup(network, names):
    names.names["slow"] = ["127.0.0.1"]
    names.gate.clear()
    wire = network.connect("slow", 5672)
    told = Told()
    network.watch(wire, WRITE, told)
    wire.close()
    names.gate.set()
    peek(network)
    assert told.count == 0
    wire.close()


def test_closing_the_network_during_the_lookup(clock, names):
    names.names["slow"] = ["127.0.0.1"]
    names.gate.clear()
    network = SocketNetwork(clock, names)
    wires = [network.connect("slow", 5672) for _ in range(20)]
    network.close()
    network.close()
    names.gate.set()
    assert not any(wire.connected() for wire in wires)


def test_a_slow_name_does_not_hold_up_another(network, names):
    names.names["slow"] = ["127.0.0.1"]
    listener = network.listen("127.0.0.1", 0)
    names.gate.clear()
    slow = network.connect("slow", listener.port)
    quick = network.connect("127.0.0.1", listener.port)
    assert settle(network, quick)
    assert not slow.connected()
    names.gate.set()
    assert settle(network, slow)
    slow.close()
    quick.close()


def test_few_threads_for_many_names(network, names):
    listener = network.listen("127.0.0.1", 0)
    names.names["broker"] = ["127.0.0.1"]
    names.gate.clear()
    before = threading.active_count()
    wires = [network.connect("broker", listener.port) for _ in range(100)]
    assert threading.active_count() - before <= 8
    names.gate.set()
    assert all(settle(network, wire) for wire in wires)
    for wire in wires:
        wire.close()


# -- addresses --------------------------------------------------------------------------------------------------


def test_each_address_is_tried_until_one_answers(network, names):
    listener = network.listen("127.0.0.1", 0)
    names.names["broker"] = [("127.0.0.1", free_port()), ("127.0.0.1", free_port()), "127.0.0.1"]
    wire = network.connect("broker", listener.port)
    assert settle(network, wire)
    assert wire.remote_address == listener.address
    wire.close()


def test_the_error_lists_each_address(network, names):
    ports = [free_port(), free_port()]
    names.names["broker"] = [("127.0.0.1", port) for port in ports]
    with pytest.raises(ConnectError) as caught:
        settle(network, network.connect("broker", 5672))
    listed = "; ".join(f"127.0.0.1:{port}: {REFUSED}" for port in ports)
    assert str(caught.value) == f"cannot connect to broker:5672: {listed}"
    assert caught.value.errno == errno.ECONNREFUSED


def test_an_address_that_fails_at_once_is_passed_over(network, names):
    """A broadcast address is refused by this machine itself, before anything is sent."""
    listener = network.listen("127.0.0.1", 0)
    names.names["broker"] = ["255.255.255.255", "127.0.0.1"]
    wire = network.connect("broker", listener.port)
    assert settle(network, wire)
    wire.close()
    with pytest.raises(ConnectError, match=r"^cannot connect to 255\.255\.255\.255:5672: [A-Z]"):
        settle(network, network.connect("255.255.255.255", 5672))


def test_no_thread_to_be_had(network, names, monkeypatch):
    def fail(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(ConnectError, match=r"^cannot look up broker: can't start new thread$"):
        settle(network, network.connect("broker", 5672))


def test_a_failed_wire_stays_ready_until_nobody_looks(network):
    wire = network.connect("127.0.0.1", free_port())
    told = Told()
    network.watch(wire, WRITE, told)
    while told.count < 3:
        for watcher, mask in network.wait(30.0):
            watcher.ready(mask)
    network.unwatch(wire)
    assert not network.wait(0)
    network.watch(wire, WRITE, told)
    assert network.wait(30.0) == [(told, WRITE)]
    wire.close()
    assert not network.wait(0)


@pytest.fixture
def deaf():
    """The port of somebody who never answers: a queue that is full, so that the system drops who else comes."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    fillers = []
    for _ in range(8):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(server.getsockname())
        fillers.append(filler)
    probe = socket.socket()
    probe.settimeout(0.2)
    try:
        probe.connect(server.getsockname())
        pytest.skip("this system answers although the queue is full")
    except OSError:
        pass
    yield server.getsockname()[1]
    for sock in [server, probe, *fillers]:
        sock.close()


def test_an_address_that_does_not_answer_is_overtaken(network, names, clock, deaf):
    listener = network.listen("127.0.0.1", 0)
    names.names["broker"] = [("127.0.0.1", deaf), "127.0.0.1"]
    wire = network.connect("broker", listener.port)
    told = Told()
    network.watch(wire, WRITE, told)
    peek(network)
    assert not wire.connected()
    clock.advance(HEAD_START)
    while not told.count:
        for watcher, mask in network.wait(30.0):
            watcher.ready(mask)
    assert wire.connected()
    assert wire.remote_address == listener.address
    wire.close()


def test_closing_while_an_address_does_not_answer(network, names, clock, deaf):
    names.names["broker"] = [("127.0.0.1", deaf), ("127.0.0.1", deaf)]
    wire = network.connect("broker", 5672)
    peek(network)
    clock.advance(HEAD_START)
    peek(network)
    wire.close()
    assert not network.wait(0)
    assert not wire.connected()


def test_a_socket_that_met_itself_is_not_connected(network, monkeypatch):
    """The system can connect an attempt with itself; it is asked for here, because chance takes long."""
    plain = socket.socket.connect_ex

    def meet_itself(sock, address):
        sock.bind(address)
        return plain(sock, address)

    monkeypatch.setattr("reactor.loop.dial.socket.socket.connect_ex", meet_itself)
    port = free_port()
    with pytest.raises(ConnectError, match=f"^cannot connect to 127.0.0.1:{port}: {REFUSED}$"):
        settle(network, network.connect("127.0.0.1", port))


@needs_ipv6
def test_ipv6(network):
    listener = network.listen("::1", 0)
    wire = network.connect("::1", listener.port)
    assert settle(network, wire)
    peer = accept(network, listener)
    assert listener.address == wire.remote_address == peer.local_address == f"[::1]:{listener.port}"
    assert peer.remote_address == wire.local_address
    with pytest.raises(ConnectError):
        settle(network, network.connect("127.0.0.1", listener.port))
    wire.close()
    peer.close()


# -- wires ------------------------------------------------------------------------------------------------------


@pytest.fixture
def joined(network):
    listener = network.listen("127.0.0.1", 0)
    wire = network.connect("127.0.0.1", listener.port)
    assert settle(network, wire)
    peer = accept(network, listener)
    yield wire, peer
    wire.close()
    peer.close()


def wait_for(network, wire, interest=READ):
    told = Told()
    network.watch(wire, interest, told)
    while not told.count:
        for watcher, mask in network.wait(30.0):
            watcher.ready(mask)
    network.unwatch(wire)


def test_small_writes_are_sent_at_once(joined):
    for wire in joined:
        assert wire.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not wire.sock.getblocking()


def test_nothing_to_read_is_not_the_end(network, joined):
    wire, peer = joined
    assert wire.read(10) is None
    peer.write(b"abc")
    wait_for(network, wire)
    assert wire.read(2) == b"ab"
    assert wire.read(2) == b"c"
    assert wire.read(2) is None
    peer.finish()
    peer.finish()
    wait_for(network, wire)
    assert wire.read(2) == b""
    assert wire.write(b"still open the other way") > 0


def test_a_full_wire_takes_nothing(joined):
    wire, _ = joined
    total = 0
    while True:
        taken = wire.write(bytes(1_000_000))
        if not taken:
            break
        total += taken
    assert total > 0
    assert wire.write(b"x") == 0


def test_a_wire_before_and_after(network):
    wire = network.connect("127.0.0.1", free_port())
    assert (wire.local_address, wire.fileno()) == ("", -1)
    for use in (lambda: wire.read(1), lambda: wire.write(b"x")):
        with pytest.raises(OSError) as caught:
            use()
        assert caught.value.errno == errno.ENOTCONN
    wire.finish()
    wire.close()
    wire.close()
    assert wire.local_address == ""


# -- listeners --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["", None])
def test_no_host_takes_both_families(network, host):
    listener = network.listen(host, 0)
    for client_host in ["127.0.0.1"] + (["::1"] if has_ipv6() else []):
        wire = network.connect(client_host, listener.port)
        assert settle(network, wire)
        peer = accept(network, listener)
        assert peer.remote_address == wire.local_address
        wire.close()
        peer.close()


def test_no_host_without_ipv6(network, monkeypatch):
    plain = socket.socket

    def no_ipv6(family=socket.AF_INET, *rest, **options):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return plain(family, *rest, **options)

    monkeypatch.setattr("reactor.loop.sockets.socket.socket", no_ipv6)
    listener = network.listen("", 0)
    assert listener.address == f"0.0.0.0:{listener.port}"


@needs_ipv6
def test_a_name_is_listened_to_on_each_of_its_addresses(network, monkeypatch):
    plain = socket.getaddrinfo

    def both(host, port, **options):
        return [row for address in ("::1", "127.0.0.1") for row in plain(address, port, **options)]

    monkeypatch.setattr("reactor.loop.sockets.socket.getaddrinfo", both)
    listener = network.listen("both", 0)
    monkeypatch.undo()
    for host in ("::1", "127.0.0.1"):
        wire = network.connect(host, listener.port)
        assert settle(network, wire)
        accept(network, listener).close()
        wire.close()
    listener.close()
    with pytest.raises(ConnectError):
        settle(network, network.connect("127.0.0.1", listener.port))


def test_an_address_that_is_in_use(network):
    listener = network.listen("127.0.0.1", 0)
    why = os.strerror(errno.EADDRINUSE)
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{listener.port}: {why}") as caught:
        network.listen("127.0.0.1", listener.port)
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    "host, port, text",
    [
        ("nowhere.invalid", 5672, "cannot listen on nowhere.invalid:5672: "),
        ("192.0.2.1", 5672, "cannot listen on 192.0.2.1:5672: "),
        ("127.0.0.1", 70000, "cannot listen on 127.0.0.1:70000: "),
    ],
)
def test_what_cannot_be_listened_on(network, host, port, text):
    with pytest.raises(OSError, match=text):
        network.listen(host, port)


def test_a_port_can_be_had_again_at_once(network):
    listener = network.listen("127.0.0.1", 0)
    wire = network.connect("127.0.0.1", listener.port)
    settle(network, wire)
    accept(network, listener).close()
    listener.close()
    listener.close()
    again = network.listen("127.0.0.1", listener.port)
    assert again.port == listener.port
    wire.close()


def test_who_gave_up_while_waiting_is_passed_over(network, monkeypatch):
    listener = network.listen("127.0.0.1", 0)
    wire = network.connect("127.0.0.1", listener.port)
    settle(network, wire)
    plain = socket.socket.accept
    trouble = [OSError(errno.ECONNABORTED, "Software caused connection abort"), OSError(errno.EPROTO, "Protocol error")]

    def accept_after_trouble(sock):
        if trouble:
            raise trouble.pop()
        return plain(sock)

    monkeypatch.setattr("reactor.loop.sockets.socket.socket.accept", accept_after_trouble)
    peer = accept(network, listener)
    assert not trouble
    peer.close()
    wire.close()


def test_a_burst_of_a_thousand():
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 2500:
        pytest.skip("this process may not have 2,500 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2500), hard))
    server, client = Loop(), Loop()
    try:
        listener = server.network.listen("127.0.0.1", 0)
        accepted = []
        driver = ListenerDriver(server, listener, accepted.append)
        wires = [client.network.connect("127.0.0.1", listener.port) for _ in range(1000)]
        told = Told()
        for wire in wires:
            client.watch(wire, WRITE, told)
        while not (len(accepted) == 1000 and all(wire.connected() for wire in wires)):
            client.turn(0)
            server.turn(0)
        driver.close()
        for wire in [*wires, *accepted]:
            wire.close()
    finally:
        client.close()
        server.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_out_of_descriptors_the_loop_does_not_spin_and_the_peer_is_served_later(clock):
    resource = pytest.importorskip("resource")
    loop = Loop(clock, SocketNetwork(clock))
    client = socket.socket()
    client.settimeout(30)
    listener = loop.network.listen("127.0.0.1", 0)
    accepted = []
    driver = ListenerDriver(loop, listener, accepted.append, pause=1.0)
    client.connect(("127.0.0.1", listener.port))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as null:
        lowest = null.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        while driver.error is None:
            loop.turn(0.01)
        assert driver.error.errno == errno.EMFILE
        assert not loop.turn(0)
        assert accepted == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    clock.advance(1.0)
    while not accepted:
        loop.turn(0)
    assert driver.error is None
    accepted[0].close()
    client.close()
    loop.close()


def test_closing_the_network_closes_what_is_its_own(clock):
    network = SocketNetwork(clock)
    listener = network.listen("127.0.0.1", 0)
    unwatched = network.listen("127.0.0.1", 0)
    wire = network.connect("127.0.0.1", listener.port)
    settle(network, wire)
    peer = accept(network, listener)
    network.watch(wire, READ, Told())
    network.watch(peer, READ, Told())
    network.close()
    assert (listener.fileno(), unwatched.fileno(), wire.fileno(), peer.fileno()) == (-1, -1, -1, -1)
    network.close()
    wire.close()
    network.wake()
