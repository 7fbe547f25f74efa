"""A network that takes time: what is written arrives later, in order, or is seen never to arrive."""

from __future__ import annotations

import errno
import random

import pytest

from reactor.loop.wires import READ, WRITE, ConnectError
from reactor.simulation import Conditions, MemoryNetwork

EMPTY = b"\x00\x00\x00\x08\x02\x00\x00\x00"


class Watcher:
    def ready(self, mask):
        raise AssertionError("the network itself calls nobody")


class Scene:
    """Two machines, a wire between them, and time that passes when it is told to."""

    def __init__(self, latency=(1.0, 1.0), bandwidth=None, seed=1, **options):
        conditions = Conditions(random.Random(seed), latency, bandwidth)
        self.network = MemoryNetwork(conditions=conditions, **options)
        self.clock = self.network.clock
        self.start = self.clock.now()
        self.here = self.network.node("here", "here")
        self.there = self.network.node("there", "there")
        self.listener = self.there.listen("", 5672)

    @property
    def now(self):
        return self.clock.now() - self.start

    def dial(self, host="there"):
        wire = self.here.connect(host, 5672)
        self.look()
        return wire

    def join(self, host="there"):
        wire = self.dial(host)
        self.pass_time(2.0)
        assert wire.connected()
        return wire, self.listener.accept()

    def look(self):
        self.network.land()
        self.network.answer()

    def pass_time(self, seconds):
        """Everything happens in its time, and not later."""
        end = self.clock.now() + seconds
        while self.network.due is not None and self.network.due <= end:
            self.clock.advance_to(self.network.due)
            self.look()
        self.clock.advance_to(end)
        self.look()


@pytest.fixture
def scene():
    return Scene()


# -- bytes ------------------------------------------------------------------------------------------------------


def test_bytes_arrive_after_the_latency(scene):
    wire, peer = scene.join()
    assert wire.write(b"hello") == 5
    scene.pass_time(0.99)
    assert peer.read(10) is None
    scene.pass_time(0.02)
    assert peer.read(10) == b"hello"


def test_what_is_written_later_never_overtakes():
    scene = Scene(latency=(0.0, 5.0))
    scene.pass_time(0)
    wire, peer = scene.dial(), None
    scene.pass_time(10)
    peer = scene.listener.accept()
    for number in range(50):
        wire.write(bytes([number]))
    got = b""
    while len(got) < 50:
        scene.pass_time(0.1)
        got += peer.read(3) or b""
    assert got == bytes(range(50))
    assert scene.now > 3, "some of them took their time"


def test_a_bandwidth_spreads_bytes_over_time():
    scene = Scene(latency=(0.0, 0.0), bandwidth=100.0)
    wire, peer = scene.join()
    wire.write(bytes(50))
    wire.write(bytes(50))
    scene.pass_time(0.5)
    assert 40 <= len(peer.read(1000)) <= 50
    scene.pass_time(0.49)
    assert peer.read(1000) is not None
    scene.pass_time(0.02)
    scene.pass_time(10)
    peer.read(1000)
    assert wire.pipe.size == 0


def test_what_is_under_way_counts_when_the_wire_is_full():
    scene = Scene(capacity=10)
    wire, peer = scene.join()
    watcher = Watcher()
    assert wire.write(bytes(15)) == 10
    assert wire.write(b"x") == 0
    scene.here.watch(wire, WRITE, watcher)
    assert scene.here.wait(0) == []
    scene.pass_time(1.0)
    assert wire.write(b"x") == 0, "it has arrived, and is not read"
    peer.read(4)
    assert scene.here.wait(0) == [(watcher, WRITE)]
    assert wire.write(bytes(15)) == 4


def test_who_does_not_read_lets_the_wire_fill_up():
    scene = Scene(capacity=10)
    wire, peer = scene.join()
    watcher = Watcher()
    scene.there.watch(peer, READ, watcher)
    peer.deaf = True
    wire.write(bytes(10))
    scene.pass_time(1.0)
    assert scene.there.wait(0) == []
    assert peer.read(5) is None
    assert wire.write(b"x") == 0
    peer.deaf = False
    scene.there.stir(peer)
    assert scene.there.wait(0) == [(watcher, READ)]
    assert len(peer.read(20)) == 10


# -- ends -------------------------------------------------------------------------------------------------------


def test_the_end_arrives_behind_the_bytes_and_leaves_the_other_direction_open(scene):
    wire, peer = scene.join()
    wire.write(b"last")
    wire.finish()
    with pytest.raises(BrokenPipeError):
        wire.write(b"more")
    assert peer.read(10) is None
    scene.pass_time(1.0)
    assert [peer.read(10), peer.read(10)] == [b"last", b""]
    peer.write(b"answer")
    scene.pass_time(1.0)
    assert wire.read(10) == b"answer"


