"""The only place that touches time, selectors and sockets: a loop over a clock and a network.

The container enters. `interface` is the contract, `sockets` the real network, `loop` the turns, `driver` what
joins an engine to them; `reactor.simulation` has another network and another clock for the same loop.
"""
