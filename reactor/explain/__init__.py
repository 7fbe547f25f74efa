"""Why nothing moves: `reactor.explain(anything)` in a program, and ``python -m reactor.explain PID-or-URL`` from
outside of it."""
