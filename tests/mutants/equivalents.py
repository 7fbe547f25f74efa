"""Mutants that nobody can tell from the original, and why."""

from __future__ import annotations

import re
from typing import Optional

#: What a mutant may write, in any room, where the original writes the second, and why that behaves alike.
_CONSTANT = r"((?:self\.)?_?[A-Z][A-Z_]+)\b"
KINDS = [
    (r"not TYPE_CHECKING", r"TYPE_CHECKING", "what is imported lazily, or for types alone, is imported at once"),
    (r" is " + _CONSTANT, r" == \1", "a constant is a small number, or there is one object of it"),
    (r" is not " + _CONSTANT, r" != \1", "the same"),
    (r" == " + _CONSTANT, r" is \1", "the same"),
    (r" != " + _CONSTANT, r" is not \1", "the same"),
    (r"\bis_(sender|receiver) is not ", r"is_\1 != ", "there is one True and one False"),
    (r"\bis_(sender|receiver) is ", r"is_\1 == ", "the same"),
    (r" == (link|self|delivery|mine)\b", r" is \1", "a link, delivery or connection is equal to itself alone"),
    (r" != (link|self|delivery|mine)\b", r" is not \1", "the same"),
    (r"([A-Z]{2,}) [+^] (LOCAL_|REMOTE_)", r"\1 | \2", "bits that differ: their sum"),
    (r"\.state <= WAITING\b", r".state == WAITING", "the first of the states"),
    (r"\.paused <= PAUSED\b", r".paused == PAUSED", "the first of the stages, where there is one"),
    (r"\.state // ((?:Endpoint\.)?REMOTE_CLOSED)\b", r".state & \1", "the largest bit"),
    (r"\.fate >= LOST\b", r".fate == LOST", "the last of the fates"),
    (r"\.fate <= OPEN\b", r".fate == OPEN", "the first of the fates"),
    (r"\.fate > OPEN\b", r".fate != OPEN", "the same"),
]


def either(line: str, operators: str, why: str) -> dict[str, str]:
    """The line with each of these operators at its @."""
    return {line.replace("@", operator): why for operator in operators.split()}


