"""A world in a box: a clock that jumps, a network in memory, and a hand that steps whole systems through it.

Programs and their tests enter; nothing here is real, random or timed, so what happened once happens again.
"""

from reactor.simulation.clock import VirtualClock
from reactor.simulation.network import MemoryListener, MemoryNetwork, MemoryNode, MemoryWire
from reactor.simulation.stepper import NeverHappens, Stepper, run

__all__ = [
    "MemoryListener",
    "MemoryNetwork",
    "MemoryNode",
    "MemoryWire",
    "NeverHappens",
    "Stepper",
    "VirtualClock",
    "run",
]
