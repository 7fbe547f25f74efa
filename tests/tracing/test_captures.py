"""Captures: recordings written for Wireshark, and what tcpdump and tshark have captured read as recordings."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import pytest

from reactor.codec.definitions import OPEN
from reactor.codec.performatives import encode_composite
from reactor.tracing import Record, Recording, RecordingError
from reactor.tracing.captures.files import packet_block, section_block
from reactor.tracing.captures.packets import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    Segment,
    address_text,
    checksum,
    read_segment,
    write_segment,
)
from reactor.tracing.text import describe
from tests.support.recorded_storm import recorded_storm

DATA = Path(__file__).parent.parent / "data" / "captures"

CLIENT, SERVER = (b"\x7f\x00\x00\x01", 40000), (b"\x7f\x00\x00\x01", 5672)
HEADER = b"AMQP\x00\x01\x00\x00"


def frame(body=b"", channel=0):
    return struct.pack(">IBBH", 8 + len(body), 2, 0, channel) + body


OPENING = frame(encode_composite(OPEN, ["a container"]))


# -- files, made by hand ---------------------------------------------------------------------------------------


def pcap(packets, order="<", link=1, nanoseconds=False, snap=65535):
    """The bytes of a file; a packet is its bytes, or those and its size on the link."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link)
    for number, packet in enumerate(packets):
        data, size = packet if isinstance(packet, tuple) else (packet, len(packet))
        fraction = number * (1000 if nanoseconds else 1)
        out += struct.pack(order + "IIII", 1000, fraction, len(data), size) + data
    return out


class Talk:
    """The segments of one connection, as Ethernet frames."""

    def __init__(self, client=CLIENT, server=SERVER, first=0xFFFFFFF0):
        self.ends = {"out": (client, server), "in": (server, client)}
        self.next = {"out": first, "in": 7}
        self.segments = []

    def add(self, direction, data=b"", flags=ACK | PSH, missing=0):
        source, target = self.ends[direction]
        segment = Segment(source, target, self.next[direction], 0, flags, data, missing)
        self.next[direction] = (self.next[direction] + len(data) + missing + bool(flags & (SYN | FIN))) & 0xFFFFFFFF
        self.segments.append(segment)
        return self

    def begin(self):
        return self.add("out", flags=SYN).add("in", flags=SYN | ACK).add("out", flags=ACK)

    def end(self):
        return self.add("out", flags=FIN | ACK).add("in", flags=FIN | ACK).add("out", flags=ACK)

    def packets(self, order=None):
        segments = self.segments if order is None else [self.segments[at] for at in order]
        return [write_segment(segment, 0)[0] for segment in segments]


def usual():
    return Talk().begin().add("out", HEADER).add("in", HEADER).add("out", OPENING).add("in", OPENING + frame()).end()


def read(tmp_path, data, name="some.pcap"):
    path = tmp_path / name
    path.write_bytes(data)
    return Recording.read(path)


def passed(recording):
    return [(record.direction, record.raw) for record in recording.records if record.kind == "frame"]


USUAL = [("out", HEADER), ("in", HEADER), ("out", OPENING), ("in", OPENING), ("in", frame())]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_a_capture_of_tcpdump(tmp_path, order, nanoseconds):
    recording = read(tmp_path, pcap(usual().packets(), order, nanoseconds=nanoseconds))
    assert passed(recording) == USUAL
    assert [record.kind for record in recording.records if record.kind != "frame"] == ["connected", "closed"]
    first = recording.records[0]
    assert first.program == "127.0.0.1:40000" and first.wire == "127.0.0.1:40000#1" and first.at == 0
    assert first.values == {"peer": "127.0.0.1:5672", "side": "client"}
    assert recording.header["began"] == 1000 and "cut" not in recording.header
    assert recording.records[-1].at == pytest.approx(8e-6)


def vlan(packet):
    return packet[:12] + b"\x81\x00\x00\x05" + packet[12:]


