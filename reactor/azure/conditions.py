"""The conditions that Azure Service Bus and Event Hubs give as reasons: their meaning, and the worth of a retry.

`reactor.reasons` decides which of them pass by themselves, so that a link or a connection comes back: those for which
the client library of Microsoft has a delay before the next attempt [1]. The others of this table are final, in the eyes
of that library [2, 3, 4], or for a person or a program to decide about.

[1] azure-sdk-for-python, sdk/servicebus/azure-servicebus/azure/servicebus/exceptions.py (`_ServiceBusErrorPolicy`,
    custom_condition_backoff, and `_error_handler` before it), and azure-eventhub's `_constants.py`
    (CUSTOM_CONDITION_BACKOFF, NO_RETRY_ERRORS)
[2] azure-sdk-for-go, sdk/messaging/azservicebus/internal/errors.go (the table of recovery kinds)
[3] https://learn.microsoft.com/en-us/java/api/com.azure.core.amqp.exception.amqperrorcondition
[4] https://learn.microsoft.com/en-us/dotnet/api/azure.messaging.servicebus.servicebusfailurereason
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """The meaning of a condition. retry: whether the same may succeed later, without a change of the program."""

    text: str
    retry: bool


#: By the name of the condition.
CONDITIONS: dict[str, Meaning] = {
    "amqp:link:detach-forced": Meaning("the link had no traffic for ten minutes, or its node was moved", True),
    "amqp:connection:forced": Meaning("the connection had no link for some minutes, or is closed for service", True),
    "com.microsoft:server-busy": Meaning("the namespace is throttled: wait a few seconds", True),
    "com.microsoft:timeout": Meaning("the service has not done it in time", True),
    "com.microsoft:operation-cancelled": Meaning("the service has cancelled the operation", True),
    "com.microsoft:container-close": Meaning("the part of the service that serves it goes away", True),
    "com.microsoft:auth-failed": Meaning("the token is not valid", False),
    "com.microsoft:argument-error": Meaning("an argument is wrong", False),
    "com.microsoft:argument-out-of-range": Meaning("an argument is out of range, such as a partition", False),
    "com.microsoft:dead-letter": Meaning("given by a receiver: the message goes to the dead-letter queue", False),
    "com.microsoft:entity-already-exists": Meaning("an entity, or a rule, has the name", False),
    "com.microsoft:entity-disabled": Meaning("the entity is disabled: enable it in the portal", False),
    "com.microsoft:message-lock-lost": Meaning("the lock of the message has ended: it comes again", False),
    "com.microsoft:message-not-found": Meaning("no message has the sequence number", False),
    "com.microsoft:no-matching-subscription": Meaning("no subscription takes the message", False),
    "com.microsoft:partition-not-owned": Meaning("another consumer of a higher epoch has the partition", False),
    "com.microsoft:precondition-failed": Meaning("the state that the operation needs is another one", False),
    "com.microsoft:publisher-revoked": Meaning("the publisher is revoked", False),
    "com.microsoft:session-cannot-be-locked": Meaning("another receiver has the session, or there is none", False),
    "com.microsoft:session-lock-lost": Meaning("the lock of the session has ended: ask for it again", False),
    "com.microsoft:session-not-found": Meaning("no session has the id", False),
    "com.microsoft:store-lock-lost": Meaning("the store of the entity has moved", False),
}
