"""Exceptions go from process to process, and are copied, as they are."""

from __future__ import annotations

import copy
import pickle

import pytest

from reactor import DecodeError, Disposition, LocalProtocolError, Reject, SendException, Timeout

AGAIN = [copy.copy, copy.deepcopy] + [
    lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
]


class Refused(SendException):
    """An application's own."""

    def __init__(self, order: int, *, shop: str) -> None:
        super().__init__(Disposition.REJECTED, "shop:closed", "%s has no order %d" % (shop, order))
        self.order = order


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize(
    "error",
    [
        SendException(Disposition.REJECTED, "amqp:not-allowed", "not on Sundays"),
        DecodeError("a string ends too early"),
        LocalProtocolError("amqp:illegal-state", "closed", "session"),
        Timeout("nothing came"),
        Reject(),
        Refused(5, shop="Brno"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_copies_and_pickles_of_an_exception_are_the_same(error, again):
    second = again(error)
    assert type(second) is type(error)
    assert (str(second), second.args, vars(second)) == (str(error), error.args, vars(error))