def ipv6(packet):
    """The same segment over IPv6, with a header of options between, as Ethernet has it."""
    ip = packet[14:]
    tcp = ip[20:]
    source, target = b"\x00" * 15 + b"\x01", b"\x20\x01\x0d\xb8" + b"\x00" * 11 + b"\x02"
    if tcp[:2] == struct.pack(">H", 5672):
        source, target = target, source
    head = struct.pack(">IHBB", 6 << 28, len(tcp) + 8, 0, 64) + source + target
    return packet[:12] + b"\x86\xdd" + head + b"\x06\x00" + b"\x01\x04\x00\x00\x00\x00" + tcp


LINKS = {
    "ethernet": (1, lambda packet: packet),
    "vlan": (1, vlan),
    "bsd loopback": (0, lambda packet: b"\x02\x00\x00\x00" + packet[14:]),
    "openbsd loopback": (108, lambda packet: b"\x00\x00\x00\x02" + packet[14:]),
    "raw": (101, lambda packet: packet[14:]),
    "ipv4": (228, lambda packet: packet[14:]),
    "cooked": (113, lambda packet: b"\x00\x00\x03\x04\x00\x06" + b"\x00" * 8 + packet[12:]),
    "cooked 2": (276, lambda packet: packet[12:14] + b"\x00" * 18 + packet[14:]),
    "ipv6": (1, ipv6),
    "ipv6 raw": (229, lambda packet: ipv6(packet)[14:]),
}


@pytest.mark.parametrize("kind", LINKS)
def test_link_types(tmp_path, kind):
    link, of = LINKS[kind]
    recording = read(tmp_path, pcap([of(packet) for packet in usual().packets()], link=link))
    assert passed(recording) == USUAL
    if kind.startswith("ipv6"):
        assert recording.records[0].program == "[::1]:40000"
        assert recording.records[0].values["peer"] == "[2001:db8::2]:5672"


def test_a_link_type_that_cannot_be_read_is_said(tmp_path):
    recording = read(tmp_path, pcap([b"x" * 60] * 3, link=147))
    assert recording.header["cut"] == ["packets of link type 147 cannot be read"] and not recording.records


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_a_capture_of_pcapng_in_both_orders(tmp_path, order):
    def block(kind, body):
        length = struct.pack(order + "I", len(body) + 12)
        return struct.pack(order + "I", kind) + length + body + length

    data = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += block(1, struct.pack(order + "HHI", 1, 0, 0) + struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0))
    for packet in usual().packets():
        at = 1000 * 10**9
        body = struct.pack(order + "IIIII", 0, at >> 32, at & 0xFFFFFFFF, len(packet), len(packet))
        data += block(6, body + packet + b"\x00" * (-len(packet) % 4)) + block(0x0BAD, b"unknown." * 2)
    recording = read(tmp_path, data, "some.pcapng")
    assert passed(recording) == USUAL and recording.header["began"] == 1000


# -- TCP ---------------------------------------------------------------------------------------------------


def test_retransmissions_and_another_order(tmp_path):
    talk = usual()
    order = [0, 1, 2, 5, 5, 3, 3, 4, 6, 3, 6, 7, 8, 9]
    recording = read(tmp_path, pcap(talk.packets(order)))
    assert sorted(passed(recording)) == sorted(USUAL)
    for direction in ("in", "out"):
        assert [part for part in passed(recording) if part[0] == direction] == [p for p in USUAL if p[0] == direction]
    assert "cut" not in recording.header


@pytest.mark.parametrize("size", [1, 3, 7, 20])
def test_frames_in_pieces_that_overlap(tmp_path, size):
    talk = Talk().begin()
    stream = HEADER + OPENING + frame() + OPENING
    for start in range(0, len(stream), size):
        talk.add("out", stream[start : start + size])
    source, target = talk.ends["out"]
    again = Segment(source, target, (0xFFFFFFF1 + 4) & 0xFFFFFFFF, 0, ACK, stream[4:30])
    packets = talk.packets()
    packets.insert(6, write_segment(again, 0)[0])
    assert passed(read(tmp_path, pcap(packets))) == [("out", part) for part in (HEADER, OPENING, frame(), OPENING)]


