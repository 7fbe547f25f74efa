"""Explain: why nothing moves, in sentences that are true."""