#: Mutants that behave as the original does: room -> the line as it is written then -> why.
EQUIVALENT = {
    "bounds": {
        "return 0 != self.max_connections < len(self._seen)": "no bound is below 0",
        "if 0 < self.max_partial_bytes != self.partial:": "the second look decides",
        "if 0 < self.max_partial_bytes <= self.partial:": "the second look decides",
        "if 0 < self.max_partial_bytes is not self.partial:": "the second look decides",
    },
    "outcomes": {
        "batchable: Optional[bool] = True,": "a hint that is not used",
        "if span < before:": "either way finds the same deliveries",
        "first = following = 1": "they are set with the first run",
        "change = (STATE_CHANGED if state is not None else 0) | (SETTLED_NOW if settled else 1)": "a bit that is set",
        "change = (STATE_CHANGED if state is not None else 0) ^ (SETTLED_NOW if settled else 0)": "bits that differ",
        "change = (STATE_CHANGED if state is not None else 0) + (SETTLED_NOW if settled else 0)": "the same",
        "if state is None or (known is not EMPTY and ((outcome is known and content is None) or known in TERMINAL)):": (
            "a state without content is one of the members of its enumeration"
        ),
        "following = not 1": "no run goes on: there is none",
        "if span <= 1:": "a range of one has been looked at before",
    },
    "attachments": {
        "if link.state & LOCAL_CLOSED and link.state ** REMOTE_CLOSED:": (
            "behind its detach a link is looked at again when the peer has closed it"
        ),
        "if handle == FEW_HANDLES and channel.remote_number is None:": "all behind it wait, so that none is larger",
        "if handle is FEW_HANDLES and channel.remote_number is None:": "the same",
        "if link.handle_out is None:": "its old place says nothing to it: it has no credit there, and is listed once",
    },
    "channel": {
        "self.dirty = False": "it is in the list twice, and the second look finds nothing",
        "return bool(session.state // (LOCAL_UNINIT | REMOTE_CLOSED))": (
            "no session that was not opened is in the list of work without a channel"
        ),
    },
    "comeback": {
        **either(
            "if not endpoint.state @ Endpoint.LOCAL_ACTIVE:",
            "+ - * / // | ^ << >> **",
            "what is closed on both sides has no channel any more",
        ),
        **either(
            "if connection.state @ Endpoint.REMOTE_CLOSED and not self._returns():",
            "+ - * / % | ^ << **",
            "one that is open comes back after a loss: its delays begin anew when it opens",
        ),
        **either(
            "if not endpoint.state @ Endpoint.REMOTE_CLOSED:",
            "+ - * / | ^ << **",
            "what the peer has not closed has no reason that passes",
        ),
        **either(
            "if isinstance(endpoint, Sender) and endpoint.state @ Endpoint.REMOTE_CLOSED:",
            "+ - * / % | ^ << **",
            "this is the event of the peer's close",
        ),
        **either(
            "elif isinstance(endpoint, Session) and endpoint.state @ Endpoint.REMOTE_CLOSED:",
            "+ - * / % | ^ << **",
            "the same",
        ),
        "if delay != 0:": "no delay is below 0",
        "if delay >= 0:": "a timer without a delay is due at once: a measure of time",
        "if delay > -1:": "the same",
        "if not patience is not None:": "a timer is cancelled with its patience, and may be when it has fired",
    },
    "flows": {
        "used = serial_difference(link.delivery_count, count) | link.given_back_early": "one of the two is 0",
        "used = serial_difference(link.delivery_count, count) ^ link.given_back_early": "the same",
        "if link.waiting and link.wire_credit != 0 and link.transfer_in_progress is None:": "no credit is below 0 here",
        "if drain and link.wire_credit <= 0:": "the same",
        "if link.waiting or link.wire_credit > 0 and link.transfer_in_progress is None:": "they wait again",
        "if link.channel == channel and link.is_sender:": "a channel is equal to itself alone",
        "if used >= 0:": "nothing was given back: it stays so",
        "if used > -1:": "the same",
    },
    "incoming_window": {
        "if not settled or delivery_id is None or not -1 <= delivery_id <= MASK:": "the codec lets no negative one in",
        "size, link.received = link.received, -1": "the link ends, and counts nothing any more",
    },
    "naming": {
        "for session in connection.sessions( -1):": "every session agrees with all bits, as with none",
        "if other is link and other.handle_out is None or other.detach_sent or channel is None or channel.end_sent:": (
            "what has not left is written first, as the older one"
        ),
    },
    "outgoing_window": {
        "LARGEST_PAYLOAD = 255 * 1024": "a measure of speed",
        "while queue and window > 0 and len(out) <= OUTPUT_LIMIT:": "the same",
        "key = len(tag) if not delivery.fate == OPEN else -2 - len(tag)": "either kind has keys of its own",
        "key = len(tag) if delivery.fate is not OPEN else -2 - len(tag)": "the same",
        "key = len(tag) if delivery.fate != OPEN else -2 - len(tag)": "the same",
        "resend = True": "it is set with the first delivery",
        "if link.waiting and link.wire_credit > -1:": "without credit they wait again",
        "if key is not link.writer_key:": "another writer is made: a measure of speed",
        "key = len(tag) if delivery.fate == OPEN else ~2 - len(tag)": "another number that no tag is as long as",
    },
    "index": {
        # When entries that do not wait are forgotten is a measure of time and memory.
        "self.stale -= 0": "when it is swept",
        "self.stale = -1": "the same",
        "if self.stale <= len(self.fresh) & len(self.returned) - self.stale:": "the same",
        "if self.stale <= len(self.fresh) - len(self.returned) - self.stale:": "the same",
        "if self.stale <= len(self.fresh) + len(self.returned) ^ self.stale:": "the same",
        "self.returned = [row for row in returned if not row[1].state or not row[1].aside]": (
            "what is gone stays until it is the first: `take` passes over it"
        ),
        "if not (returned and returned[0][0] <= place) and not (fresh and fresh[0].place < place):": "one in a place",
        # A message that was never delivered is younger than all that were.
        "if not (returned and returned[0][0] < place) and not (fresh and fresh[0].place == place):": "see above",
        "if not (returned and returned[0][0] < place) and not (fresh and fresh[0].place is place):": "see above",
        "if not (returned and returned[0][0] < place) and not (fresh and fresh[ -1].place < place):": "see above",
        "if returned and not (fresh and fresh[ -1].place < returned[0][0]):": "see above",
    },
    "queue": {
        "if not entry.aside:": "a measure of memory",
        "while entry is not root and browser.credit != 0:": "no credit is below 0",
        "if consumer.credit != 0:": "the same",
        "elif len(ring) >= 1:": "one alone takes turns with itself",
        "elif len(ring) != 1:": "it is not empty here",
        "self.resume_at = self.capacity // 2": "bytes are whole",
        "if credit > 0 or consumer.spot is not None:": "without credit, or gone, it is shown nothing",
        "if credit != 0 and consumer.spot is not None:": "no credit is below 0",
        "elif entry.state >= ACQUIRED:": "what is gone is not asked whether it is overdue",
    },
    "entry": {
        "MOST_REFUSERS = 33": "another number",
        "MOST_REFUSERS = 31": "the same",
        "serials = count( 2)": "the same",
        "if len(self.refused) != MOST_REFUSERS:": "who is gone is forgotten earlier, and never asks again",
        "if len(self.refused) is not MOST_REFUSERS:": "the same",
    },
    "turns": {
        "unlucky, most = 0, min(len(ring), MOST_REFUSERS ^ 1)": "the sum of two bits that differ",
        "unlucky, most = 0, min(len(ring), MOST_REFUSERS | 1)": "the same",
        "unlucky, most = 0, min(len(ring), MOST_REFUSERS + 2)": "one more is asked: a measure of time",
        "unlucky, most = 0, min(len(ring), MOST_REFUSERS << 1)": "more are asked: the same",
        "while unlucky != most and ring:": "it is counted one by one",
        "while unlucky is not most and ring:": "the same",
        "break  # in case: a hungry consumer has had all of it unfolded": "nothing is folded while somebody is hungry",
        "hungry = consumer.credit != 0": "no credit is below 0",
        "while consumer.credit != 0:": "the same",
    },
    "receiver": {
        "PAUSED, CONFIRMED = 1, 3": "another number",
        "self.refill_at = max(least // 2, least - OFTEN_ENOUGH) if self._prefetch else - 2": (
            "who overruns credit that is not filled again is told so one message later"
        ),
        "self.refill_at = max(least // 2, least - OFTEN_ENOUGH) if self._prefetch else ~1": "the same",
        "if window is not None and self.incoming or self.wire_credit <= self.refill_at:": (
            "when something is read it looks once more whether that makes room"
        ),
        "least = min(bounds, default= 1)": "without a bound there is no prefetch",
        "least = min(bounds, default= -1)": "the same",
        "self.refill_at = ~1": "who overruns credit that is not filled again is told so one message later",
        "self.refill_at = - 2": "who overruns credit that is not filled again is told so one message later",
    },
    "redirects": {
        "self._last = 1.0": "before the first one there is no row to go on with",
        "self._last = -1.0": "the same",
        "if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= 65536):": (
            "a Url has no such port, and that is nowhere to go as well"
        ),
        "if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65537):": (
            "the same"
        ),
        "if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port != 65536):": (
            "the same"
        ),
        "url = Url(present, defaults=True, host=host, port=default if port is None else port, path=None)": (
            "the part that may be missing is the scheme, and without one it is amqp"
        ),
    },
    "sasl": {
        "if self._stage <= _FINISHED and self.outcome != self.OK:": "no other stage comes before this in the alphabet",
    },
    "sender": {
        "_OPEN_BITS = LOCAL_ACTIVE | LOCAL_CLOSED - REMOTE_CLOSED": "the same bits, and some that no state has",
        "self.writer_key = +1": "it is set again when the link is attached",
        "self.writer_key = - 2": "the same",
        "self.writer_key = - 0": "the same",
        "self.first_delivery_count = -1": "the same",
        "if 0 != self.remote_max_message_size < size:": "no size is below 0",
        "return bool((session.state | session.connection.state) // REMOTE_CLOSED)": "the largest bit",
        "if self.state & LOCAL_UNINIT or self._ended & LOCAL_CLOSED or not self._ended - REMOTE_CLOSED:": (
            "what was opened and is not closed here was closed by the peer"
        ),
        "if self.state & (LOCAL_CLOSED - REMOTE_CLOSED) or (channel is None and self._is_over()):": (
            "the same bits, and some that no state has"
        ),
    },
}


def reason(room: str, original: str, written: str) -> Optional[str]:
    """Why a mutant of the room may live that has `written` where `original` was; None when it may not."""
    said = EQUIVALENT.get(room, {})
    for line in (written, written.partition("  #")[0]):
        if line in said:
            return said[line]
    for pattern, replacement, why in KINDS:
        for found in re.finditer(pattern, written):
            start, end = found.span()
            if written[:start] + found.expand(replacement) + written[end:] == original:
                return why
    return None