def test_several_connections_and_a_port_that_is_used_again(tmp_path):
    one, other = usual().packets(), Talk((b"\x0a\x00\x00\x01", 40001), (b"\x0a\x00\x00\x02", 1234)).begin()
    other.add("out", HEADER).add("in", HEADER).add("in", flags=RST)
    mixed = [packet for pair in zip(one, other.packets()) for packet in pair] + one[len(other.segments) :]
    recording = read(tmp_path, pcap(mixed + usual().packets()))
    wires = [record.wire for record in recording.records if record.kind == "connected"]
    # The one on another port is known by its first bytes.
    assert wires == ["127.0.0.1:40000#1", "10.0.0.1:40001#2", "127.0.0.1:40000#3"]
    ends = [(record.kind, record.text) for record in recording.records if record.kind in ("lost", "closed")]
    assert ends == [("lost", "reset by 10.0.0.2:1234"), ("closed", ""), ("closed", "")]
    assert [part for part in passed(recording) if part in USUAL] == passed(recording)
    assert len(passed(recording)) == 2 * len(USUAL) + 2


def test_other_traffic_is_passed_over(tmp_path):
    web = Talk((b"\x0a\x00\x00\x01", 40001), (b"\x0a\x00\x00\x02", 80)).begin().add("out", b"GET / HTTP/1.1\r\n\r\n")
    udp = bytearray(usual().packets()[0])
    udp[23] = 17
    arp = b"\xff" * 12 + b"\x08\x06" + b"\x00" * 40
    assert not read(tmp_path, pcap([*web.packets(), bytes(udp), arp, b"", b"x"])).records


def test_tls_is_shown_as_what_it_is(tmp_path):
    talk = Talk().begin().add("out", b"\x16\x03\x01" + b"x" * 40).add("out", b"y" * 10)
    recording = read(tmp_path, pcap(talk.packets()))
    assert not passed(recording)
    texts = [(record.text, record.raw[:3]) for record in recording.records if record.kind == "note"]
    assert texts == [("43 bytes that are no AMQP", b"\x16\x03\x01"), ("10 bytes that are no AMQP", b"yyy")]


# -- what is missing is said ---------------------------------------------------------------------------------


def test_a_capture_that_starts_in_the_middle(tmp_path):
    talk = Talk().begin().add("out", HEADER + OPENING[:10]).add("out", OPENING[10:]).add("out", OPENING)
    talk.add("in", frame())
    recording = read(tmp_path, pcap(talk.packets()[4:]))
    assert passed(recording) == [("out", OPENING), ("in", frame())]
    [first, *others] = recording.header["cut"]
    assert "#1 begins in the middle: the bytes before, from the client, are missing" in first
    assert any("bytes from the client belong to frames that are not complete" in text for text in others)
    assert recording.records[0].program == "127.0.0.1:40000", "the port tells the server"


def test_packets_that_were_not_captured(tmp_path):
    talk = Talk().begin().add("out", HEADER).add("out", OPENING).add("out", OPENING).add("out", frame()).end()
    packets = talk.packets()
    del packets[4]
    recording = read(tmp_path, pcap(packets))
    assert passed(recording) == [("out", HEADER), ("out", OPENING), ("out", frame())]
    assert recording.header["cut"] == [f"127.0.0.1:40000#1: {len(OPENING)} bytes from the client were not captured"]


def test_packets_that_were_cut_to_a_length(tmp_path):
    body = encode_composite(OPEN, ["x" * 200])
    talk = Talk().begin().add("out", HEADER).add("out", frame(body)).add("out", frame()).add("in", HEADER)
    packets = [(packet[:120], len(packet)) for packet in talk.packets()]
    recording = read(tmp_path, pcap(packets, snap=120))
    long = next(record for record in recording.records if record.values.get("size"))
    assert long.values["size"] == len(frame(body)) and frame(body).startswith(long.raw) and 60 < len(long.raw) < 120
    assert passed(recording)[2:] == [("out", frame()), ("in", HEADER)]
    assert "were not captured" in recording.header["cut"][0]


