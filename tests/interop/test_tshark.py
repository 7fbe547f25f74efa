"""Wireshark's own reading of recordings: Debian's tshark opens the files that we write, and finds no fault in them.

`tox -e capture` runs it, where tshark is installed.
"""

from __future__ import annotations

import os
import subprocess
from shutil import which

import pytest

from reactor.tracing.text import describe
from tests.support.recorded_storm import recorded_storm

if os.environ.get("AMQP_REACTOR_CAPTURE") != "required":
    pytest.skip("AMQP_REACTOR_CAPTURE is not set, as it is by tox -e capture", allow_module_level=True)

if which("tshark") is None:
    pytest.skip("tshark is not installed", allow_module_level=True)


def test_tshark_reads_what_we_write(tmp_path):
    run = recorded_storm()
    path = tmp_path / "run.pcapng"
    run.write(path)

    def tshark(*arguments):
        options = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
        command = ["tshark", "-r", str(path), *options, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()

    bad = tshark("-Y", "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0")
    assert bad == [], "numbers and checksums are right"
    expected = [r for r in run.records if r.kind == "frame" and r.program != "broker" and not r.raw.startswith(b"AMQP")]
    seen = tshark("-Y", "amqp && !_ws.malformed", "-T", "fields", "-e", "amqp.performative")
    frames = [number for line in seen for number in line.split(",") if number]
    # What tshark takes for malformed is the first frame of a message of several: its sections end behind the frame.
    malformed = tshark("-Y", "_ws.malformed", "-T", "fields", "-e", "frame.len")
    several = [r for r in expected if describe(r.raw)[2].startswith("@transfer") and "more=true" in describe(r.raw)[2]]
    assert len(malformed) <= len(several)
    assert len(frames) + len(several) >= len([r for r in expected if len(r.raw) > 8 and r.raw[5] == 0])
    assert len(tshark("-Y", "tcp.flags.syn == 1 && tcp.flags.ack == 0")) == len(
        [r for r in run.records if r.kind == "connected" and r.program != "broker"]
    )
    names = tshark("-N", "n", "-T", "fields", "-e", "ip.src_host")
    assert set(names) >= {"broker", "sender", "receiver", "large"}
