"""A world in a box: a clock that jumps, a network in memory, and a hand that steps whole systems through it.

Programs and their tests enter; nothing here is real, random or timed, so what happened once happens again.
"""

from reactor.simulation.clock import VirtualClock
from reactor.simulation.lane import Conditions
from reactor.simulation.network import MemoryNetwork
from reactor.simulation.node import MemoryNode
from reactor.simulation.stepper import NeverHappens, Stepper, run
from reactor.simulation.wire import MemoryListener, MemoryWire

__all__ = [
    "Conditions",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryNode",
    "MemoryWire",
    "NeverHappens",
    "Stepper",
    "VirtualClock",
    "run",
]
