"""The world: programs on nodes of a network in memory, one step at a time."""
