"""Which hosts are this machine: what is certain, and what cannot be ruled out."""

from __future__ import annotations

import pytest

from reactor.hosts import is_loopback, may_be_this_machine

CERTAIN = ["localhost", "LocalHost", "127.0.0.1", "127.0.0.0", "127.255.255.255", "::1", "0:0::1", "::ffff:127.0.0.1"]
CERTAIN += ["::1%lo"]
POSSIBLE = ["", ".", "localhost.", "app.localhost", "127.0.0.1.", "0.0.0.0", "::", "127.1", "127", "2130706433"]
POSSIBLE += ["\u246027.0.0.1", "127\u30020\u30020\u30021", "localho\u017ft", "\uff10"]
POSSIBLE += ["127\xad.0.0.1", "::\ufb00ff:7f00:1"]
POSSIBLE += ["0x7f000001", "0X7F.1", "017700000001", "0177.0.0.1", "127.0.0.256", "::ffff:0.0.0.0"]
OTHERS = ["127.evil.example", "127.0.0.1.evil.example", "127.0.0.1evil", "127.", "127..0.1", "localhost.evil.example"]
OTHERS += ["\u00e9" * 64]
OTHERS += ["evil-localhost", "example", "10.0.0.1", "128.0.0.1", "1.127.0.0", "::2", "fe80::1%lo", "::ffff:10.0.0.1"]
OTHERS += ["1::1", "[::1]", "\u0661\u0662\u0667.0.0.1", "::127.0.0.1", " 127.0.0.1", "127.0.0.1:1", "0xg"]


@pytest.mark.parametrize("host", CERTAIN)
def test_this_machine(host: str) -> None:
    assert is_loopback(host) and may_be_this_machine(host)


@pytest.mark.parametrize("host", POSSIBLE)
def test_it_may_be_this_machine(host: str) -> None:
    assert not is_loopback(host) and may_be_this_machine(host)


@pytest.mark.parametrize("host", OTHERS)
def test_another_machine(host: str) -> None:
    assert not is_loopback(host)
    assert host == "127." or not may_be_this_machine(host)
