"""A network in memory, and a clock that jumps."""
