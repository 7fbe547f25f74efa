"""ExactlyOnce: the option of links with deliveries that outlive connections, and the program, if their store does."""

from __future__ import annotations

from typing import Any, Optional

from reactor.container.agreement import DURABILITY, insist
from reactor.container.settings.options import LinkOption
from reactor.container.unsettled.changes import UnsettledStore
from reactor.container.unsettled.journal import LinkJournal, read_stored_state
from reactor.container.unsettled.memory import UnsettledMemory
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.public import Link, Receiver
from reactor.errors import UnsettledError

#: Deliveries of a receiver that are not settled by both sides, if it has no bound of its own: their tags fit a frame.
MOST_UNSETTLED = 1000


class ExactlyOnce(LinkOption):
    """Each message comes once, whatever connection is lost: both sides keep unsettled deliveries and go on with them
    when the link is attached again, by the container's id and the link's name [2.6.13].

    store: this side keeps them there. An UnsettledFile is for a program that is started again: it needs a
        `container_id` then, and its links a `name`. None (default) for an UnsettledMemory of its own.
    strict: whether the link is closed, too, where the peer does not outlive its own restart (False: a warning).
    timeout: for how many whole seconds the peer keeps its end when the link has gone; None (default) for ever.

    A peer that cannot resume is told so when it attaches: the link is closed, `on_link_error` with
    ``amqp:not-implemented``, and no message has left. `close()` ends the link for good on both sides; a link that is
    to go on is detached, or its connection closed.
    """

    def __init__(
        self, store: Optional[UnsettledStore] = None, strict: bool = False, timeout: Optional[int] = None
    ) -> None:
        if store is not None and not hasattr(store, "load"):
            raise TypeError("store is an UnsettledMemory() or an UnsettledFile(path), not %r" % (store,))
        self.store: UnsettledStore = UnsettledMemory() if store is None else store
        if timeout is not None and (type(timeout) is not int or timeout <= 0):
            raise ValueError("timeout is a whole number of seconds, at least 1, not %r" % (timeout,))
        self.strict = strict
        self.timeout = timeout

    def apply(self, link: Link) -> None:
        if getattr(link, "send_timeout", None) is not None:
            text = "%r: ExactlyOnce() waits for each outcome, and has no use for a send_timeout: give none"
            raise ValueError(text % (link,))
        store, connection = self.store, link.connection
        key = _key(connection.container, link)
        _check_container(store, key, link)
        store.commit()
        kept = store.load(key)
        link.snd_settle_mode = Link.SND_UNSETTLED
        link.rcv_settle_mode = Link.RCV_SECOND
        terminus = link.source if link.is_receiver else link.target
        terminus.durability = Terminus.DELIVERIES
        terminus.expiry_policy = Terminus.EXPIRE_NEVER if self.timeout is None else Terminus.EXPIRE_WITH_LINK
        terminus.timeout = self.timeout or 0
        if self.strict:
            insist(link, DURABILITY)
        journal = LinkJournal(store, key, kept.attached)
        if isinstance(link, Receiver):
            if link.max_unsettled is None:
                link.max_unsettled = MOST_UNSETTLED
            link.keep(journal=journal, kept=[(tag, read_stored_state(state)) for tag, state in kept.taken.items()])
        else:
            sender: Any = link
            sender.counted = max(sender.counted, kept.counted)
            link.keep(journal=journal, kept=kept.sent.items())


def _key(container: str, link: Link) -> str:
    return "%s %s %s" % ("to" if link.is_sender else "from", container, link.name)


def _check_container(store: UnsettledStore, key: str, link: Link) -> None:
    """Messages that wait for this link, under another container's id, would wait for ever."""
    way = key.partition(" ")[0]
    for other in store.links():
        if other != key and other.startswith(way + " ") and other.endswith(" " + link.name):
            container = other[len(way) + 1 : -len(link.name) - 1]
            text = "the store keeps messages of the link %r of the container %r: give this one container_id=%r"
            raise UnsettledError(text % (link.name, container, container))
