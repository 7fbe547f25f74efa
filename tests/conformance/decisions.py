"""The rows that do not hold on our engine, each with its reason. A row that holds after all is taken off."""

from __future__ import annotations

#: MUSTs that are our own duty.
EXCEPTIONS: dict[str, str] = {}

#: Tolerances, policing and SHOULDs that are decided otherwise.
DECISIONS: dict[str, str] = {}

#: Rows whose mend is under way: they may hold or not.
BEING_MENDED: dict[str, str] = {
    "2.4.1-small_before_open": "an attach does not wait for the peer's open, whatever its size",
    "2.7.1-tiny_max_frame_size": "the connection is refused before the peer's close is read",
    "2.7.1-flow_on_channel_too_high": "the condition is not-allowed",
    "2.7.2-handle_max_comes_late": "attaches do not wait for the peer's begin",
    "2.5.6-incoming_id_of_flow": "next-incoming-id is counted and not taken from the peer's flows",
}
