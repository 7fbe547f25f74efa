"""Agreement: the wishes of an attach that the peer's answer lacks.

A peer that does not know a filter, or cannot keep a subscription, leaves it out of its answer [2.6.3,
3.5.8], and goes on as if it had not been asked: every message comes, a browser takes messages away. It knows links and
termini, and warns; an application that insists has the link closed.
"""

from __future__ import annotations

from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import Event
from reactor.engine.public import Link
from reactor.errors import FORGOTTEN, NOT_IMPLEMENTED
from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import log_fields, logger
from reactor.shown import quoted, shown

if TYPE_CHECKING:
    from typing import Any

log = logger(__name__)

#: The kinds of wishes, by the names that `insist` takes.
FILTER, MODE, DURABILITY, EXPIRY = "filter", "distribution mode", "durability", "expiry policy"
CAPABILITY, PROPERTY = "capability", "dynamic node property"
EVERYTHING = (FILTER, MODE, DURABILITY, EXPIRY, CAPABILITY, PROPERTY)

_MODES = {Terminus.DIST_MODE_COPY: "copy", Terminus.DIST_MODE_MOVE: "move"}
_EXPIRY = {Terminus.EXPIRE_WITH_LINK: "link-detach", Terminus.EXPIRE_WITH_CONNECTION: "connection-close"}
_EXPIRY[Terminus.EXPIRE_NEVER] = "never"


def insist(link: Any, *what: str) -> None:
    """Have `link` closed when the peer's answer lacks something of these kinds that was asked for."""
    link.__dict__.setdefault("insists_on", set()).update(what)


def lacks(link: Link) -> list[tuple[str, str]]:
    """The wishes that are not in the peer's answer: the kind of each, and itself in words."""
    asked, answered = link.source, link.remote_source
    if link.is_sender:
        asked, answered = link.target, link.remote_target
    missing: list[tuple[str, str]] = []
    if asked.has_address_alone():
        return missing  # as most: nothing was asked for
    for name in asked.filter:
        if link.is_receiver and name not in answered.filter:
            missing.append((FILTER, "the filter %s" % quoted(str(name))))
    mode = asked.distribution_mode
    if link.is_receiver and mode != answered.distribution_mode and _is_notable(mode, answered.distribution_mode):
        missing.append((MODE, "the distribution mode %s" % _MODES.get(mode, mode)))
    if answered.durability < asked.durability:
        missing.append((DURABILITY, "the durability %d" % asked.durability))
    expiry = asked.expiry_policy
    if expiry in _EXPIRY and answered.expiry_policy != expiry:
        missing.append((EXPIRY, "the expiry policy %s" % _EXPIRY[expiry]))
    there = answered.capabilities
    missing += [(CAPABILITY, "the capability %s" % shown(one)) for one in asked.capabilities if one not in there]
    if asked.dynamic:
        made = answered.properties
        missing += [(PROPERTY, "the property %s" % shown(key)) for key in asked.properties if key not in made]
    return missing


def _is_notable(asked: int, answered: int) -> bool:
    """A peer without an answer moves messages."""
    copied = Terminus.DIST_MODE_COPY in (asked, answered)
    return copied and asked != Terminus.DIST_MODE_UNSPECIFIED


def look_at(link: Link) -> None:
    """The peer has attached `link`: warn, once for each link, of the wishes that its answer lacks, or close it."""
    if link.passive or not link.state & Endpoint.LOCAL_ACTIVE or not link.state & Endpoint.REMOTE_ACTIVE:
        return
    if link.ledger is not None and not _resumes(link):
        return
    missing = lacks(link)
    if not missing:
        return
    insists_on = link.__dict__.get("insists_on", ())
    text = ", ".join(words for kind, words in missing if kind in insists_on)
    if text:
        _close(link, "%s: the peer does not apply %s, which strict=True asks for" % (link.label(), text))
    elif not link.__dict__.get("warned"):
        link.__dict__["warned"] = True
        text = "%s: %s: the peer does not apply %s (strict=True closes the link instead)"
        words = ", ".join(words for _, words in missing)
        log.warning(text, link.connection.describe(), link.describe(), words, extra=log_fields(link))


def _resumes(link: Link) -> bool:
    """Whether the peer keeps its part of exactly once; if not, the link is closed before a message has left."""
    answered = link.remote_target if link.is_sender else link.remote_source
    count = link.ledger.forgotten
    if count:
        text = "%s: the peer has forgotten the link, and %d of its deliveries are in doubt: compare both sides, and"
        text = (text + " then forget them here by store.forget(%r)") % (link.label(), count, link.ledger.key)
        link.abandon()
        _close(link, text, FORGOTTEN)
        return False
    missing = []
    if link.remote_rcv_settle_mode != Link.RCV_SECOND:
        missing.append("the settle mode second of receivers")
    if link.remote_snd_settle_mode == Link.SND_SETTLED:
        missing.append("the settle mode unsettled of senders")
    asked = link.target if link.is_sender else link.source
    if answered.expiry_policy != asked.expiry_policy:
        missing.append("the expiry policy %s" % _EXPIRY.get(asked.expiry_policy, "session-end"))
    elif answered.timeout < asked.timeout:
        missing.append("the timeout of %d s" % asked.timeout)
    if link.remote_incomplete or (link.ledger.incomplete and not link.is_sender):
        missing.append("a map of all unsettled deliveries, which is too large for its frames,")
    if not missing:
        return True
    text = "%s: the peer does not apply %s, which ExactlyOnce() needs: AtLeastOnce() does without"
    link.abandon()
    _close(link, text % (link.label(), ", ".join(missing)))
    return False


def _close(link: Link, text: str, name: str = NOT_IMPLEMENTED) -> None:
    """Both sides get the reason. Messages that the peer has sent already stay its own."""
    condition = Condition(name, text)
    link.discarding = True
    link.remote_condition = condition
    link.condition = condition
    link.close()
    link.connection.emit(Event.LINK_REMOTE_CLOSE, link)
