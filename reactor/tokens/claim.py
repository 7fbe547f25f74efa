"""One claim: the token for one audience on one connection, from the provider to the peer, and its renewal.

The claims of a connection own these (at_work.py). A token outlives the wire: over the next one the same is put again,
while it is good, and its timer goes on. It knows no link.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable, Optional

from reactor.codec.message import Message
from reactor.codec.types import timestamp
from reactor.container.reconnect.backoff import Backoff, read_delays
from reactor.engine.endpoints.condition import Condition
from reactor.errors import NOT_FOUND, TIMED_OUT, UNAUTHORIZED_ACCESS
from reactor.lazily import Lazily
from reactor.loop.loggers import logger
from reactor.loop.loop import Loop
from reactor.loop.timers import Timer
from reactor.tokens.provider import Token, TokenError, failure_of, read_token, source_name

if TYPE_CHECKING:
    import logging

    from reactor.tokens.interface import ClaimOwner
    from reactor.tokens.requests import Reply
else:
    logging = Lazily("logging")

log = logger(__name__)

#: The part of a token's time after which it is renewed: what is left is for a provider, or a peer, that fails.
RENEWED_AT = 0.8
#: Seconds between two renewals, at least.
SHORTEST_RENEWAL = 1.0
#: Seconds that a token has to be good for, to be put again over another wire.
MARGIN = 60.0
#: Statuses of HTTP that pass by themselves: a time-out, too many requests; and each of 500 and above.
PASSING = frozenset((0, 408, 409, 429))
#: What a claim waits for, in the words of its time-out.
PROVIDER = "the provider has returned none"
NODE = "the peer has not attached the links to NODE"
REPLY = "NODE has not answered put-token"
#: What to do about a refusal, by its status.
REMEDIES = {
    400: "is the type of the token one that the peer knows, and the audience one of its names?",
    401: "is it the key or the identity of this peer, and are the clocks right?",
    403: "give the policy or the identity the right: Send for a sender, Listen for a receiver",
    404: "is the address that of a queue, topic or subscription that is there?",
}


class Claim:
    """The token for one audience.

    audience: the name of the entity, as the peer has it. accepted: whether the peer has taken a token for it over the
    present wire. wanted: whether a link has asked for it on this wire.
    """

    def __init__(self, audience: str, owner: ClaimOwner) -> None:
        self.audience = audience
        self.accepted = False
        self.wanted = False
        self._owner = owner
        self._loop = owner.loop
        self._token: Optional[Token] = None  # the provider's last one, while it is to be used
        self._fresh = False  # it has not been refused or accepted yet
        self._good_until = 0.0  # the end of the one that the peer has taken, by the clock of the loop
        self._was_accepted = False
        self._closed = False
        self._stage = ""  # that which it waits for: the provider, or the peer
        self._number = 0  # of the present question
        self._request = ""  # the id of the last one to the node
        self._renewal, self._retry, self._deadline = (_Alarm(self._loop) for _ in range(3))
        self._failing_since: Optional[float] = None
        self._delays: Optional[Iterator[float]] = None

    # -- the life of the wire ----------------------------------------------------------------------------

    def begin(self) -> None:
        """A link waits for it, on this wire."""
        if not self._stage and not self.accepted and not self._closed:
            self._retry.stop()
            self._bring()

    def ready(self) -> None:
        """The links to the node are there."""
        if self._stage != NODE:
            return
        if self._token is None:  # its time came while it waited here
            self._fetch()
        else:
            self._put()

    def lost(self) -> None:
        """The wire is gone. The token stays, and so does the time of its renewal."""
        self.accepted = self.wanted = False
        self._failing_since = self._delays = None
        self._retry.stop()
        if self._stage in (NODE, REPLY):
            self._end_stage()

    def interrupted(self) -> None:
        """The links to the node have gone, and come back: the peer, which goes on with the tokens that it has, may not
        have seen the present one."""
        if self._stage == REPLY:
            self._begin_stage(NODE)

    def close(self) -> None:
        """Nothing more is done for it: a link that waits may have had `begin` called for the next turn."""
        self._closed = True
        self._end_stage()
        self._renewal.stop()
        self._retry.stop()

    # -- the way of a token ------------------------------------------------------------------------------

    def _bring(self) -> None:
        """Bring a token to the peer: the one that there is, or a new one."""
        token, soon = self._token, self._loop.clock.today() + min(self._owner.settings.timeout, MARGIN)
        if token is not None and token.expires_on > soon:
            self._fresh = False
            self._put()
        else:
            self._fetch()

    def _fetch(self) -> None:
        self._begin_stage(PROVIDER)
        number = self._number
        self._owner.ask(self.audience, lambda answer, error: self._fetched(number, answer, error))

    def _fetched(self, number: int, answer: Any, error: Optional[BaseException]) -> None:
        if number != self._number:
            return  # it comes too late
        self._end_stage()
        settings, today = self._owner.settings, self._loop.clock.today()
        try:
            if error is not None:
                raise TokenError(failure_of(error))
            self._token = read_token(answer, today, settings.kind)
        except TokenError as failure:
            text = "no token for %r: of the provider (%s) %s" % (self.audience, source_name(settings.source), failure)
            self._failed(Condition(UNAUTHORIZED_ACCESS, text))
            return
        self._fresh = True
        self._plan_renewal(self._token, today)
        self._put()

    def _put(self) -> None:
        assert self._token is not None
        problem = self._owner.exposure()
        if problem:
            self._refuse(Condition(UNAUTHORIZED_ACCESS, "the token for %r was not sent: %s" % (self.audience, problem)))
        elif not self._owner.links.is_ready:
            self._begin_stage(NODE)
        else:
            self._begin_stage(REPLY)
            number, token = self._number, self._token
            request = put_token(self.audience, token)
            self._owner.sends(token)
            self._request = self._owner.links.request(request, lambda reply: self._answered(number, token, reply))

    def _answered(self, number: int, token: Token, reply: Reply) -> None:
        if number != self._number:
            return
        self._end_stage()
        if 200 <= reply.status < 300:
            self._take(token)
            return
        reply = reply.without(token.hide)
        text = reply.text
        if reply.status in PASSING or reply.status >= 500:
            text = "put-token for %r has failed: %s" % (self.audience, text)
            self._failed(Condition(UNAUTHORIZED_ACCESS, text), True)
        elif not self._fresh:
            self._token = None  # it was good once: the peer may want another one by now
            self._fetch()
        else:
            remedy = REMEDIES.get(reply.status, "")
            text = "the peer has refused the token for %r: %s%s" % (self.audience, text, remedy and "; " + remedy)
            name = reply.condition or (NOT_FOUND if reply.status == 404 else UNAUTHORIZED_ACCESS)
            self._refuse(Condition(name, text, {"audience": self.audience, "status-code": reply.status}))

    def _take(self, token: Token) -> None:
        """The peer has accepted it."""
        self.accepted = self._was_accepted = True
        self._fresh = False
        self._failing_since = self._delays = None
        self._good_until = self._loop.now + token.expires_on - self._loop.clock.today()
        log.info("%s: a token for %s is accepted, until %.0f", self._owner.where, self.audience, token.expires_on)
        self._owner.accepted()
        if self._token is None:  # its renewal fell due while the answer was waited for
            self._renew()

    # -- renewal, and failures ---------------------------------------------------------------------------

    def _plan_renewal(self, token: Token, today: float) -> None:
        self._renewal.start(max(SHORTEST_RENEWAL, (token.expires_on - today) * RENEWED_AT), self._renew)

    def _renew(self) -> None:
        # What is under way goes on, within its bounds: a new token for each renewal would never let a peer be late.
        self._token = None
        if not self._owner.is_open:
            return  # another one is asked for over the next wire
        if not self._owner.needs(self.audience):
            self._owner.drop(self.audience)  # the next link that needs it has a new one
        elif not self._stage:
            self._fetch()

    def _failed(self, condition: Condition, passes: bool = False) -> None:
        """There is no token now. It is tried again where there was one, or where the reason passes."""
        now, timeout = self._loop.now, self._owner.settings.timeout
        if self._failing_since is None:
            self._failing_since = now
        last = max(self._failing_since, self._good_until) + timeout
        if self._delays is None:
            self._delays = read_delays(Backoff(initial=1, max_delay=60), self._owner.random)
        delay = next(self._delays)
        if not (passes or self._was_accepted) or now + delay > last:
            self._refuse(condition)
            return
        first = self._failing_since == now
        text = "%s: %s; it is tried again in %.3g s"
        log.log(logging.WARNING if first else logging.DEBUG, text, self._owner.where, condition.description, delay)
        self._retry.start(delay, self._try_again)

    def _try_again(self) -> None:
        # The peer may not have answered our open yet: the first link has asked for the token before that.
        if not self._stage and (not self._owner.is_open or self._owner.needs(self.audience)):
            self._bring()

    def _refuse(self, condition: Condition) -> None:
        self.close()
        self._owner.refuse(condition)

    # -- waiting -----------------------------------------------------------------------------------------

    def _begin_stage(self, stage: str) -> None:
        """Wait for the provider or the peer, within bounds."""
        self._end_stage()
        self._stage = stage
        self.opened()

    def opened(self) -> None:
        """The peer has opened the connection: from now on it owes an answer. A provider owes one at any time."""
        if not self._stage or self._deadline.is_set or not (self._stage == PROVIDER or self._owner.is_open):
            return
        seconds = self._owner.settings.timeout
        text = "the token for %r: %s within %g s"
        text %= (self.audience, self._stage.replace("NODE", self._owner.settings.node), seconds)
        self._deadline.start(seconds, lambda: self._late(text))

    def _late(self, text: str) -> None:
        self._end_stage()
        self._failed(Condition(TIMED_OUT, text))

    def _end_stage(self) -> None:
        self._stage = ""
        self._number += 1
        self._owner.links.drop(self._request)
        self._deadline.stop()


def put_token(audience: str, token: Token) -> Message:
    """The request that brings a token to the node [1, "Claims-based authorization"].

    [1] https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-protocol-guide
    """
    end = timestamp(int(token.expires_on * 1000))
    said = {"operation": "put-token", "type": token.kind, "name": audience, "expiration": end}
    return Message(token.token, properties=said)


class _Alarm:
    """One timer at most."""

    __slots__ = ("_loop", "_timer")

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._timer: Optional[Timer] = None

    @property
    def is_set(self) -> bool:
        return self._timer is not None and self._timer.pending

    def start(self, delay: float, callback: Callable[[], None]) -> None:
        """Call it in `delay` seconds, in place of the call before."""
        self.stop()
        self._timer = self._loop.schedule(delay, callback)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
