"""The only place that touches time, selectors and sockets: a loop over a clock and a network."""
