"""The rows that do not hold on our engine, each with its reason. A row that holds after all is taken off."""

from __future__ import annotations

#: MUSTs that are our own duty.
EXCEPTIONS: dict[str, str] = {}

#: Tolerances, policing and SHOULDs that are decided otherwise.
DECISIONS: dict[str, str] = {
    "2.7.3-no_initial_count": "a sender that does not say where its delivery-count starts is counted from 0",
    "2.7.5-second_on_a_first": "the field is passed over: the link settles as it was agreed on at the attach",
    "2.8.7-long_tag": "a tag of any length is taken: it harms nobody, and the limits bound its memory",
    "2.8.13-keys_of_fields": "what a peer tells of itself is handed to the application as it is, odd keys too",
    "2.6.5-errant_link": "what was on its way when the link was detached cannot be told from a fault: it is passed"
    " over, up to a limit, and the peer learns of the error from the detach",
}

#: Rows whose mend is under way: they may hold or not.
BEING_MENDED: dict[str, str] = {
    "2.4.1-small_before_open": "an attach does not wait for the peer's open, whatever its size",
    "2.7.1-tiny_max_frame_size": "the connection is refused before the peer's close is read",
    "2.7.1-flow_on_channel_too_high": "the condition is not-allowed",
    "2.7.2-handle_max_comes_late": "attaches do not wait for the peer's begin",
    "2.6.7-drain_used_up_by_messages": "a drain whose credit messages have used up is not answered",
    "2.7.4-no_incoming_id_before_begin": "0 is told before the peer's begin",
    "2.7.4-no_count_before_attach": "0 is told before the peer's attach",
    "2.7.4-available_is_repeated": "a receiver's flow says 0",
    "2.6.1-names_are_unique": "two senders of one name are attached",
    "2.6.1-stolen": "the session is ended",
    "2.6.4-close_and_attach_again": "an attach goes out before the detach that was asked for before",
    "2.6.6-close_meets_detach": "nothing is said",
    "2.7.3-unknown_mode": "it is handed to the application",
    "2.7.3-unknown_receiver_mode": "it is handed to the application",
    "1.6.23-keys_of_two_types": "keys that Python finds equal become one",
    "5.3.1-short_frames": "an init is as long as user and password make it",
    "2.5.6-incoming_id_of_flow": "next-incoming-id is counted and not taken from the peer's flows",
}
