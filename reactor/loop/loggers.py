"""Loggers, each made when it is first used: a program that nothing goes wrong in does not import `logging`.

Enter from floor 4 upwards. A line of the log has fields, too, for collectors that keep logs as data.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING, Lazily
from reactor.shown import shown

if TYPE_CHECKING:
    import logging
    from typing import Any
else:
    logging = Lazily("logging")


class _Logger:
    """Stands for the logger `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: Any = None

    def __getattr__(self, attribute: str) -> Any:
        if self._logger is None:
            self._logger = logging.getLogger(self._name)
        return getattr(self._logger, attribute)


def logger(name: str) -> logging.Logger:
    """The logger `name`: `logging.getLogger` for the top of a module."""
    return _Logger(name)  # type: ignore[return-value]


_INFO = 20


def is_wanted(log: logging.Logger) -> bool:
    """Whether anything reads lines of the level INFO: else they take no fields."""
    return log.isEnabledFor(_INFO)


#: Characters of a field: a peer chooses most of them.
LONGEST_FIELD = 200


def log_fields(about: Any = None, condition: Any = None, **more: object) -> dict[str, object]:
    """Fields of a log record, for structured logs: ``log.info(text, extra=log_fields(link))``.

    about: a Connection, Session, Link or Delivery, or None. condition: a Condition, or the name of one, or None.
    more: fields of one's own.

    amqp_peer: ``host:port``, without a user. amqp_container: the name of the peer. amqp_link, amqp_role ("sender" or
    "receiver"), amqp_address: of a link. amqp_delivery: the tag. amqp_condition: the name of a reason. Others have
    ``amqp_`` before their names. Those that are not known are left out; no field has a secret.
    """
    fields: dict[str, object] = {"amqp_" + name: value for name, value in more.items() if value is not None}
    if hasattr(about, "tag_bytes"):
        fields["amqp_delivery"] = shown(about.tag, LONGEST_FIELD)
        about = about.link
    if hasattr(about, "is_sender"):
        fields["amqp_link"] = shown(about.name, LONGEST_FIELD)
        fields["amqp_role"] = "sender" if about.is_sender else "receiver"
        ends = (about.target, about.remote_target, about.source, about.remote_source)
        ends = ends if about.is_sender else ends[2:] + ends[:2]
        address = next((end.address for end in ends if end.address), None)
        if address is not None:
            fields["amqp_address"] = shown(address, LONGEST_FIELD)
    connection = getattr(about, "connection", about)
    if connection is not None:
        if connection.connected_address:
            fields["amqp_peer"] = connection.describe()
        if connection.remote_container:
            fields["amqp_container"] = shown(connection.remote_container, LONGEST_FIELD)
    if condition is not None:
        fields["amqp_condition"] = shown(getattr(condition, "name", condition), LONGEST_FIELD)
    return fields
