"""How fast, how big: the same programs on amqp-reactor and on python-qpid-proton, side by side in one run.

    python -m tests.benchmarks [--quick] [--only ROW]

Every peer is a process of its own and talks over loopback. What is measured gates nothing: the call budget in
the test suite does that, whatever the machine is doing.
"""