def test_who_writes_to_somebody_who_has_gone_is_reset_one_round_trip_later(scene):
    wire, peer = scene.join()
    peer.close()
    wire.write(b"hello")
    scene.pass_time(1.99)
    assert wire.read(10) == b"" and wire.write(b"again") == 5
    scene.pass_time(0.02)
    with pytest.raises(ConnectionResetError):
        wire.read(10)


def test_who_goes_with_something_unread_resets_the_peer_later(scene):
    wire, peer = scene.join()
    wire.write(b"unread")
    scene.pass_time(1.0)
    peer.write(b"bye")
    peer.close()
    assert wire.read(10) is None
    scene.pass_time(1.0)
    assert wire.read(10) == b"bye"
    with pytest.raises(ConnectionResetError):
        wire.read(10)


def test_a_cut_takes_what_is_under_way_with_it(scene):
    wire, peer = scene.join()
    wire.write(b"early")
    scene.pass_time(1.0)
    wire.write(b"late")
    wire.reset()
    assert peer.read(10) == b"early"
    with pytest.raises(ConnectionResetError):
        peer.read(10)
    scene.pass_time(5)
    assert scene.network.due is None


# -- connecting -------------------------------------------------------------------------------------------------


def test_a_connection_is_made_after_a_round_trip(scene):
    wire = scene.dial()
    scene.pass_time(1.99)
    assert not wire.connected() and scene.listener.accept() is None
    scene.pass_time(0.02)
    assert wire.connected() and scene.listener.accept() is not None


def test_a_refusal_takes_a_round_trip_too(scene):
    scene.listener.close()
    wire = scene.dial()
    scene.pass_time(1.99)
    assert not wire.connected()
    scene.pass_time(0.02)
    with pytest.raises(ConnectError, match="refused"):
        wire.connected()


def test_a_host_that_refuses_whoever_listens_there(scene):
    scene.network.refuse("there")
    wire = scene.dial()
    scene.pass_time(2)
    with pytest.raises(ConnectError, match="refused"):
        wire.connected()
    scene.network.refuse("there", False)
    scene.join()


def test_nobody_waits_for_ever_for_an_answer(scene):
    scene.network.silence("there")
    wire = scene.dial()
    scene.pass_time(126)
    assert not wire.connected()
    scene.pass_time(2)
    with pytest.raises(ConnectError) as caught:
        wire.connected()
    assert caught.value.errno == errno.ETIMEDOUT
    assert scene.network.dialing == []


def test_an_answer_ends_the_waiting(scene):
    scene.join()
    scene.network.fail_lookup("nowhere")
    wire = scene.dial("nowhere")
    scene.pass_time(2)
    with pytest.raises(ConnectError, match="cannot look up nowhere"):
        wire.connected()
    closed = scene.dial()
    closed.close()
    scene.pass_time(2)
    assert scene.network.due is None


# -- machines ---------------------------------------------------------------------------------------------------


def test_machines_have_ports_and_names_of_their_own(scene):
    third = scene.network.node("third", "third")
    other = third.listen("", 5672)
    with pytest.raises(OSError, match="cannot listen on"):
        third.listen("localhost", 5672)
    wires = {host: scene.here.connect(host, 5672) for host in ("there", "third", "anything", "localhost")}
    scene.pass_time(2)
    owners = {host: wire.peer.node.name for host, wire in wires.items()}
    assert owners == {"there": "there", "third": "third", "anything": "there", "localhost": "there"}
    own = third.connect("localhost", 5672)
    scene.pass_time(2)
    assert own.peer.node is third, "whoever listens on the same machine comes first"
    assert other.accept() is not None


@pytest.mark.parametrize("pair", [("here", "there"), ("there", "here"), ("here", ""), ("", "there")])
def test_across_a_partition_nothing_gets_until_it_is_healed(scene, pair):
    wire, peer = scene.join()
    wire.write(b"before")
    scene.network.part(*pair)
    peer.write(b"after")
    late = scene.here.connect("there", 5672)
    scene.pass_time(60)
    assert wire.read(10) is None and peer.read(10) is None
    assert not late.connected()
    scene.network.heal()
    scene.pass_time(0)
    assert (wire.read(10), peer.read(10)) == (b"after", b"before")
    assert late.connected()


def test_a_partition_concerns_nobody_else(scene):
    third = scene.network.node("third", "third")
    scene.network.part("third", "here")
    wire, peer = scene.join()
    wire.write(b"x")
    own = scene.network.node("again", "here").connect("there", 5672)
    other = third.connect("there", 5672)
    scene.pass_time(2)
    assert peer.read(1) == b"x" and own.connected() and other.connected()