@pytest.mark.parametrize("less", [1, 9, 30, 60])
def test_a_file_that_is_cut_off(tmp_path, less):
    whole = pcap(usual().packets()[:7])
    recording = read(tmp_path, whole[:-less])
    assert passed(recording)[:3] == USUAL[:3]
    assert "cut off" in recording.header["cut"][0]
    path = tmp_path / "run.pcapng"
    recording.write(path)
    path.write_bytes(path.read_bytes()[:-less])
    assert "the last block is cut off" in Recording.read(path).header["cut"][0]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "is empty"),
        (b"hello", "is no capture"),
        (pcap([])[:20], "is cut off within its header"),
        (pcap([]) + struct.pack("<IIII", 0, 0, 1 << 31, 0), "byte 40: a packet of 2147483648 bytes is none"),
        (section_block("x", "")[:8] + b"junk" + section_block("x", "")[12:], "no section of pcapng begins like this"),
        (section_block("x", "") + struct.pack("<II", 6, 13) + b"x" * 9, "a block of 13 bytes is none"),
        (section_block("x", "") + packet_block(0, b"x", 1), "a packet of no interface of the file"),
    ],
)
def test_a_file_that_is_no_capture(tmp_path, data, error):
    with pytest.raises(RecordingError, match=error):
        read(tmp_path, data)


def test_secrets_in_a_capture_are_hidden(tmp_path):
    sasl = bytes.fromhex("0000002d02010000005341c02002a305504c41494ea0") + b"\x16\x00user\x00swordfish-in-clear"[:23]
    talk = Talk().begin().add("out", b"AMQP\x03\x01\x00\x00").add("out", sasl)
    raw = b"".join(part for _, part in passed(read(tmp_path, pcap(talk.packets()))))
    assert b"swordfish" not in raw and raw[:8] == b"AMQP\x03\x01\x00\x00"


# -- recordings, there and back ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run():
    """See `recorded_storm`."""
    return recorded_storm()


KEPT = ("connected", "frame", "lost", "closed")


def without_values(records):
    return [record._replace(values={}) for record in records]


def test_a_recording_is_written_for_wireshark_and_read_back(run, tmp_path):
    path = tmp_path / "run.pcapng"
    run.write(path)
    again = Recording.read(path)
    assert again.header == run.header
    expected = [record for record in run.records if record.kind in KEPT and record.program != "broker"]
    kept = [record._replace(text="") for record in without_values(expected)]
    assert [record._replace(text="") for record in without_values(again.records)] == kept
    assert {record.program for record in again.records} == {"sender", "large", "receiver"}
    assert again.records[0].values["other"].startswith("broker#")
    again.write(path)
    assert without_values(Recording.read(path).records) == without_values(again.records)


def test_a_recording_of_one_side_keeps_its_view(tmp_path):
    records = [
        Record(0.5, "connected", "broker", "broker#1", values={"peer": "10.1.2.3:40000", "side": "server"}),
        Record(1.0, "frame", "broker", "broker#1", "in", HEADER),
        Record(1.5, "frame", "broker", "broker#1", "out", OPENING),
        Record(2.0, "frame", "broker", "broker#1", "in", b"\x00\x03\x0d\x40" + OPENING[4:10], values={"size": 200_000}),
        Record(2.5, "frame", "broker", "broker#1", "in", frame()),
        Record(3.0, "call", "broker", "broker#1", text="on_message"),
    ]
    path = tmp_path / "run.pcapng"
    Recording({"began": 1.75e9, "title": "one side", "dropped": 3}, records).write(path)
    again = Recording.read(path)
    assert again.records == records[:-1]
    assert again.header["began"] == 1.75e9 and again.header["title"] == "one side" and again.header["dropped"] == 3
    assert "200000" not in json.dumps(again.header) and "were not captured" in again.header["cut"][0]


