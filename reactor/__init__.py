"""AMQP 1.0 with nothing but the standard library: the names of `proton` and `proton.reactor`, in one place.

A list of re-exports and nothing else: what a name means is said where it is defined.
"""

__version__ = "0.1.0"
