"""Azure Service Bus and Event Hubs beyond AMQP itself: batches, locks, sessions, `$management`. The public names."""

from reactor.azure.batch import BATCH_FORMAT, Batch, messages_of
from reactor.azure.blocking import BlockingManagement
from reactor.azure.conditions import CONDITIONS, Meaning
from reactor.azure.management import Management, ManagementError
from reactor.azure.operations import (
    Locked,
    Operation,
    abandon_deferred,
    cancel_scheduled,
    complete_deferred,
    dead_letter_deferred,
    defer_again,
    peek,
    receive_deferred,
    renew_lock,
    renew_session_lock,
    schedule,
)
from reactor.azure.sessions import SessionFilter, session_id_of, session_locked_until
from reactor.azure.settling import abandon, dead_letter, defer, lock_token, scheduled, tag_of

#: Scopes of Microsoft Entra for `reactor.tokens.Claims(credential, scopes=...)`.
SERVICE_BUS = "https://servicebus.azure.net/.default"
EVENT_HUBS = "https://eventhubs.azure.net/.default"

__all__ = [
    "BATCH_FORMAT",
    "Batch",
    "BlockingManagement",
    "CONDITIONS",
    "EVENT_HUBS",
    "Locked",
    "Management",
    "ManagementError",
    "Meaning",
    "Operation",
    "SERVICE_BUS",
    "SessionFilter",
    "abandon",
    "abandon_deferred",
    "cancel_scheduled",
    "complete_deferred",
    "dead_letter",
    "dead_letter_deferred",
    "defer",
    "defer_again",
    "lock_token",
    "messages_of",
    "peek",
    "receive_deferred",
    "renew_lock",
    "renew_session_lock",
    "schedule",
    "scheduled",
    "session_id_of",
    "session_locked_until",
    "tag_of",
]