def test_checksums_and_addresses():
    packet, _ = write_segment(Segment(CLIENT, SERVER, 1, 2, ACK, b"odd"), 9)
    assert checksum(packet[14:34]) == 0
    pseudo = packet[26:34] + b"\x00\x06" + struct.pack(">H", len(packet) - 34)
    assert checksum(pseudo + packet[34:]) == 0
    assert read_segment(1, packet, len(packet)) == Segment(CLIENT, SERVER, 1, 2, ACK, b"odd")
    texts = {
        "00000000000000000000000000000001": "[::1]:5",
        "20010db8000000000001000000000001": "[2001:db8::1:0:0:1]:5",
        "00000000000000000000ffff7f000001": "127.0.0.1:5",
        "20010db8000100020003000400050006": "[2001:db8:1:2:3:4:5:6]:5",
        "00000000000000000000000000000000": "[::]:5",
    }
    assert {raw: address_text((bytes.fromhex(raw), 5)) for raw in texts} == texts


# -- real ones -----------------------------------------------------------------------------------------------


def test_what_tcpdump_has_captured_on_loopback_is_what_was_recorded():
    """Two programs of ours; the client was recorded meanwhile."""
    recorded = Recording.read(DATA / "loopback.jsonl")
    captured = Recording.read(DATA / "loopback.pcap")
    assert "cut" not in captured.header
    own = [record for record in recorded.records if record.kind == "frame"]
    assert len(own) > 20
    for direction in ("out", "in"):
        frames = [record.raw for record in captured.records if (record.kind, record.direction) == ("frame", direction)]
        assert frames == [record.raw for record in own if record.direction == direction]


def test_a_capture_of_a_client_of_the_c_library():
    """Linux's cooked packets, of python-qpid-proton and our broker."""
    captured = Recording.read(DATA / "proton.pcap")
    words = [describe(record.raw)[2].partition("(")[0] for record in captured.records if record.kind == "frame"]
    assert words.count("@transfer") == 8 and words.count("@open") == 2 and "cut" not in captured.header
    assert [record.kind for record in captured.records if record.kind != "frame"] == ["connected", "closed"]


# -- other bytes ---------------------------------------------------------------------------------------------


def test_any_bytes_are_a_recording_or_a_clear_error(run, tmp_path):
    path = tmp_path / "run.pcapng"
    run.write(path)
    files = {
        "a.pcapng": path.read_bytes()[:6000],
        "b.pcap": pcap(usual().packets()),
        "c.pcap": pcap([ipv6(packet) for packet in usual().packets()], ">"),
        "d.jsonl": "\n".join('{"amqp-reactor":1}\n{"t":1,"k":"frame","b":"QU1RUA=="}'.split()).encode(),
    }
    chances = random.Random(1)
    read_well = refused = 0
    for number in range(600):
        name = chances.choice(list(files))
        data = bytearray(files[name])
        for _ in range(chances.choice((1, 1, 2, 8))):
            at = chances.randrange(len(data))
            kind = chances.randrange(4)
            if kind == 0:
                data[at] = chances.randrange(256)
            elif kind == 1:
                data[at] ^= 1 << chances.randrange(8)
            elif kind == 2:
                del data[at : at + chances.randrange(1, 9)]
            else:
                data[at:at] = chances.choice((b"\x00" * 4, b"\xff" * 4, b"AMQP", bytes(data[at : at + 40])))
        if number % 7 == 0:
            del data[chances.randrange(len(data)) :]
        (tmp_path / name).write_bytes(bytes(data))
        try:
            recording = Recording.read(tmp_path / name)
        except RecordingError as error:
            refused += 1
            assert name in str(error)
        else:
            read_well += 1
            recording.write(tmp_path / "again.jsonl")
    assert read_well > 100 and refused > 20
