"""Which reasons of a peer pass."""

from __future__ import annotations

import pytest

from reactor import Condition, errors, symbol
from reactor.reasons import passes

FINAL = [
    "amqp:unauthorized-access",
    "amqp:not-found",
    "amqp:not-allowed",
    "amqp:not-implemented",
    "amqp:precondition-failed",
    "amqp:decode-error",
    "amqp:invalid-field",
    "amqp:illegal-state",
    "amqp:frame-size-too-small",
    "amqp:resource-deleted",
    "amqp:connection:framing-error",
    "amqp:session:window-violation",
    "amqp:session:errant-link",
    "amqp:session:handle-in-use",
    "amqp:session:unattached-handle",
    "amqp:link:transfer-limit-exceeded",
    "amqp:link:message-size-exceeded",
    "amqp:link:stolen",
    "amqp:connection:redirect",
    "amqp:link:redirect",
    "amqp:transaction:unknown-id",
    "amqp:transaction:rollback",
    "amqp:transaction:timeout",
]
PASSING = [
    "amqp:internal-error",
    "amqp:resource-limit-exceeded",
    "amqp:resource-locked",
    "amqp:connection:forced",
    "amqp:link:detach-forced",
    "com.microsoft:server-busy",
    "com.microsoft:timeout",
    "com.microsoft:operation-cancelled",
    "com.microsoft:container-close",
]


@pytest.mark.parametrize("name", [*FINAL, "example:strange", "amqp-reactor:timed-out"])
def test_what_would_only_be_met_again_is_final(name: str) -> None:
    assert not passes(Condition(name)) and not passes(Condition(symbol(name), "text", {}), was_open=True)


@pytest.mark.parametrize("name", PASSING)
def test_what_goes_away_by_itself_passes(name: str) -> None:
    assert passes(Condition(name)) and passes(Condition(symbol(name), "text", {}), was_open=True)


def test_no_reason_is_an_end_that_is_meant() -> None:
    assert not passes(None) and not passes(None, was_open=True)


def test_every_condition_of_the_specification_has_its_place() -> None:
    told = {value for value in vars(errors).values() if isinstance(value, str) and value.startswith("amqp:")}
    assert told - {errors.POLICY_ERROR} == {name for name in FINAL + PASSING if name.startswith("amqp:")}


@pytest.mark.parametrize("info", [None, [], "container-id", {}, {symbol("invalid-field"): "hostname"}])
def test_a_container_id_that_is_in_use_passes_after_a_loss_and_only_that(info: object) -> None:
    in_use = Condition("amqp:invalid-field", "in use", {symbol("invalid-field"): symbol("container-id")})
    assert passes(in_use, was_open=True) and not passes(in_use)
    assert not passes(Condition("amqp:invalid-field", "in use", info), was_open=True)
