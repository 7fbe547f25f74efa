"""The rows that do not hold on our engine, each with its reason. A row that holds after all is taken off."""

from __future__ import annotations

#: MUSTs that are our own duty.
EXCEPTIONS: dict[str, str] = {
    "2.7.2-handle_max_comes_late": "up to 16 attaches go out before the peer's handle-max is known, which saves a round"
    " trip; a peer that takes fewer ends the session, and says so",
    "5.3.1-short_frames": "passwords and tokens of real identity providers are longer than 512 octets, and servers take"
    " them",
}

#: Tolerances, policing and SHOULDs that are decided otherwise.
DECISIONS: dict[str, str] = {
    "2.5.1-lowest_channel": "a channel that a session has given up is taken again as late as can be: RabbitMQ 4.0.5"
    " falls silent when a session begins at once on the channel of one that has ended with an error",
    "2.7.3-no_initial_count": "a sender that does not say where its delivery-count starts is counted from 0",
    "2.7.5-second_on_a_first": "the field is passed over: the link settles as it was agreed on at the attach",
    "2.8.7-long_tag": "a tag of any length is taken: it harms nobody, and the limits bound its memory",
    "2.8.13-keys_of_fields": "what a peer tells of itself is handed to the application as it is, odd keys too",
    "2.6.5-errant_link": "what was on its way when the link was detached cannot be told from a fault: it is passed"
    " over, up to a limit, and the peer learns of the error from the detach",
}
