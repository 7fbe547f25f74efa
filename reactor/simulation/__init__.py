"""A world in a box: programs, a network in memory and a clock that jumps, and nothing left to chance but a seed.

Programs and their tests enter; nothing here is real, random or timed, so every run can be repeated. Most tests
need World and nothing else; MemoryNetwork and Stepper are its parts, for tests that need less.
"""

from reactor.simulation.network.clock import VirtualClock
from reactor.simulation.network.conditions import Conditions
from reactor.simulation.network.network import MemoryNetwork
from reactor.simulation.network.node import MemoryNode
from reactor.simulation.network.wire import MemoryListener, MemoryWire
from reactor.simulation.wiretap.conversation import Property, WireDelivery, WireEnd, WireLink
from reactor.simulation.wiretap.events import Observer, Seen
from reactor.simulation.wiretap.faults import Fault
from reactor.simulation.wiretap.frames import Frame, composite
from reactor.simulation.wiretap.peer import ScriptedPeer, ScriptFailed
from reactor.simulation.wiretap.properties import (
    AtMostOnce,
    CreditNeverNegative,
    EverySendEndsOnce,
    MemoryReturns,
    NothingLost,
    PropertyViolated,
    SettledOnce,
)
from reactor.simulation.world.exploration import explore
from reactor.simulation.world.program import Program
from reactor.simulation.world.stepper import NeverHappens, Stepper, run
from reactor.simulation.world.storm import Storm
from reactor.simulation.world.world import World

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
