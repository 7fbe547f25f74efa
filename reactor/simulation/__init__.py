"""A world in a box: programs, a network in memory and a clock that jumps, and nothing left to chance but a seed.

Programs and their tests enter; nothing here is real, random or timed, so what happened once happens again. Most
tests need World and nothing else; MemoryNetwork and Stepper are what it is made of, for those who want less.
"""

from reactor.simulation.clock import VirtualClock
from reactor.simulation.conversation import Property, WireDelivery, WireEnd, WireLink
from reactor.simulation.events import Observer, Seen
from reactor.simulation.explore import explore
from reactor.simulation.faults import Fault
from reactor.simulation.frames import Frame, composite
from reactor.simulation.lane import Conditions
from reactor.simulation.network import MemoryNetwork
from reactor.simulation.node import MemoryNode
from reactor.simulation.peer import ScriptedPeer, ScriptFailed
from reactor.simulation.program import Program
from reactor.simulation.properties import (
    AtMostOnce,
    CreditNeverNegative,
    EverySendEndsOnce,
    MemoryReturns,
    NothingLost,
    PropertyViolated,
    SettledOnce,
)
from reactor.simulation.stepper import NeverHappens, Stepper, run
from reactor.simulation.storm import Storm
from reactor.simulation.wire import MemoryListener, MemoryWire
from reactor.simulation.world import World

__all__ = [
    "AtMostOnce",
    "Conditions",
    "CreditNeverNegative",
    "EverySendEndsOnce",
    "Fault",
    "Frame",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryNode",
    "MemoryReturns",
    "MemoryWire",
    "NeverHappens",
    "NothingLost",
    "Observer",
    "Program",
    "Property",
    "PropertyViolated",
    "ScriptFailed",
    "ScriptedPeer",
    "Seen",
    "SettledOnce",
    "Stepper",
    "Storm",
    "VirtualClock",
    "WireDelivery",
    "WireEnd",
    "WireLink",
    "World",
    "composite",
    "explore",
    "run",
]
