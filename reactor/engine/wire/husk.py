"""Husks: what brings a link's handshake on the wire to its end when the link itself goes on without it.

A peer that does not answer an attach or a detach in time, or that sends a link elsewhere, still holds its end of the
link. A husk takes the place of ours: it has the handles and the name, answers what has to be answered, and nobody
hears of it. Links and sessions enter. It knows no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from reactor.engine.endpoints.endpoint import LOCAL_CLOSED, REMOTE_MASK
from reactor.engine.handler import PlanTable

if TYPE_CHECKING:  # links enter; the types go round, the imports do not
    from reactor.engine.endpoints.link import Link


def shed(link: Link) -> Optional[Link]:
    """Leave a husk in the place of `link` on its wire; returns it, or None when there is nothing to leave."""
    window = link.window
    if window is None or window.end_sent or (link.handle_out is None and link.handle_in is None):
        return None
    husk = type(link)(link.session, link.name)
    husk.plans = PlanTable(None)
    husk.state = LOCAL_CLOSED | link.state & REMOTE_MASK
    husk.deaf = True
    husk.window = window
    husk.source, husk.target = link.source, link.target
    husk.delivery_count = link.delivery_count
    husk.detach_sent, husk.detached = link.detach_sent, link.detached
    husk.handle_out, husk.handle_in = link.handle_out, link.handle_in
    if link.handle_out is not None:
        window.handles_out[link.handle_out] = husk
    if link.handle_in is not None:
        window.handles_in[link.handle_in] = husk
    link.session.add(husk)
    return husk