def test_a_name_behind_a_partition_answers_nothing_even_where_nobody_listens(scene):
    scene.listener.close()
    scene.network.part("here", "there")
    wire = scene.dial()
    scene.pass_time(10)
    assert not wire.connected()
    scene.network.heal()
    scene.pass_time(1)
    with pytest.raises(ConnectError, match="refused"):
        wire.connected()


def test_a_machine_that_goes_down_says_nothing_and_knows_nothing_when_it_is_back(scene):
    wire, peer = scene.join()
    peer.write(b"last words")
    peer.vanish()
    scene.network.turn_off("there")
    wire.write(b"are you there?")
    late = scene.dial()
    scene.pass_time(60)
    assert wire.read(100) == b"last words" and wire.read(100) is None
    assert not late.connected()
    scene.network.turn_off("there", False)
    scene.pass_time(0)
    with pytest.raises(ConnectError, match="refused"):
        late.connected()
    scene.pass_time(1)
    with pytest.raises(ConnectionResetError):
        wire.read(1)
    assert scene.network.listeners == []


# -- frames -----------------------------------------------------------------------------------------------------


def test_who_inspects_sees_whole_frames_and_decides(scene):
    seen = []

    def inspect(pipe, part):
        seen.append((pipe.source.node.name, part))
        if len(seen) != 2:
            pipe.put(part)

    scene.network.inspect = inspect
    wire, peer = scene.join()
    frames = [EMPTY[:-1] + bytes([number]) for number in range(3)]
    stream = b"".join(frames)
    wire.write(stream[:13])
    wire.write(stream[13:])
    scene.pass_time(1.0)
    assert seen == [("here", frame) for frame in frames]
    assert peer.read(100) == frames[0] + frames[2]


def test_what_is_cut_short_arrives_before_the_end(scene):
    scene.network.inspect = lambda pipe, part: pipe.put(part)
    wire, peer = scene.join()
    wire.write(EMPTY + EMPTY[:3])
    wire.finish()
    scene.pass_time(1.0)
    assert (peer.read(100), peer.read(100)) == (EMPTY + EMPTY[:3], b"")


def test_a_muted_lane_says_no_more_but_ends(scene):
    scene.network.inspect = lambda pipe, part: pipe.muted or pipe.put(part)
    wire, peer = scene.join()
    wire.pipe.muted = True
    wire.write(EMPTY + b"\x00")
    wire.finish()
    scene.pass_time(1.0)
    assert peer.read(100) == b""


def test_frames_are_admitted_one_by_one(scene):
    scene.network.inspect = lambda pipe, part: pipe.put(part)
    wire, peer = scene.join()
    wire.write(EMPTY * 3)
    scene.network.admitted = 1
    scene.pass_time(2.0)
    assert peer.read(100) == EMPTY
    assert scene.network.admitted == 0
    scene.network.admitted = None
    scene.network.unstrand()
    scene.pass_time(0)
    assert peer.read(100) == EMPTY * 2


def test_witnesses_see_what_is_read(scene):
    seen = []
    scene.network.witness = lambda wire, part: seen.append((wire.node.name, part))
    wire, peer = scene.join()
    wire.write(EMPTY * 2)
    scene.pass_time(1.0)
    assert seen == []
    peer.read(9)
    assert seen == [("there", EMPTY)]
    peer.read(9)
    assert len(seen) == 2


def test_what_happens_is_noted(scene):
    lines = []
    scene.network.note = lines.append
    scene.join()
    assert lines == ["wire 1 made, here to there, at there:5672"]


# -- the rest ---------------------------------------------------------------------------------------------------


def test_one_container_alone_waits_for_what_is_under_way(scene):
    wire, peer = scene.join()
    watcher = Watcher()
    scene.here.watch(wire, READ, watcher)
    peer.write(b"hello")
    before = scene.now
    ready = []
    while not ready:
        ready = scene.here.wait(None)
    assert ready == [(watcher, READ)]
    assert scene.now == before + 1.0


@pytest.mark.parametrize("wrong", [{"latency": (2.0, 1.0)}, {"latency": (-1.0, 1.0)}, {"bandwidth": 0}])
def test_conditions_that_cannot_be(wrong):
    with pytest.raises(ValueError):
        Conditions(random.Random(0), **wrong)


def test_conditions_tell_what_they_are():
    assert repr(Conditions(random.Random(0), (0.5, 1.0), 100)) == "<Conditions: 0.5 to 1 s, 100 bytes/s>"
