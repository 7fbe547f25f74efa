"""The contract's own words: addresses, and the error that lists what was tried."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from reactor.loop.wires import ConnectError, join_address, reason

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


@pytest.mark.parametrize(
    "host, text", [("localhost", "localhost:5672"), ("::1", "[::1]:5672"), ("", ":5672"), ("10.0.0.1", "10.0.0.1:5672")]
)
def test_addresses(host, text):
    assert join_address(host, 5672) == text


def test_one_address_that_is_the_one_asked_for_is_named_once():
    error = ConnectError("127.0.0.1", 5672, [("127.0.0.1:5672", REFUSED)])
    assert str(error) == "cannot connect to 127.0.0.1:5672: Connection refused"
    assert error.errno == errno.ECONNREFUSED
    assert not error.unresolved


def test_every_address_is_listed_with_its_reason():
    unreachable = OSError(errno.ENETUNREACH, "Network is unreachable")
    error = ConnectError("broker", 5672, [("[fd00::1]:5672", unreachable), ("10.0.0.1:5672", REFUSED)])
    assert str(error) == (
        "cannot connect to broker:5672: [fd00::1]:5672: Network is unreachable; 10.0.0.1:5672: Connection refused"
    )
    assert error.attempts[1][1] is REFUSED


def test_a_name_that_is_unknown():
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    error = ConnectError("nowhere", 5672, [("", unknown)])
    assert str(error) == "cannot look up nowhere: Name or service not known"
    assert error.unresolved
    assert (error.host, error.port) == ("nowhere", 5672)


def test_a_name_without_addresses():
    error = ConnectError("empty", 5672, [])
    assert str(error) == "cannot look up empty: it has no address"
    assert error.unresolved


def test_reasons():
    assert reason(OSError(errno.EPIPE, os.strerror(errno.EPIPE))) == os.strerror(errno.EPIPE)
    assert reason(OSError("in words")) == "in words"
    assert reason(ConnectionResetError()) == "ConnectionResetError"
