"""The AMQP 1.0 specification as a table of statements, each with a function that shows whether an engine keeps it.

`python -m tests.conformance` runs the table on our engine and, where it is installed, on python-qpid-proton's.
"""
