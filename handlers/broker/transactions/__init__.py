"""Transactions of a broker: the coordinator of the specification's part 4, and the work that waits for a discharge."""
